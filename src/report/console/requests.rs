//! Owns the requests on the console: their outcomes, and their rates.

use crate::figures::TrialView;
use crate::metrics::LoadOrigin;
use crate::report::failures::{failures_of, failures_text};
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::numbers::{UNKNOWN, rate};
use crate::report::offered::offered_text;
use crate::results::Report;
use crate::units::{count, plain};

/// Finish reasons that are not worth a line.
const USUAL_REASONS: [&str; 8] =
    ["length", "stop", "tool_calls", "completed", "max_output_tokens", "end_turn", "max_tokens", "tool_use"];

/// The table of requests by outcome, with the lines on failures.
pub(super) fn requests_text(report: &Report, trial: &TrialView, ink: Ink) -> String {
    let counts = &trial.requests;
    let mut text = requests_table(trial).render(ink);
    if let Some(line) = offered_text(&trial.load, trial.window.length_s(), counts) {
        text.push_str(&ink.paint(Tone::Faint, &wrapped(&line, WIDTH, 2)));
        text.push('\n');
    }
    if !counts.failures.is_empty() {
        text.push_str(&wrapped(&format!("failures: {}", failures_of(counts)), WIDTH, 2));
        text.push('\n');
    }
    text.push_str(&failures_text(trial, ink));
    // An unusual finish reason shows why answers are short, or that answers were filtered.
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

/// The table of requests by outcome.
pub(in crate::report) fn requests_table(trial: &TrialView) -> Grid {
    let (counts, rates) = (&trial.requests, &trial.rates);
    // Without objectives every completed request is good, so the column is left out.
    let judged = !trial.slo.objectives.is_empty();
    let good = (rates.good_per_s.unwrap_or(0.0) * trial.window.length_s()).round() as u64;
    // The usual columns are always shown, the others only when their count is not 0. A mixed load has one column more
    // than other loads.
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
    grid
}

/// The table of throughput on the console.
pub(super) fn throughput_text(trial: &TrialView, ink: Ink) -> String {
    throughput_table(trial).render(ink)
}

/// The table of throughput inside the window, with the requests in flight.
pub(in crate::report) fn throughput_table(trial: &TrialView) -> Grid {
    let flow = &trial.throughput;
    let of_items = flow.items_per_s.is_some();
    let (mut headings, figures) = if of_items {
        (
            vec!["throughput", "requests/s", "items/s", "in tok/s"],
            [flow.requests_per_s, flow.items_per_s, flow.input_tokens_per_s],
        )
    } else {
        (
            vec!["throughput", "requests/s", "in tok/s", "out tok/s"],
            [flow.requests_per_s, flow.input_tokens_per_s, flow.output_tokens_per_s],
        )
    };
    let mut cells = vec!["in the window".to_owned()];
    cells.extend(figures.map(rate));
    if !trial.slo.objectives.is_empty() && !of_items {
        headings.push("good tok/s");
        cells.push(rate(flow.good_output_tokens_per_s));
    }
    headings.extend(["in flight", "peak"]);
    cells.extend([rate(trial.concurrency.mean), trial.concurrency.peak.map_or_else(|| UNKNOWN.to_owned(), count)]);
    let mut grid = Grid::new(&headings);
    grid.row(cells);
    grid
}
