//! Owns the table of a result in CSV (RFC 4180): one row a trial, with the units in the header.

use crate::figures::{MetricView, StatsView, TrialView};
use crate::metrics::{Direction, Known, Metric, Unit, VerdictResult};
use crate::report::numbers::machine;
use crate::report::shown::shown as without_escapes;
use crate::results::Report;
use crate::units::csv_field;

/// Selects a quantile.
type Pick = fn(&StatsView) -> Option<Known>;

/// The quantiles of a metric of which lower values are better.
const SLOW: [(&str, Pick); 5] = [
    ("p50", |stats| stats.p50),
    ("p90", |stats| stats.p90),
    ("p99", |stats| stats.p99),
    ("p99_low", |stats| stats.p99_ci95.map(|[low, _]| Known::At(low))),
    ("p99_high", |stats| stats.p99_ci95.map(|[_, high]| Known::At(high))),
];
/// The quantiles of a metric of which higher values are better.
const FAST: [(&str, Pick); 3] = [("p50", |stats| stats.p50), ("p10", |stats| stats.p10), ("p1", |stats| stats.p1)];
/// The figures of a number of tokens.
const COUNTS: [(&str, Pick); 2] = [("mean", |stats| stats.mean.map(Known::At)), ("p99", |stats| stats.p99)];

/// The trials of `report`: a header, then one row a trial. The figures have the digits of the console; times are in
/// seconds and shares from 0 to 1. An unknown figure is empty; one of which only a bound is known begins with `>` or
/// `<`.
#[must_use]
pub fn render_csv(report: &Report) -> String {
    let report = &*without_escapes(report);
    let mut text = String::new();
    let header: Vec<String> = columns(report, None).into_iter().map(|(name, _)| name).collect();
    push_line(&mut text, &header);
    for trial in &report.trials {
        let row: Vec<String> = columns(report, Some(trial)).into_iter().map(|(_, value)| value).collect();
        push_line(&mut text, &row);
    }
    text
}

/// The columns with their values for the row of `trial`; without a trial only the names have a meaning.
fn columns(report: &Report, trial: Option<&TrialView>) -> Vec<(String, String)> {
    let word = |pick: &dyn Fn(&TrialView) -> String| trial.map_or_else(String::new, pick);
    let figure =
        |unit: &str, pick: &dyn Fn(&TrialView) -> Option<f64>| machine(trial.and_then(pick).map(Known::At), unit);
    let number = |pick: &dyn Fn(&TrialView) -> u64| trial.map_or_else(String::new, |trial| pick(trial).to_string());
    let mut cells: Vec<(String, String)> = [
        ("model", report.target.model.clone()),
        ("label", report.label.clone().unwrap_or_default()),
        ("started", report.started.clone()),
        ("seed", report.seed.to_string()),
        ("trial", word(&|trial| trial.label.clone())),
        ("process", word(&|trial| trial.load.process.clone().unwrap_or_default())),
        ("asked_rate_per_s", figure("", &|trial| trial.load.rate_per_s)),
        ("concurrency", word(&|trial| trial.load.concurrency.map_or_else(String::new, |number| number.to_string()))),
        ("window_s", figure("s", &|trial| Some(trial.window.length_s()))),
        ("planned_requests", number(&|trial| trial.requests.planned)),
        ("sent_requests", number(&|trial| trial.requests.sent)),
        ("completed_requests", number(&|trial| trial.requests.completed)),
        ("failed_requests", number(&|trial| trial.requests.failed)),
        ("timed_out_requests", number(&|trial| trial.requests.timed_out)),
        ("unresolved_requests", number(&|trial| trial.requests.unresolved)),
        ("shed_requests", number(&|trial| trial.requests.shed)),
        ("cancelled_requests", number(&|trial| trial.requests.cancelled)),
        ("skipped_requests", number(&|trial| trial.requests.skipped)),
        ("abandoned_requests", number(&|trial| trial.requests.abandoned)),
        ("offered_per_s", figure("", &|trial| trial.rates.offered_per_s)),
        ("sent_per_s", figure("", &|trial| trial.rates.sent_per_s)),
        ("completed_per_s", figure("", &|trial| trial.rates.completed_per_s)),
        ("good_per_s", figure("", &|trial| trial.rates.good_per_s)),
        ("throughput_requests_per_s", figure("", &|trial| trial.throughput.requests_per_s)),
        ("throughput_input_tokens_per_s", figure("", &|trial| trial.throughput.input_tokens_per_s)),
        ("throughput_output_tokens_per_s", figure("", &|trial| trial.throughput.output_tokens_per_s)),
        ("in_flight_mean", figure("", &|trial| trial.concurrency.mean)),
        ("in_flight_peak", word(&|trial| trial.concurrency.peak.map_or_else(String::new, |peak| peak.to_string()))),
        ("attainment_share", figure("share", &|trial| trial.slo.attainment)),
        ("verdict", word(&|trial| verdict(trial).to_owned())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for metric in Metric::ALL {
        let stats = trial.and_then(|trial| trial.metrics.get(&metric)).map(MetricView::headline);
        let stats = stats.filter(|stats| stats.count + stats.missed + stats.censored > 0);
        let (picks, unit): (&[(&str, Pick)], _) = match (metric.row().better, metric.unit()) {
            (_, Unit::Tokens) => (&COUNTS, ""),
            (Direction::Higher, _) => (&FAST, "_tokens_per_s"),
            _ => (&SLOW, "_s"),
        };
        let of = if metric.unit() == Unit::Seconds { "s" } else { "" };
        for (name, pick) in picks {
            cells.push((format!("{}_{name}{unit}", metric.key()), machine(stats.and_then(pick), of)));
        }
    }
    cells
}

fn verdict(trial: &TrialView) -> &'static str {
    match trial.verdict.result {
        VerdictResult::None => "",
        VerdictResult::Pass => "pass",
        VerdictResult::Fail => "fail",
        VerdictResult::Inconclusive => "inconclusive",
    }
}

fn push_line(text: &mut String, cells: &[String]) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(&csv_field(cell));
    }
    text.push_str("\r\n");
}
