//! Owns the text of a sweep on the console: its loads side by side, a chart of latency and completions, and the
//! conclusions.

use std::mem::{Discriminant, discriminant};

use crate::figures::{HealthView, StatsView, TrialView};
use crate::metrics::{Ended, Fault, Known, LoadOrigin, Metric, VerdictResult};
use crate::report::failures::{losses_of, most_frequent};
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::numbers::{UNKNOWN, percent, rate, shown, unit_of};
use crate::report::worded::{faults_of, notes_of_run, reasons_of, said_of_sweep};
use crate::results::Report;
use crate::search::{Axis, PointFindings, Stability, SweepFindings};
use crate::units::{count, plain, seconds};

/// Length of the longest bar, in cells.
const BAR: usize = 14;

/// The note on the table of flows.
pub(super) const FLOW_NOTE: &str = "done/s: inside the window; latency: from the planned instant (closed: release)";

/// The text of a sweep between header and footer.
pub(super) fn sweep_text(report: &Report, findings: &SweepFindings, ink: Ink) -> String {
    let mut text = ink.paint(Tone::Heading, &wrapped(&heading(report, findings), WIDTH, 0)) + "\n";
    if report.trials.is_empty() {
        return text;
    }
    if report.trials.iter().any(|trial| trial.load.origin == LoadOrigin::Released) {
        text.push_str("*closed*: each answer releases the next request, so a slow server gets fewer\n");
        text.push_str("requests. This is a reference, not a measurement of an open load. Latency counts\n");
        text.push_str("from the release.\n");
    }
    let rows = ordered(report, findings);
    text.push('\n');
    text.push_str(&flow_table(&rows).render(ink));
    text.push_str(&ink.paint(Tone::Faint, FLOW_NOTE));
    text.push_str("\n\n");
    text.push_str(&token_table(&rows).render(ink));
    if let Some(classes) = class_table(&rows) {
        text.push('\n');
        text.push_str(&classes.render(ink));
    }
    if is_judged(&rows) {
        text.push('\n');
        let (judged, numbers) = judgement_table(&rows);
        text.push_str(&judged.render(ink));
        if let Some(numbers) = numbers {
            text.push_str(&ink.paint(Tone::Faint, &wrapped(&numbers, WIDTH, 0)));
            text.push('\n');
        }
    }
    text.push('\n');
    text.push_str(&chart(&rows, findings, ink));
    text.push('\n');
    for sentence in &*said_of_sweep(findings, &report.trials) {
        text.push_str(&wrapped(&format!("- {sentence}"), WIDTH, 2));
        text.push('\n');
    }
    text.push_str(&warnings(report, &rows, ink));
    text
}

pub(super) fn heading(report: &Report, findings: &SweepFindings) -> String {
    let closed = findings.points.iter().all(|point| point.rate_per_s.is_none());
    let what = if closed && !findings.points.is_empty() { "closed loops" } else { "sweep" };
    let window =
        report.trials.first().map_or_else(String::new, |trial| format!(", {} each", seconds(trial.window.length_s())));
    let end = match (findings.finished, report.trials.iter().any(|trial| trial.ended != Ended::Complete)) {
        (Some(_), _) => "",
        (None, true) => ", INTERRUPTED: continue with --resume",
        (None, false) => ", not finished: continue with --resume",
    };
    let loads = report.trials.len();
    let each = if loads == 1 { "load" } else { "loads" };
    format!("{what} of {loads} {each}{window}{end}")
}

/// One load of a sweep.
pub(super) struct PointRow<'a> {
    /// The figures of the load.
    pub(super) trial: &'a TrialView,
    /// What it shows about the service.
    pub(super) point: &'a PointFindings,
}

impl PointRow<'_> {
    /// What the rate of the load counts.
    fn over(&self) -> Axis {
        if self.trial.load.sessions.is_some() { Axis::Sessions } else { Axis::Rate }
    }

    /// The load in a sentence.
    fn called(&self) -> String {
        self.point.rate_per_s.map_or_else(|| self.name(), |per_s| self.over().per_s(per_s))
    }

    pub(super) fn name(&self) -> String {
        match (self.point.rate_per_s, self.point.concurrency) {
            (Some(per_s), _) => self.over().level(per_s).figure(),
            (None, Some(in_flight)) => format!("closed {in_flight}"),
            (None, None) => self.point.label.clone(),
        }
    }

    /// Good requests per second of an open load. `None` for a closed loop, because its cohort begins with a burst.
    pub(super) fn good_per_s(&self) -> Option<f64> {
        self.trial.rates.good_per_s.filter(|_| self.trial.load.origin != LoadOrigin::Released)
    }

    pub(super) fn stats(&self, metric: Metric) -> Option<&StatsView> {
        self.trial.metrics.get(&metric).map(crate::figures::MetricView::headline)
    }

    fn figure(&self, metric: Metric, pick: fn(&StatsView) -> Option<Known>) -> String {
        match self.stats(metric) {
            Some(stats) if stats.count + stats.censored > 0 => shown(pick(stats), "s"),
            Some(stats) if stats.missed > 0 => "missed".to_owned(),
            _ => UNKNOWN.to_owned(),
        }
    }
}

/// The loads in order: first closed loops, then rates, each ascending.
pub(super) fn ordered<'a>(report: &'a Report, findings: &'a SweepFindings) -> Vec<PointRow<'a>> {
    let mut rows: Vec<PointRow<'_>> =
        report.trials.iter().zip(&findings.points).map(|(trial, point)| PointRow { trial, point }).collect();
    rows.sort_by(|one, other| {
        let key = |row: &PointRow<'_>| (row.point.rate_per_s.unwrap_or(0.0), row.point.concurrency.unwrap_or(0));
        let ((rate, in_flight), (other_rate, other_in_flight)) = (key(one), key(other));
        rate.total_cmp(&other_rate).then(in_flight.cmp(&other_in_flight))
    });
    rows
}

/// The heading of the column of loads.
fn load_heading(rows: &[PointRow<'_>]) -> &'static str {
    let has_sessions = rows.iter().any(|row| row.over() == Axis::Sessions);
    if has_sessions { Axis::Sessions.heading() } else { "load" }
}

pub(super) fn flow_table(rows: &[PointRow<'_>]) -> Grid {
    let mut grid =
        Grid::new(&[load_heading(rows), "sent/s", "done/s", "in flight", "ttft p50", "p99", "e2e p50", "p99"]);
    for row in rows {
        let trial = row.trial;
        grid.row(vec![
            row.name(),
            rate(trial.rates.sent_per_s),
            rate(trial.throughput.requests_per_s),
            rate(trial.concurrency.mean),
            row.figure(Metric::Ttft, |stats| stats.p50),
            row.figure(Metric::Ttft, |stats| stats.p99),
            row.figure(Metric::E2e, |stats| stats.p50),
            row.figure(Metric::E2e, |stats| stats.p99),
        ]);
    }
    grid
}

pub(super) fn token_table(rows: &[PointRow<'_>]) -> Grid {
    let mut grid = Grid::new(&[load_heading(rows), "tpot p50", "p99", "itl p50", "p99", "out tok/s"]);
    for row in rows {
        grid.row(vec![
            row.name(),
            row.figure(Metric::Tpot, |stats| stats.p50),
            row.figure(Metric::Tpot, |stats| stats.p99),
            row.figure(Metric::Itl, |stats| stats.p50),
            row.figure(Metric::Itl, |stats| stats.p99),
            rate(row.trial.throughput.output_tokens_per_s),
        ]);
    }
    grid
}

pub(super) fn is_judged(rows: &[PointRow<'_>]) -> bool {
    rows.iter().any(|row| !row.trial.slo.objectives.is_empty())
}

/// The table of objectives by load: one column for each objective that decides, with its observed value; and what the
/// numbers in its heading mean, if the objectives do not fit there.
pub(super) fn judgement_table(rows: &[PointRow<'_>]) -> (Grid, Option<String>) {
    let deciding = |trial: &TrialView| {
        trial.slo.objectives.iter().filter(|objective| objective.decides).cloned().collect::<Vec<_>>()
    };
    let texts: Vec<String> =
        rows.first().map(|row| deciding(row.trial)).unwrap_or_default().iter().map(|each| each.text.clone()).collect();
    let mut headings = vec![load_heading(rows), "good/s", "attained"];
    headings.extend(texts.iter().map(String::as_str));
    headings.push("verdict");
    let mut grid = Grid::new(&headings);
    for row in rows {
        let trial = row.trial;
        let verdict = match trial.verdict.result {
            VerdictResult::None => UNKNOWN,
            VerdictResult::Pass => "pass",
            VerdictResult::Fail => "FAIL",
            VerdictResult::Inconclusive => "unsure",
        };
        let mut cells =
            vec![row.name(), rate(row.good_per_s()), trial.slo.attainment.map_or_else(|| UNKNOWN.to_owned(), percent)];
        cells.extend(deciding(trial).iter().map(|objective| shown(objective.observed, unit_of(objective))));
        cells.push(verdict.to_owned());
        grid.row(cells);
    }
    grid.numbered(3, &texts)
}

/// The classes of a mix at each load; `None` without a mix.
pub(super) fn class_table(rows: &[PointRow<'_>]) -> Option<Grid> {
    rows.iter().find(|row| !row.trial.classes.is_empty())?;
    let mut grid =
        Grid::new(&[load_heading(rows), "class", "requests", "done", "ttft p50", "p99", "tpot p99", "e2e p99"]);
    for row in rows {
        for (name, class) in &row.trial.classes {
            let show = |metric: Metric, pick: fn(&StatsView) -> Option<Known>| {
                let stats = class.metrics.get(&metric).map(crate::figures::MetricView::headline);
                stats
                    .filter(|stats| stats.count > 0)
                    .map_or_else(|| UNKNOWN.to_owned(), |stats| shown(pick(stats), "s"))
            };
            grid.row(vec![
                row.name(),
                name.clone(),
                count(class.requests.planned),
                count(class.requests.completed),
                show(Metric::Ttft, |stats| stats.p50),
                show(Metric::Ttft, |stats| stats.p99),
                show(Metric::Tpot, |stats| stats.p99),
                show(Metric::E2e, |stats| stats.p99),
            ]);
        }
    }
    Some(grid)
}

/// The chart: two bars for each load. The latency bar is on a logarithmic scale between powers of ten, which a note
/// gives, so that similar figures have similar bars. The bar of completions (of good requests, if there are objectives)
/// is on a linear scale.
fn chart(rows: &[PointRow<'_>], findings: &SweepFindings, ink: Ink) -> String {
    let judged = is_judged(rows);
    let latency = |row: &PointRow<'_>| match row.stats(Metric::E2e).and_then(|stats| stats.p99) {
        Some(known @ (Known::At(value_s) | Known::Above { above: value_s } | Known::Below { below: value_s }))
            if value_s > 0.0 =>
        {
            Some((value_s, known))
        }
        _ => None,
    };
    let done = |row: &PointRow<'_>| if judged { row.good_per_s() } else { row.trial.throughput.requests_per_s };
    let (low_s, high_s) = rows
        .iter()
        .filter_map(latency)
        .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), (value, _)| (low.min(value), high.max(value)));
    let (low_exponent, high_exponent) = (libm::floor(libm::log10(low_s)), libm::ceil(libm::log10(high_s)));
    let most = rows.iter().filter_map(done).fold(0.0, f64::max);
    let head = format!(
        "{:<10} {:<w$}  {}",
        load_heading(rows),
        "p99 e2e",
        if judged { "good/s" } else { "done/s" },
        w = BAR + 9
    );
    let mut text = ink.paint(Tone::Heading, &head) + "\n";
    for row in rows {
        let height = |value_s: f64| (libm::log10(value_s) - low_exponent) / (high_exponent - low_exponent).max(1.0);
        let slow = latency(row).map_or_else(String::new, |(value_s, known)| {
            format!("{} {}", bar(height(value_s)), shown(Some(known), "s"))
        });
        let flow = done(row)
            .filter(|_| most > 0.0)
            .map_or_else(String::new, |per_s| format!("{} {}", bar(per_s / most), plain(per_s)));
        let state = row.point.stability.map_or("", Stability::name);
        let knee = if row.point.rate_per_s.is_some() && row.point.rate_per_s == findings.knee_per_s {
            " ◄ knee"
        } else {
            ""
        };
        let line = format!("{:<10} {slow:<w$}  {flow:<w$}  {state}{knee}", row.name(), w = BAR + 9);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if low_s <= high_s {
        let ends =
            [low_exponent, high_exponent.max(low_exponent + 1.0)].map(|exponent| seconds(libm::pow(10.0, exponent)));
        let note = format!("p99 bars: {} to {}, logarithmic; other bars: linear, from 0", ends[0], ends[1]);
        text.push_str(&ink.paint(Tone::Faint, &note));
        text.push('\n');
    }
    text
}

/// A bar of up to [`BAR`] cells, in eighths of a cell, at least one eighth.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = libm::round(share.clamp(0.0, 1.0) * (BAR * 8) as f64).max(1.0) as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// A fault of a load.
struct ToldFault {
    /// The kind of the fault; `None` in a result of an older version.
    kind: Option<Discriminant<Fault>>,
    /// The sentence of the fault.
    sentence: String,
}

impl ToldFault {
    /// Whether `other` is of the same kind, whatever its numbers. Without kinds, the sentences must be equal.
    fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind && (self.kind.is_some() || self.sentence == other.sentence)
    }
}

/// The faults of a load.
fn told(health: &HealthView) -> Vec<ToldFault> {
    let mut kinds = health.fault_kinds.iter().map(discriminant);
    let sentences = faults_of(health).into_owned().into_iter();
    sentences.map(|sentence| ToldFault { kind: kinds.next(), sentence }).collect()
}

/// The lines on why open loads did not pass, on failures, and on faults of the generator.
fn warnings(report: &Report, rows: &[PointRow<'_>], ink: Ink) -> String {
    let told = told_of(rows);
    let mut lines: Vec<String> = told.plain.iter().map(|line| wrapped(line, WIDTH, 2)).collect();
    lines.extend(
        told.warnings.iter().map(|line| ink.paint(Tone::Warning, &wrapped(&format!("warning: {line}"), WIDTH, 2))),
    );
    lines.extend(notes_of_run(report).map(|note| wrapped(&format!("note: {note}"), WIDTH, 2)));
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

/// What a reader of a sweep has to know about its loads, in sentences.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Why open loads did not pass, and failures.
    pub(super) plain: Vec<String>,
    /// Faults of the generator.
    pub(super) warnings: Vec<String>,
}

/// The sentences on the loads of a sweep.
pub(super) fn told_of(rows: &[PointRow<'_>]) -> Told {
    let mut lines = Vec::new();
    // Faults of one kind are printed once, with all their loads.
    let mut faults: Vec<(ToldFault, Vec<String>)> = Vec::new();
    for row in rows {
        let (trial, reasons) = (row.trial, reasons_of(&row.trial.verdict));
        let reason = reasons.first();
        if let (
            VerdictResult::Fail | VerdictResult::Inconclusive,
            LoadOrigin::Planned | LoadOrigin::Mixed,
            Some(reason),
        ) = (trial.verdict.result, trial.load.origin, reason)
        {
            lines.push(format!("{}: {reason}", row.called()));
        }
        let lost = losses_of(&trial.requests);
        if !lost.is_empty() {
            lines.push(format!("{}: of {} requests {lost}", row.called(), count(trial.requests.planned)));
        }
        lines.extend(most_frequent(trial).map(|words| format!("{}: {words}", row.called())));
        for fault in told(&trial.health).into_iter().filter(|fault| reason != Some(&fault.sentence)) {
            match faults.iter_mut().find(|(told, _)| told.is_like(&fault)) {
                Some((_, loads)) => loads.push(row.called()),
                None => faults.push((fault, vec![row.called()])),
            }
        }
    }
    let warnings = faults.into_iter().map(|(ToldFault { sentence, .. }, loads)| {
        let others = if loads.len() > 1 { format!(" (also: {})", loads[1..].join(", ")) } else { String::new() };
        format!("{}: {sentence}{others}", loads[0])
    });
    Told { plain: lines, warnings: warnings.collect() }
}
