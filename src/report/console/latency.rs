//! Owns the latency table of the console.

use std::collections::BTreeMap;

use crate::figures::{ClassView, MetricView, StatsView, Throughput, TrialView};
use crate::metrics::{Known, LoadOrigin, Metric};
use crate::report::layout::{Grid, Ink, Tone};
use crate::report::numbers::{UNKNOWN, interval, shown};
use crate::units::plain;

const LATENCY_COLUMNS: &[&str] = &["latency", "p50", "p90", "p99", "p99 interval", "p50 sent", "p99 sent"];

/// The latency table of a trial, one row for each metric; empty without latencies.
pub(super) fn latency_text(trial: &TrialView, ink: Ink) -> String {
    let Some((grid, notes)) = latency_table(trial) else { return String::new() };
    grid.render(ink) + &ink.paint(Tone::Faint, &notes.join("\n")) + "\n"
}

/// The latency table of a trial with its notes; `None` without latencies.
pub(in crate::report) fn latency_table(trial: &TrialView) -> Option<(Grid, Vec<String>)> {
    table(&trial.metrics, &trial.throughput, trial.load.origin)
}

/// The latency table of a class of `trial` with its notes; `None` without latencies.
pub(in crate::report) fn class_latency_table(trial: &TrialView, class: &ClassView) -> Option<(Grid, Vec<String>)> {
    // The lag of the generator is one of all classes, and stands in the table of the trial.
    let mut metrics = class.metrics.clone();
    metrics.remove(&Metric::SendLag);
    table(&metrics, &class.throughput, trial.load.origin)
}

fn table(
    metrics: &BTreeMap<Metric, MetricView>,
    throughput: &Throughput,
    origin: LoadOrigin,
) -> Option<(Grid, Vec<String>)> {
    let from = match origin {
        LoadOrigin::Planned => "from the planned instant",
        LoadOrigin::Released => "from the release",
        LoadOrigin::Mixed => "from instant or release",
    };
    let mut grid = Grid::new(LATENCY_COLUMNS);
    let (mut withheld, mut slow_tail) = (false, false);
    for metric in shown_metrics(metrics) {
        let Some(row) = metrics.get(&metric) else { continue };
        let headline = row.headline();
        if headline.count + headline.missed + headline.censored == 0 {
            continue;
        }
        let name =
            if metric == Metric::OutputSpeed { "output tok/s".to_owned() } else { metric.key().replace('_', " ") };
        if headline.count + headline.censored == 0 {
            let mut cells = vec![name, "all missed".to_owned()];
            cells.resize(LATENCY_COLUMNS.len(), String::new());
            grid.row(cells);
            continue;
        }
        let show = |figure: Option<Known>| shown(figure, &row.unit);
        if let Some(p1) = headline.p1 {
            // Where higher is better, the bad tail is at the low end; the fast tail is not shown.
            slow_tail = true;
            let mut cells = vec![name, show(headline.p50), show(headline.p10), show(Some(p1))];
            cells.resize(LATENCY_COLUMNS.len(), String::new());
            grid.row(cells);
            continue;
        }
        let service = |pick: fn(&StatsView) -> Option<Known>| {
            row.service.as_ref().map_or_else(String::new, |from| show(pick(from)))
        };
        withheld |= headline.p99_ci95.is_none();
        grid.row(vec![
            name,
            show(headline.p50),
            show(headline.p90),
            show(headline.p99),
            headline.p99_ci95.map_or_else(|| UNKNOWN.to_owned(), |[low, high]| interval(low, high, &row.unit)),
            service(|from| from.p50),
            service(|from| from.p99),
        ]);
    }
    if grid.is_empty() {
        return None;
    }
    let more = if withheld { "; — needs more requests" } else { "" };
    let mut notes = vec![format!("counted {from} (sent: from the send){more}")];
    if slow_tail {
        notes.push("output tok/s: 90 % and 99 % of the requests are above the values of p90 and p99".to_owned());
    }
    let tokens = |metric: Metric| {
        let stats = metrics.get(&metric).map(MetricView::headline).filter(|stats| stats.count > 0)?;
        Some(format!("mean {}, p99 {}", stats.mean.map_or_else(|| UNKNOWN.to_owned(), plain), shown(stats.p99, "")))
    };
    match (tokens(Metric::InputTokens), tokens(Metric::OutputTokens)) {
        (Some(input), _) if throughput.items_per_s.is_some() => {
            notes.push(format!("tokens per request: in {input}"));
        }
        (Some(input), Some(output)) => notes.push(format!("tokens per request: in {input}; out {output}")),
        _ => {}
    }
    Some((grid, notes))
}

/// The metrics that a reader needs first. `ttfo` is shown only where reasoning makes it differ from `ttft`; the other
/// metrics are in `result.json`.
fn shown_metrics(metrics: &BTreeMap<Metric, MetricView>) -> Vec<Metric> {
    let headline = |metric: Metric| metrics.get(&metric).and_then(|row| row.scheduled.as_ref());
    let differs = match (headline(Metric::Ttft), headline(Metric::Ttfo)) {
        (Some(token), Some(answer)) => (token.p50, token.p99, token.mean) != (answer.p50, answer.p99, answer.mean),
        _ => false,
    };
    let shown = [
        Metric::Ttft,
        Metric::Ttfo,
        Metric::E2e,
        Metric::Tpot,
        Metric::Itl,
        Metric::Tbt,
        Metric::Stall,
        Metric::OutputSpeed,
        Metric::SendLag,
    ];
    shown.into_iter().filter(|metric| *metric != Metric::Ttfo || differs).collect()
}
