//! Owns the console's account of a report: a few tables in the order in which a reader asks, at most 80 columns where
//! the data allow it.

use crate::client::Endpoint;
use crate::figures::{MetricView, Origins, SloView, StatsView, TrialView};
use crate::metrics::{
    Counts, Ended, Known, LoadFacts, LoadKind, LoadOrigin, Metric, ObjectiveJudgement, VerdictResult,
};
use crate::report::failures::failures_text;
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::offered::offered_text;
use crate::report::search::search_text;
use crate::report::shown::shown as without_escapes;
use crate::report::sweep::sweep_text;
use crate::report::tokens::tokens_text;
use crate::results::Report;
use crate::units::{Offset, count, per_second, plain, seconds, visible};
use crate::workload::ESTIMATE_NAME;

pub(super) const UNKNOWN: &str = "—";

/// The text that `run` prints and `report` prints again.
#[must_use]
pub fn render(report: &Report, ink: Ink) -> String {
    let report = &*without_escapes(report);
    let mut text = header(report, ink);
    if let Some(findings) = &report.sweep {
        text.push('\n');
        text.push_str(&sweep_text(report, findings, ink));
    } else if let Some(findings) = &report.search {
        text.push('\n');
        text.push_str(&search_text(report, findings, ink));
    } else {
        for trial in &report.trials {
            text.push('\n');
            text.push_str(&trial_text(report, trial, ink));
        }
    }
    text.push('\n');
    text.push_str(&footer(report, ink));
    text
}

fn header(report: &Report, ink: Ink) -> String {
    let target = &report.target;
    let mut lines = vec![ink.paint(
        Tone::Heading,
        &wrapped(&format!("{} at {}", visible(&target.model), visible(&target.urls.join(", "))), WIDTH, 0),
    )];
    if target.simulated {
        lines.push(ink.paint(Tone::Warning, "SIMULATED: these figures describe a pretend server, not any machine."));
    }
    if let Some(label) = &report.label {
        lines.push(format!("label: {label}"));
    }
    lines.join("\n") + "\n"
}

fn trial_text(report: &Report, trial: &TrialView, ink: Ink) -> String {
    let mut parts = vec![
        load_text(report, trial, ink),
        requests_text(report, trial, ink),
        throughput_text(trial, ink),
        latency_text(trial, ink),
    ];
    parts.push(tokens_text(&trial.tokens, templated(report), ink));
    parts.push(slo_text(&trial.slo, trial.load.origin, ink));
    parts.push(verdict_text(report, trial, ink));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// Whether the server puts prompts into a chat template.
fn templated(report: &Report) -> bool {
    report.config.endpoint.as_ref().is_none_or(|endpoint| *endpoint.value() == Endpoint::Chat)
}

fn load_text(report: &Report, trial: &TrialView, ink: Ink) -> String {
    let load = &trial.load;
    let closed = load.origin == LoadOrigin::Released;
    let what = if closed {
        format!("closed loop: {} in flight", count(u64::from(load.concurrency.unwrap_or(1))))
    } else {
        open_load(load)
    };
    let window = trial.window;
    let what = load.shard.map_or_else(
        || what.clone(),
        |shard| {
            let article = if load.origin == LoadOrigin::Mixed { "a" } else { "an" };
            format!("shard {shard} of {article} {what}")
        },
    );
    let mut line = format!("{what} for {}", seconds(window.length_s()));
    if window.start > Offset::ZERO {
        line.extend([", after ", &seconds(window.start.as_secs()), " of warm-up"]);
    }
    if trial.ended != Ended::Complete && window.end <= window.start {
        line = format!("{what}, interrupted during warm-up: nothing was measured");
    } else {
        line.push_str(match trial.ended {
            Ended::Complete => "",
            Ended::Stopped => ", stopped early",
            Ended::Interrupted => ", INTERRUPTED",
        });
    }
    let mut text = ink.paint(Tone::Heading, &wrapped(&line, WIDTH, 0)) + "\n";
    if report.is_unfinished() {
        let line = format!("the run did not end: {} records were on disk", count(trial.run_totals.planned));
        text.push_str(&ink.paint(Tone::Warning, &line));
        text.push('\n');
    }
    if load.shard.is_some() {
        text.push_str("*shard*: every figure is of this part of the load, and the service bore the others too;\n");
        text.push_str("the folders of all shards together give `tonnage report` the whole.\n");
    }
    if let Some(merged) = load.merged {
        text.extend([
            "*merged* from all ",
            &count(u64::from(merged.shards)),
            " shards: every figure is of the whole load.\n",
        ]);
    }
    if let Some(origins) = trial.origins {
        text.push_str(&mixed_text(trial, origins));
    }
    if closed {
        text.push_str("*closed*: each answer releases the next request, so a slow server is asked less:\n");
        text.push_str("a reference, no measurement of an open load. Latency counts from the release.\n");
    }
    text
}

/// What a load of sessions has that an open loop has not.
fn mixed_text(trial: &TrialView, origins: Origins) -> String {
    let mut line = format!(
        "*mixed*: {} planned, {} released after completion of the turn before, so that a slow server is asked less. \
         Latency counts from the \
         planned instant, or from the release.",
        count(origins.planned),
        count(origins.released)
    );
    let outside = trial.run_totals.planned - trial.requests.planned;
    if outside > 0 {
        line.extend([" ", &count(outside), " more turns came after the measured window."]);
    }
    wrapped(&line, WIDTH, 0) + "\n"
}

fn open_load(load: &LoadFacts) -> String {
    let rate = |show: fn(f64) -> String| load.rate_per_s.map_or_else(String::new, |rate| format!(" at {}", show(rate)));
    if let Some(trace) = &load.trace {
        if load.origin == LoadOrigin::Mixed {
            return format!("replay of {}, sessions begun{}", trace.file, rate(per_second));
        }
        // No one has typed this rate: rounded as every measured one.
        return format!("open loop: replay of {}{}", trace.file, rate(per_second));
    }
    if let Some(profile) = &load.profile {
        return format!(
            "open loop: {}{} on average, {profile},",
            load.process.as_deref().unwrap_or("arrivals"),
            rate(per_second)
        );
    }
    match (load.kind, load.origin) {
        (LoadKind::Replay, LoadOrigin::Mixed) => return "replay of sessions".to_owned(),
        (LoadKind::Replay, _) => return "open loop: replay".to_owned(),
        _ => {}
    }
    format!("open loop: {}{}", load.process.as_deref().unwrap_or("arrivals"), rate(|rate| format!("{rate}/s")))
}

/// Finish reasons that need no word.
const USUAL_REASONS: [&str; 3] = ["length", "stop", "tool_calls"];

fn requests_text(report: &Report, trial: &TrialView, ink: Ink) -> String {
    let (counts, rates) = (&trial.requests, &trial.rates);
    // Without objectives every completed request is good, which says nothing.
    let judged = !trial.slo.objectives.is_empty();
    let good = (rates.good_per_s.unwrap_or(0.0) * trial.window.length_s()).round() as u64;
    // The usual columns always, the unusual only when there is something to see; a mixed load has a column more than
    // others.
    let mixed = trial.load.origin == LoadOrigin::Mixed;
    let (planned, released) = match (trial.load.origin, trial.origins) {
        (LoadOrigin::Released, _) => (0, counts.planned),
        (_, Some(origins)) => (origins.planned, origins.released),
        (_, None) => (counts.planned, 0),
    };
    let columns = [
        ("planned", planned, rates.offered_per_s, trial.load.origin != LoadOrigin::Released),
        ("released", released, None, trial.load.origin != LoadOrigin::Planned),
        ("sent", counts.sent, rates.sent_per_s, true),
        ("completed", counts.completed, rates.completed_per_s, true),
        ("good", good, rates.good_per_s, judged),
        ("failed", counts.failed, None, true),
        ("timed out", counts.timed_out, None, !mixed),
        ("unresolved", counts.unresolved, None, !mixed),
        ("shed", counts.shed, None, false),
        ("cancelled", counts.cancelled, None, false),
        ("skipped", counts.skipped, None, false),
        ("abandoned", counts.abandoned, None, false),
    ];
    let judged_out = |name: &str| name == "good" && !judged;
    let shown: Vec<_> =
        columns.into_iter().filter(|(name, number, _, always)| *always || (*number > 0 && !judged_out(name))).collect();
    let mut headings = vec!["requests"];
    headings.extend(shown.iter().map(|(name, ..)| *name));
    let mut grid = Grid::new(&headings);
    grid.row(std::iter::once("count".to_owned()).chain(shown.iter().map(|(_, number, ..)| count(*number))).collect());
    grid.row(
        std::iter::once("per second".to_owned())
            .chain(shown.iter().map(|(.., rate, _)| rate.map_or_else(String::new, plain)))
            .collect(),
    );
    let mut text = grid.render(ink);
    if let Some(line) = offered_text(&trial.load, trial.window.length_s(), counts) {
        text.push_str(&ink.paint(Tone::Faint, &wrapped(&line, WIDTH, 2)));
        text.push('\n');
    }
    if !counts.failures.is_empty() {
        text.push_str(&wrapped(&format!("failures: {}", failures_of(counts)), WIDTH, 2));
        text.push('\n');
    }
    text.push_str(&failures_text(trial, ink));
    // A reason that is not the usual one says why answers are short, or which of them were held back.
    if counts.finish_reasons.keys().any(|reason| !USUAL_REASONS.contains(&reason.as_str())) {
        let each = counts.finish_reasons.iter().map(|(reason, number)| format!("{reason} {}", count(*number)));
        text.push_str(&wrapped(&format!("finish reasons: {}", each.collect::<Vec<_>>().join(" · ")), WIDTH, 2));
        text.push('\n');
    }
    if let [_, _, ..] = report.target.urls.as_slice()
        && !counts.missed_by_target.is_empty()
    {
        let of = |url: &String| format!("{url} {}", count(counts.missed_by_target.get(url).copied().unwrap_or(0)));
        let each: Vec<String> = report.target.urls.iter().map(of).collect();
        text.push_str(&wrapped(&format!("failed or timed out: {}", each.join(" · ")), WIDTH, 2));
        text.push('\n');
    }
    text
}

fn failures_of(counts: &Counts) -> String {
    counts.failures.iter().map(|(class, number)| format!("{class} {}", count(*number))).collect::<Vec<_>>().join(" · ")
}

/// What became of the requests that neither completed nor were left out, failures by class; empty where there are none.
pub(super) fn losses_of(counts: &Counts) -> String {
    let other = [
        ("timed out", counts.timed_out),
        ("unresolved at the end of the drain", counts.unresolved),
        ("shed", counts.shed),
    ];
    let other =
        other.into_iter().filter(|(_, number)| *number > 0).map(|(what, number)| format!("{} {what}", count(number)));
    let failed =
        (!counts.failures.is_empty()).then(|| format!("{} failed ({})", count(counts.failed), failures_of(counts)));
    failed.into_iter().chain(other).collect::<Vec<_>>().join(" · ")
}

fn throughput_text(trial: &TrialView, ink: Ink) -> String {
    let flow = &trial.throughput;
    let mut headings = vec!["throughput", "requests/s", "in tok/s", "out tok/s"];
    let mut cells = vec!["in the window".to_owned()];
    cells.extend([flow.requests_per_s, flow.input_tokens_per_s, flow.output_tokens_per_s].map(rate));
    if !trial.slo.objectives.is_empty() {
        headings.push("good tok/s");
        cells.push(rate(flow.good_output_tokens_per_s));
    }
    headings.extend(["in flight", "peak"]);
    cells.extend([rate(trial.concurrency.mean), trial.concurrency.peak.map_or_else(|| UNKNOWN.to_owned(), count)]);
    let mut grid = Grid::new(&headings);
    grid.row(cells);
    grid.render(ink)
}

pub(super) fn rate(per_s: Option<f64>) -> String {
    per_s.map_or_else(|| UNKNOWN.to_owned(), plain)
}

const LATENCY_COLUMNS: &[&str] = &["latency", "p50", "p90", "p99", "p99 interval", "p50 sent", "p99 sent"];

fn latency_text(trial: &TrialView, ink: Ink) -> String {
    let from = match trial.load.origin {
        LoadOrigin::Planned => "from the planned instant",
        LoadOrigin::Released => "from the release",
        LoadOrigin::Mixed => "from instant or release",
    };
    let mut grid = Grid::new(LATENCY_COLUMNS);
    let (mut withheld, mut slow_tail) = (false, false);
    for metric in shown_metrics(trial) {
        let Some(row) = trial.metrics.get(&metric) else { continue };
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
            // What is wanted high has its bad tail at the low end; its fast tail says nothing that anyone waits for.
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
        return String::new();
    }
    let mut text = grid.render(ink);
    let mut note = format!("counted {from} (sent: from the send)");
    if withheld {
        note.push_str("; — needs more requests");
    }
    if slow_tail {
        note.push_str("\noutput tok/s: p90 and p99 are of the slow end, what nine of ten exceed");
    }
    let tokens = |metric: Metric| {
        let stats = trial.metrics.get(&metric).map(MetricView::headline).filter(|stats| stats.count > 0)?;
        Some(format!("mean {}, p99 {}", stats.mean.map_or_else(|| UNKNOWN.to_owned(), plain), shown(stats.p99, "")))
    };
    if let (Some(input), Some(output)) = (tokens(Metric::InputTokens), tokens(Metric::OutputTokens)) {
        note.extend(["\ntokens a request: in ", &input, "; out ", &output]);
    }
    text.push_str(&ink.paint(Tone::Faint, &note));
    text.push('\n');
    text
}

/// What a reader asks for first. `ttfo` only where reasoning makes it differ from `ttft`; the rest is in `result.json`.
fn shown_metrics(trial: &TrialView) -> Vec<Metric> {
    let headline = |metric: Metric| trial.metrics.get(&metric).and_then(|row| row.scheduled.as_ref());
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

/// A latency as the tables show it.
#[must_use]
pub fn shown_figure(figure: Option<Known>) -> String {
    shown(figure, "s")
}

pub(super) fn shown(figure: Option<Known>, unit: &str) -> String {
    match figure {
        None => UNKNOWN.to_owned(),
        Some(Known::At(value)) => value_text(value, unit),
        // Cut off before anything could be said of it.
        Some(Known::Above { above }) if above <= 0.0 => "unknown".to_owned(),
        Some(Known::Above { above }) => format!(">{}", value_text(above, unit)),
        Some(Known::Below { below }) => format!("<{}", value_text(below, unit)),
    }
}

fn value_text(value: f64, unit: &str) -> String {
    match unit {
        "s" => seconds(value),
        "/s" => per_second(value),
        "share" => percent(value),
        _ => plain(value),
    }
}

/// A share with as many digits as tell 99.9 % from 100 %.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent == 0.0 || (percent - 100.0).abs() < f64::EPSILON {
        0
    } else if (1.0..=99.0).contains(&percent) {
        1
    } else {
        2
    };
    format!("{percent:.digits$} %")
}

/// Two ends, the unit once where both have the same.
fn interval(low: f64, high: f64, unit: &str) -> String {
    let (low, high) = (value_text(low, unit), value_text(high, unit));
    if low == high {
        return low;
    }
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, low_unit)), Some((_, high_unit))) if low_unit == high_unit => format!("{number}–{high}"),
        _ => format!("{low}–{high}"),
    }
}

fn slo_text(slo: &SloView, origin: LoadOrigin, ink: Ink) -> String {
    if slo.objectives.is_empty() {
        return String::new();
    }
    let mut grid = Grid::new(&["objective", "observed", "missed", "of", "allowed", "95 % bounds", "met"]);
    for objective in &slo.objectives {
        grid.row(objective_row(objective));
    }
    let mut text = grid.render(ink);
    let mut notes = Vec::new();
    if let (Some(attainment), Some(goodput)) = (slo.attainment, slo.goodput_per_s) {
        let whole = match origin {
            LoadOrigin::Planned => "offered",
            LoadOrigin::Released => "released",
            LoadOrigin::Mixed => "planned and released",
        };
        notes.push(format!("good requests: {} of the {whole}, {}", percent(attainment), per_second(goodput)));
    }
    let (undefined, undecided) = slo.objectives.iter().fold((0, 0), |(undefined, undecided), objective| {
        (undefined + objective.undefined, undecided + objective.undecided)
    });
    if undefined > 0 {
        notes.push(format!("{} values are undefined and left out", count(undefined)));
    }
    if undecided > 0 {
        notes.push(format!(
            "{} were cut off before they were decided, and count either way in the bounds",
            count(undecided)
        ));
    }
    if !notes.is_empty() {
        text.push_str(&ink.paint(Tone::Faint, &wrapped(&notes.join("; "), WIDTH, 0)));
        text.push('\n');
    }
    text
}

/// The unit in which an objective observes: its own text says it.
pub(super) fn unit_of(text: &str) -> &'static str {
    if text.starts_with("goodput") {
        "/s"
    } else if text.starts_with("error_rate") || text.starts_with("attainment") {
        "share"
    } else {
        "s"
    }
}

fn objective_row(objective: &ObjectiveJudgement) -> Vec<String> {
    let met = match (objective.met, objective.decides) {
        (Some(true), _) => "yes",
        (Some(false), _) => "NO",
        (None, true) => "unsure",
        // A limit without a statistic is judged through the joint attainment, and shows the share that met it.
        (None, false) => "",
    };
    let unit = if objective.decides { unit_of(&objective.text) } else { "share" };
    let bounds_unit = if objective.allowed_share.is_some() { "share" } else { "s" };
    vec![
        objective.text.clone(),
        shown(objective.observed, unit),
        count(objective.misses),
        count(objective.decided),
        objective.allowed_share.map_or_else(String::new, percent),
        objective.interval95.map_or_else(|| UNKNOWN.to_owned(), |[low, high]| interval(low, high, bounds_unit)),
        met.to_owned(),
    ]
}

fn verdict_text(report: &Report, trial: &TrialView, ink: Ink) -> String {
    let verdict = &trial.verdict;
    let (tone, word) = match verdict.result {
        VerdictResult::None => (Tone::Heading, "no objective"),
        VerdictResult::Pass => (Tone::Good, "PASS"),
        VerdictResult::Fail => (Tone::Bad, "FAIL"),
        VerdictResult::Inconclusive => (Tone::Warning, "INCONCLUSIVE"),
    };
    let mut lines = Vec::new();
    if verdict.result != VerdictResult::None {
        lines.push(format!("verdict: {}", ink.paint(tone, word)));
    }
    lines.extend(verdict.reasons.iter().map(|reason| format!("  {}", wrapped(reason, WIDTH, 2))));
    let faults = trial.health.faults.iter().filter(|fault| !verdict.reasons.contains(fault));
    let warnings = faults.chain(&trial.health.notes).map(|warning| wrapped(&format!("warning: {warning}"), WIDTH, 2));
    lines.extend(warnings.map(|warning| ink.paint(Tone::Warning, &warning)));
    lines.extend(report.notes.iter().map(|note| wrapped(&format!("note: {note}"), WIDTH, 2)));
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

fn footer(report: &Report, ink: Ink) -> String {
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    let mut parts = vec![format!(
        "plan {}",
        if report.is_unfinished() { UNKNOWN.to_owned() } else { short(&report.plan_fingerprint) }
    )];
    parts.extend(report.body_fingerprint.as_deref().map(|hash| format!("bodies {}", short(hash))));
    parts.push(format!("seed {}", report.seed));
    parts.extend(report.config.salt.as_ref().map(|salt| format!("salt {}", salt.text())));
    let how = if report.token_estimate == ESTIMATE_NAME { "estimated" } else { "counted" };
    let line = format!(
        "{}\n{}",
        parts.join(" · "),
        wrapped(&format!("prompt tokens are {how} by {}", report.token_estimate), WIDTH, 2)
    );
    ink.paint(Tone::Faint, &line) + "\n"
}
