//! Owns the table of a result in CSV (RFC 4180): one row a trial, and one for each class of its mix, with the units in
//! the header.

use std::collections::BTreeMap;

use crate::figures::{ClassView, MetricView, Rates, StatsView, Throughput, TrialView};
use crate::metrics::{Counts, Direction, Known, Metric, Unit, VerdictResult};
use crate::report::numbers::machine;
use crate::report::server::server_cells;
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

/// A row: a trial, or one class of its mix.
#[derive(Debug, Clone, Copy)]
struct CsvRow<'a> {
    trial: &'a TrialView,
    class: Option<(&'a str, &'a ClassView)>,
}

impl<'a> CsvRow<'a> {
    fn requests(self) -> &'a Counts {
        self.class.map_or(&self.trial.requests, |(_, class)| &class.requests)
    }

    fn rates(self) -> &'a Rates {
        self.class.map_or(&self.trial.rates, |(_, class)| &class.rates)
    }

    fn throughput(self) -> &'a Throughput {
        self.class.map_or(&self.trial.throughput, |(_, class)| &class.throughput)
    }

    fn metrics(self) -> &'a BTreeMap<Metric, MetricView> {
        self.class.map_or(&self.trial.metrics, |(_, class)| &class.metrics)
    }

    fn attainment(self) -> Option<f64> {
        self.class.map_or(self.trial.slo.attainment, |(_, class)| class.attainment)
    }

    /// The trial, where the figure is one of all classes together.
    fn whole(self) -> Option<&'a TrialView> {
        self.class.is_none().then_some(self.trial)
    }
}

/// The trials of `report`: a header, then one row a trial. If one has classes, a column names the class: after the row
/// of a trial, where it is empty, comes one for each class of its mix. The figures have the digits of the console;
/// times are in seconds and shares from 0 to 1. An unknown figure is empty; one of which only a bound is known begins
/// with `>` or `<`.
#[must_use]
pub fn render_csv(report: &Report) -> String {
    let report = &*without_escapes(report);
    let mut text = String::new();
    let header: Vec<String> = columns(Some(report), None).into_iter().map(|(name, _)| name).collect();
    push_line(&mut text, &header);
    for trial in &report.trials {
        let classes = trial.classes.iter().map(|(name, class)| Some((name.as_str(), class)));
        for class in std::iter::once(None).chain(classes) {
            let row = columns(Some(report), Some(CsvRow { trial, class }));
            push_line(&mut text, &row.into_iter().map(|(_, value)| value).collect::<Vec<_>>());
        }
    }
    text
}

/// The columns of one trial with their values, without a column of classes: the same columns for every trial of every
/// result. Without a trial the figures are empty, and without a report all values are.
pub(super) fn trial_cells(report: Option<&Report>, trial: Option<&TrialView>) -> Vec<(String, String)> {
    let report = report.map(without_escapes);
    let mut cells = columns(report.as_deref(), trial.map(|trial| CsvRow { trial, class: None }));
    cells.retain(|(name, _)| name != "class");
    cells
}

/// The columns with their values for `row`; without a row only the names, and what the report says, have a meaning.
fn columns(report: Option<&Report>, row: Option<CsvRow<'_>>) -> Vec<(String, String)> {
    let word = |pick: &dyn Fn(&TrialView) -> String| row.map_or_else(String::new, |row| pick(row.trial));
    let figure =
        |unit: &str, pick: &dyn Fn(CsvRow<'_>) -> Option<f64>| machine(row.and_then(pick).map(Known::At), unit);
    let number = |pick: &dyn Fn(&Counts) -> u64| row.map_or_else(String::new, |row| pick(row.requests()).to_string());
    let peak = row.and_then(|row| row.whole()?.concurrency.peak);
    let mut cells: Vec<(String, String)> = [
        ("model", report.map_or_else(String::new, |report| report.target.model.clone())),
        ("label", report.and_then(|report| report.label.clone()).unwrap_or_default()),
        ("started", report.map_or_else(String::new, |report| report.started.clone())),
        ("seed", report.map_or_else(String::new, |report| report.seed.to_string())),
        ("trial", word(&|trial| trial.label.clone())),
        ("process", word(&|trial| trial.load.process.clone().unwrap_or_default())),
        ("asked_rate_per_s", figure("", &|row| row.whole()?.load.rate_per_s)),
        ("concurrency", word(&|trial| trial.load.concurrency.map_or_else(String::new, |number| number.to_string()))),
        ("window_s", figure("s", &|row| Some(row.trial.window.length_s()))),
        ("planned_requests", number(&|requests| requests.planned)),
        ("sent_requests", number(&|requests| requests.sent)),
        ("completed_requests", number(&|requests| requests.completed)),
        ("failed_requests", number(&|requests| requests.failed)),
        ("timed_out_requests", number(&|requests| requests.timed_out)),
        ("unresolved_requests", number(&|requests| requests.unresolved)),
        ("shed_requests", number(&|requests| requests.shed)),
        ("cancelled_requests", number(&|requests| requests.cancelled)),
        ("skipped_requests", number(&|requests| requests.skipped)),
        ("abandoned_requests", number(&|requests| requests.abandoned)),
        ("offered_per_s", figure("", &|row| row.rates().offered_per_s)),
        ("sent_per_s", figure("", &|row| row.rates().sent_per_s)),
        ("completed_per_s", figure("", &|row| row.rates().completed_per_s)),
        ("good_per_s", figure("", &|row| row.rates().good_per_s)),
        ("throughput_requests_per_s", figure("", &|row| row.throughput().requests_per_s)),
        ("throughput_input_tokens_per_s", figure("", &|row| row.throughput().input_tokens_per_s)),
        ("throughput_output_tokens_per_s", figure("", &|row| row.throughput().output_tokens_per_s)),
        ("in_flight_mean", figure("", &|row| row.whole()?.concurrency.mean)),
        ("in_flight_peak", peak.map_or_else(String::new, |peak| peak.to_string())),
        ("attainment_share", figure("share", &|row| row.attainment())),
        ("verdict", row.and_then(CsvRow::whole).map_or_else(String::new, |trial| verdict(trial).to_owned())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    if report.is_some_and(|report| report.trials.iter().any(|trial| !trial.classes.is_empty())) {
        let class = row.and_then(|row| row.class).map_or_else(String::new, |(name, _)| name.to_owned());
        let after_trial = cells.iter().position(|(name, _)| name == "trial").map_or(cells.len(), |place| place + 1);
        cells.insert(after_trial, ("class".to_owned(), class));
    }
    for metric in Metric::ALL {
        let stats = row.and_then(|row| row.metrics().get(&metric)).map(MetricView::headline);
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
    if report.is_some_and(|report| report.trials.iter().any(|trial| trial.server.is_some())) {
        cells.extend(server_cells(row.and_then(CsvRow::whole).and_then(|trial| trial.server.as_ref())));
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
