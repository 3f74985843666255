//! Owns the console's account of a report: a few tables in the order in which a reader asks, at most 80 columns where the data allow it.

use crate::metrics::{Counts, Ended, Metric};
use crate::report::layout::{Grid, Ink, Tone, wrapped};
use crate::report::model::{Figure, Judgement, LoadKind, ObjectiveReport, Report, SloReport, Statistics, TrialReport};
use crate::units::{Offset, count, per_second, seconds};

const WIDTH: usize = 80;
const UNKNOWN: &str = "—";

/// The text that `run` prints and `report` prints again.
#[must_use]
pub fn render(report: &Report, ink: Ink) -> String {
    let mut text = header(report, ink);
    for trial in &report.trials {
        text.push('\n');
        text.push_str(&trial_text(report, trial, ink));
    }
    text.push('\n');
    text.push_str(&footer(report, ink));
    text
}

fn header(report: &Report, ink: Ink) -> String {
    let target = &report.target;
    let mut lines = vec![ink.paint(Tone::Heading, &wrapped(&format!("{} at {}", target.model, target.urls.join(", ")), WIDTH, 0))];
    if target.simulated {
        lines.push(ink.paint(Tone::Warning, "SIMULATED: these figures describe a pretend server, not any machine."));
    }
    if let Some(label) = &report.label {
        lines.push(format!("label: {label}"));
    }
    lines.join("\n") + "\n"
}

fn trial_text(report: &Report, trial: &TrialReport, ink: Ink) -> String {
    let mut parts = vec![load_text(trial, ink), requests_text(trial, ink), rates_text(trial, ink), latency_text(trial, ink)];
    parts.extend(trial.slo.as_ref().map(|slo| slo_text(slo, ink)));
    parts.push(verdict_text(report, trial, ink));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn load_text(trial: &TrialReport, ink: Ink) -> String {
    let load = &trial.load;
    let what = match (load.kind, load.rate_per_s) {
        (LoadKind::Open, Some(rate)) => format!("open loop: {} at {rate}/s", load.process.as_deref().unwrap_or("arrivals")),
        (LoadKind::Open, None) => "open loop".to_owned(),
        (LoadKind::Closed, _) => format!("closed loop: {} in flight", load.concurrency.unwrap_or(1)),
    };
    let window = trial.window;
    let mut line = format!("{what} for {}", seconds(window.length_s()));
    if window.start > Offset::ZERO {
        line.push_str(&format!(", after {} of warm-up", seconds(window.start.as_secs())));
    }
    match trial.ended {
        Ended::Complete => {}
        Ended::Stopped => line.push_str(", stopped early"),
        Ended::Interrupted => line.push_str(", INTERRUPTED"),
    }
    let mut text = ink.paint(Tone::Heading, &line) + "\n";
    if load.kind == LoadKind::Closed {
        text.push_str("*closed*: each answer releases the next request, so a slow server is asked less. A reference,\n");
        text.push_str("no measurement of an open load; latency counts from the release.\n");
    }
    text
}

fn requests_text(trial: &TrialReport, ink: Ink) -> String {
    let counts = &trial.requests;
    // The usual columns always, the unusual only when there is something to see.
    let columns = [
        ("planned", counts.planned, true),
        ("sent", counts.sent, true),
        ("completed", counts.completed, true),
        ("failed", counts.failed, true),
        ("timed out", counts.timed_out, true),
        ("unresolved", counts.unresolved, true),
        ("shed", counts.shed, false),
        ("cancelled", counts.cancelled, false),
        ("skipped", counts.skipped, false),
        ("abandoned", counts.abandoned, false),
        ("not due", counts.not_due, false),
    ];
    let shown: Vec<_> = columns.into_iter().filter(|(_, number, always)| *always || *number > 0).collect();
    let mut headings = vec!["requests"];
    headings.extend(shown.iter().map(|(name, ..)| *name));
    let mut grid = Grid::new(&headings);
    grid.row(std::iter::once("in the window".to_owned()).chain(shown.iter().map(|(_, number, _)| count(*number))).collect());
    let mut text = grid.render(ink);
    if !counts.failures.is_empty() {
        text.push_str(&wrapped(&format!("failures: {}", failures_of(counts)), WIDTH, 2));
        text.push('\n');
    }
    text
}

fn failures_of(counts: &Counts) -> String {
    counts.failures.iter().map(|(class, number)| format!("{class} {}", count(*number))).collect::<Vec<_>>().join(" · ")
}

fn rates_text(trial: &TrialReport, ink: Ink) -> String {
    let rates = &trial.rates;
    let mut headings = vec!["requests/s", "offered", "sent", "completed"];
    let mut cells = vec!["of the window's requests".to_owned()];
    cells.extend([rates.offered_per_s, rates.sent_per_s, rates.completed_per_s].map(plain));
    if let Some(good) = rates.good_per_s {
        headings.push("good");
        cells.push(plain(good));
    }
    let mut offered = Grid::new(&headings);
    offered.row(cells);
    let flow = &trial.throughput;
    let mut headings = vec!["arrived in it, per second", "requests", "tokens in", "tokens out"];
    let mut cells = vec![String::new()];
    cells.extend([flow.requests_per_s, flow.input_tokens_per_s, flow.output_tokens_per_s].map(plain));
    if let Some(good) = flow.good_output_tokens_per_s {
        headings.push("good out");
        cells.push(plain(good));
    }
    headings.extend(["in flight", "peak"]);
    cells.extend([trial.concurrency.mean.map_or_else(|| UNKNOWN.to_owned(), plain), count(trial.concurrency.peak)]);
    let mut arrived = Grid::new(&headings);
    arrived.row(cells);
    format!("{}\n{}", offered.render(ink), arrived.render(ink))
}

/// A number without its unit, which the heading names: three significant digits.
fn plain(value: f64) -> String {
    per_second(value).trim_end_matches("/s").to_owned()
}

fn latency_text(trial: &TrialReport, ink: Ink) -> String {
    let from = match trial.load.kind {
        LoadKind::Open => "from the planned instant",
        LoadKind::Closed => "from the release",
    };
    let mut grid = Grid::new(&["latency", "p50", "p90", "p99", "95 % of p99", "p50 sent", "p99 sent"]);
    let mut withheld = false;
    for metric in shown_metrics(trial) {
        let Some(row) = trial.metrics.get(metric.key()) else { continue };
        let Some(headline) = row.scheduled.as_ref().or(row.value.as_ref()).filter(|headline| headline.p50.is_some()) else { continue };
        let show = |figure: Option<Figure>| shown(figure, &row.unit);
        let service = |pick: fn(&Statistics) -> Option<Figure>| row.service.as_ref().map_or_else(String::new, |from| show(pick(from)));
        withheld |= headline.p99_ci95.is_none();
        grid.row(vec![
            metric.key().replace('_', " "),
            show(headline.p50),
            show(headline.p90),
            show(headline.p99),
            headline.p99_ci95.map_or_else(|| UNKNOWN.to_owned(), |[low, high]| interval(low, high, &row.unit)),
            service(|from| from.p50),
            service(|from| from.p99),
        ]);
    }
    if grid.is_empty() {
        return String::new();
    }
    let mut text = grid.render(ink);
    let mut note = format!("{from}; `sent`: from the send");
    if withheld {
        note.push_str("; —: interval withheld, more requests are needed");
    }
    text.push_str(&ink.paint(Tone::Faint, &note));
    text.push('\n');
    text
}

/// What a reader asks for first. `ttfo` only where reasoning makes it differ from `ttft`; the rest is in `result.json`.
fn shown_metrics(trial: &TrialReport) -> Vec<Metric> {
    let headline = |metric: Metric| trial.metrics.get(metric.key()).and_then(|row| row.scheduled.as_ref());
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
        Metric::Stall,
        Metric::OutputSpeed,
        Metric::InputTokens,
        Metric::OutputTokens,
        Metric::SendLag,
    ];
    shown.into_iter().filter(|metric| *metric != Metric::Ttfo || differs).collect()
}

fn shown(figure: Option<Figure>, unit: &str) -> String {
    match figure {
        None => UNKNOWN.to_owned(),
        Some(Figure::Is(value)) => value_text(value, unit),
        Some(Figure::Above { above }) => format!("> {}", value_text(above, unit)),
    }
}

fn value_text(value: f64, unit: &str) -> String {
    match unit {
        "s" => seconds(value),
        "tokens/s" => format!("{} tok/s", plain(value)),
        "tokens" => format!("{} tok", plain(value)),
        "/s" => per_second(value),
        "share" => percent(value),
        _ => plain(value),
    }
}

/// A share with as many digits as tell 99.9 % from 100 %.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent == 0.0 || (percent - 100.0).abs() < f64::EPSILON {
        0
    } else if (1.0..=99.0).contains(&percent) {
        1
    } else {
        3
    };
    format!("{percent:.digits$} %")
}

/// Two ends, the unit once where both have the same.
fn interval(low: Figure, high: Figure, unit: &str) -> String {
    let (low, high) = (shown(Some(low), unit), shown(Some(high), unit));
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, low_unit)), Some((_, high_unit))) if low_unit == high_unit => format!("{number}–{high}"),
        _ => format!("{low}–{high}"),
    }
}

fn slo_text(slo: &SloReport, ink: Ink) -> String {
    let mut grid = Grid::new(&["objective", "observed", "misses", "of", "95 % of misses", "allowed", "met"]);
    for objective in &slo.objectives {
        grid.row(objective_row(objective));
    }
    let mut text = grid.render(ink);
    let undefined: u64 = slo.objectives.iter().map(|objective| objective.undefined).sum();
    let mut notes = Vec::new();
    if let (Some(attainment), Some(goodput)) = (slo.attainment, slo.goodput_per_s) {
        notes.push(format!("good (every per-request limit met): {} of the offered, {}", percent(attainment), per_second(goodput)));
    }
    if undefined > 0 {
        notes.push(format!("{} values undefined, outside their objective", count(undefined)));
    }
    for note in notes {
        text.push_str(&ink.paint(Tone::Faint, &note));
        text.push('\n');
    }
    text
}

fn objective_row(objective: &ObjectiveReport) -> Vec<String> {
    let met = match objective.met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "unsure",
    };
    vec![
        objective.text.clone(),
        shown(objective.observed, &objective.unit),
        count(objective.misses),
        count(objective.decided),
        objective.interval95.map_or_else(|| UNKNOWN.to_owned(), |[low, high]| interval(low, high, "share")),
        value_text(objective.limit, &objective.unit),
        met.to_owned(),
    ]
}

fn verdict_text(report: &Report, trial: &TrialReport, ink: Ink) -> String {
    let verdict = &trial.verdict;
    let (tone, word) = match verdict.result {
        Judgement::None => (Tone::Heading, "no objective"),
        Judgement::Pass => (Tone::Good, "PASS"),
        Judgement::Fail => (Tone::Bad, "FAIL"),
        Judgement::Inconclusive => (Tone::Warning, "INCONCLUSIVE"),
    };
    let mut text = String::new();
    if verdict.result != Judgement::None {
        text.push_str(&format!("verdict: {}\n", ink.paint(tone, word)));
    }
    for reason in &verdict.reasons {
        text.push_str(&format!("  {}\n", wrapped(reason, WIDTH, 2)));
    }
    for warning in &trial.health.warnings {
        let warning = wrapped(&format!("warning: {warning}"), WIDTH, 2);
        text.push_str(&format!("{}\n", ink.paint(Tone::Warning, &warning)));
    }
    for note in &report.notes {
        text.push_str(&format!("{}\n", wrapped(&format!("note: {note}"), WIDTH, 2)));
    }
    text
}

fn footer(report: &Report, ink: Ink) -> String {
    let short = |hash: &str| hash.chars().take(16).collect::<String>();
    let bodies = report.body_fingerprint.as_deref().map_or_else(String::new, |hash| format!(" · bodies {}", short(hash)));
    let line = format!("plan {}{bodies} · seed {} · prompt tokens by {}", short(&report.plan_fingerprint), report.seed, report.token_estimate);
    ink.paint(Tone::Faint, &line) + "\n"
}
