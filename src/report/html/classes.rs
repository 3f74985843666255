//! Owns the part of a run's page on the classes of a mix: side by side, then each by itself.

use maud::{Markup, html};

use crate::figures::{ClassView, MetricView, SloView, TrialView};
use crate::metrics::Metric;
use crate::report::chart::{Chart, Form};
use crate::report::console::{class_latency_table, classes_table, slo_table};
use crate::report::html::course::{latency_axis, limits};
use crate::report::html::distributions::{percentile_axis, points};
use crate::report::html::parts::{Page, Tile, key_of};
use crate::report::numbers::{interval, percent, rate, shown};
use crate::report::text::Text;
use crate::report::words::terms::title;
use crate::report::words::{charts, page as words};
use crate::units::count;

/// The most classes in a chart: a chart has six colours.
const MOST_DRAWN: usize = 6;
/// The most classes with a part of their own on the page.
const MOST_PARTS: usize = 12;

/// The section on the classes of a mix; nothing without a mix.
pub(super) fn content(page: &Page, trial: &TrialView) -> Markup {
    let Some(grid) = classes_table(trial) else { return html! {} };
    let left_out = trial.classes.len().saturating_sub(MOST_PARTS);
    page.section(
        words::CLASSES,
        &html! {
            (page.named_table(&grid, words::T_CLASSES))
            (page.figures(&charts_of(trial)))
            @for (name, class) in trial.classes.iter().take(MOST_PARTS) { (one(page, trial, name, class)) }
            @if left_out > 0 {
                p.note { (words::MORE_CLASSES.with([Text::data(count(left_out as u64))]).of(page.lang)) }
            }
            (page.explained(&["class", "good request", "p50, p90, p99"]))
        },
    )
}

/// The percentiles of each latency, a line for each class.
fn charts_of(trial: &TrialView) -> Vec<Chart> {
    let mut largest: Vec<(&String, &ClassView)> = trial.classes.iter().collect();
    largest.sort_by_key(|(_, class)| std::cmp::Reverse(class.requests.planned));
    largest.truncate(MOST_DRAWN);
    let is_short = trial.classes.len() > MOST_DRAWN;
    let most = || charts::CLASS_LEFT_OUT.with([Text::data(count(MOST_DRAWN as u64))]);
    let chart = |metric: Metric| {
        let told = charts::CLASS_TOLD.with([if is_short { most() } else { Text::default() }]);
        let across = percentile_axis();
        let chart = Chart::new(charts::CLASS_TITLE.with([title(metric)]), told, across, latency_axis(key_of(metric)));
        let chart = largest.iter().fold(chart, |chart, (name, class)| {
            chart.series(Text::data(name.as_str()), Form::Line, points(class.shares(metric)))
        });
        limits(trial, metric).into_iter().fold(chart, |chart, (name, limit_s)| chart.level(name, limit_s))
    };
    [Metric::Ttft, Metric::E2e, Metric::Tpot].into_iter().map(chart).collect()
}

/// One class by itself: key figures, objectives that judge it alone, latencies.
fn one(page: &Page, trial: &TrialView, name: &str, class: &ClassView) -> Markup {
    let mut own = trial.slo.objectives.clone();
    own.retain(|objective| objective.class().is_some_and(|of| *of == *name));
    // The sums below the table of objectives are of all classes, so they are left out here.
    let slo = SloView { objectives: own, attainment: None, goodput_per_s: None };
    html! {
        h3 { (words::CLASS.with([Text::data(name)]).of(page.lang)) }
        (page.tiles(&key_figures(class)))
        (page.noted(slo_table(&slo, trial), words::T_OBJECTIVES))
        (page.noted(class_latency_table(trial, class), words::T_LATENCY))
    }
}

fn key_figures(class: &ClassView) -> Vec<Tile> {
    let counts = &class.requests;
    let of = |number: u64| words::R_OF.with([number, counts.planned].map(|number| Text::data(count(number))));
    let mut tiles = vec![(words::K_COMPLETED, rate(class.rates.completed_per_s), of(counts.completed))];
    let missed = counts.planned - counts.completed;
    if missed > 0 {
        tiles.push((words::K_MISSED, count(missed), of(missed)));
    }
    for (name, metric) in [(words::K_TTFT, Metric::Ttft), (words::K_TPOT, Metric::Tpot), (words::K_E2E, Metric::E2e)] {
        let Some(stats) = class.metrics.get(&metric).map(MetricView::headline) else { continue };
        if stats.count + stats.censored > 0 {
            let between = stats.p99_ci95.map_or_else(
                || words::R_P50.with([Text::data(shown(stats.p50, "s"))]),
                |[low, high]| words::R_CI.with([Text::data(interval(low, high, "s"))]),
            );
            tiles.push((name, shown(stats.p99, "s"), between));
        }
    }
    if class.throughput.output_tokens_per_s.is_some_and(|per_s| per_s > 0.0) {
        tiles.push((words::K_TOKENS, rate(class.throughput.output_tokens_per_s), Text::default()));
    }
    if let Some(attainment) = class.attainment {
        let per_s = words::R_PER_S.with([Text::data(rate(class.rates.good_per_s))]);
        tiles.push((words::K_GOOD, percent(attainment), per_s));
    }
    tiles
}
