//! Owns the table of the classes of a mix.

use crate::figures::{ClassView, MetricView, TrialView};
use crate::metrics::{Known, Metric};
use crate::report::layout::{Grid, Ink};
use crate::report::numbers::{UNKNOWN, percent, shown};
use crate::units::count;

const CLASS_COLUMNS: &[&str] = &["class", "requests", "done", "ttft p50", "p99", "tpot p99", "e2e p50", "p99", "good"];

/// The classes of a trial, one row each; empty without a mix.
pub(super) fn classes_text(trial: &TrialView, ink: Ink) -> String {
    classes_table(trial).map_or_else(String::new, |grid| grid.render(ink))
}

/// The classes of a trial, one row each; `None` without a mix.
pub(in crate::report) fn classes_table(trial: &TrialView) -> Option<Grid> {
    if trial.classes.is_empty() {
        return None;
    }
    let mut grid = Grid::new(CLASS_COLUMNS);
    for (name, class) in &trial.classes {
        let show = |metric: Metric, pick: fn(&MetricView) -> Option<Known>| {
            let seen = class.metrics.get(&metric).filter(|view| view.headline().count > 0);
            seen.map_or_else(|| UNKNOWN.to_owned(), |view| shown(pick(view), &view.unit))
        };
        let p50 = |view: &MetricView| view.headline().p50;
        let p99 = |view: &MetricView| view.headline().p99;
        grid.row(vec![
            name.clone(),
            count(class.requests.planned - class.requests.skipped),
            count(class.requests.completed),
            show(Metric::Ttft, p50),
            show(Metric::Ttft, p99),
            show(Metric::Tpot, p99),
            show(Metric::E2e, p50),
            show(Metric::E2e, p99),
            good(trial, name, class),
        ]);
    }
    Some(grid)
}

/// The share of good requests, if an objective says what is good in this class.
fn good(trial: &TrialView, name: &str, class: &ClassView) -> String {
    let mut scopes = trial.slo.objectives.iter().map(|objective| objective.class());
    let judged = class.attainment.filter(|_| scopes.any(|scope| scope.is_none_or(|of| *of == *name)));
    judged.map_or_else(|| UNKNOWN.to_owned(), percent)
}
