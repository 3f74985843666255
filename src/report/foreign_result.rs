//! Owns the page of a result of another load generator: its loads side by side, and how its figures differ from ours.

use std::fmt::Write as _;

use crate::foreign::{ForeignLoad, ForeignResult, ForeignTool, UNKNOWN_MODEL};
use crate::metrics::Metric;
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::next::quoted;
use crate::report::numbers::{UNKNOWN, percent};
use crate::units::{plain, seconds, visible};

/// The latencies of the table.
const LATENCIES: [(Metric, &str); 4] =
    [(Metric::Ttft, "ttft"), (Metric::Tpot, "tpot"), (Metric::Itl, "itl"), (Metric::E2e, "e2e")];

/// The text of `result`, read from `path`, on the console.
#[must_use]
pub(crate) fn render_foreign(result: &ForeignResult, path: &str, ink: Ink) -> String {
    let mut text = ink.paint(Tone::Heading, &wrapped(&answer(result), WIDTH, 0));
    text.push_str("\n\n");
    text.push_str(&loads(result).render(ink));
    for (metric, name) in LATENCIES {
        let grid = latencies(result, metric, name);
        if !grid.is_empty() {
            text.push('\n');
            text.push_str(&grid.render(ink));
        }
    }
    _ = writeln!(text, "\n{}", ink.paint(Tone::Heading, "to know"));
    for line in to_know(result.tool) {
        _ = writeln!(text, "  - {}", wrapped(line, WIDTH, 4));
    }
    _ = writeln!(text, "\n{}", ink.paint(Tone::Heading, "next"));
    let compare = format!("beside a result of tonnage: tonnage compare {} RESULT", quoted(path));
    _ = writeln!(text, "  - {}", wrapped(&compare, WIDTH, 4));
    text
}

fn answer(result: &ForeignResult) -> String {
    let loads = result.loads.len();
    let what = if loads == 1 { "one load".to_owned() } else { format!("{loads} loads") };
    let started = result.started.as_ref().map_or_else(String::new, |at| format!(", {}", visible(at)));
    format!("{} of {}: {what}{started}", result.tool, visible(result.model.as_deref().unwrap_or(UNKNOWN_MODEL)))
}

fn loads(result: &ForeignResult) -> Grid {
    let mut grid = Grid::new(&["load", "window", "completed", "failed", "req/s", "tokens/s", "tokens in", "out"]);
    for load in &result.loads {
        let number = |value: Option<f64>| value.map_or_else(|| UNKNOWN.to_owned(), plain);
        let failed = match (load.failed, load.error_rate()) {
            (Some(failed), Some(share)) if failed > 0.0 => format!("{failed} ({})", percent(share)),
            (failed, _) => failed.map_or_else(|| UNKNOWN.to_owned(), |failed| failed.to_string()),
        };
        grid.row(vec![
            load.label(),
            load.window_s.map_or_else(|| UNKNOWN.to_owned(), seconds),
            load.completed.map_or_else(|| UNKNOWN.to_owned(), |completed| completed.to_string()),
            failed,
            number(load.requests_per_s),
            number(load.output_tokens_per_s),
            number(load.input_tokens),
            number(load.output_tokens),
        ]);
    }
    grid
}

/// The rows of one latency; empty where no load has it.
fn latencies(result: &ForeignResult, metric: Metric, name: &str) -> Grid {
    let mut grid = Grid::new(&[name, "mean", "p50", "p90", "p95", "p99"]);
    let known = |load: &&ForeignLoad| load.latencies.contains_key(&metric);
    for load in result.loads.iter().filter(known) {
        let stats = &load.latencies[&metric];
        let shown = |value: Option<f64>| value.map_or_else(|| UNKNOWN.to_owned(), seconds);
        let quantiles = [0.5, 0.9, 0.95, 0.99].map(|share| shown(stats.at(share)));
        grid.row([load.label(), shown(stats.mean)].into_iter().chain(quantiles).collect());
    }
    grid
}

fn to_know(tool: ForeignTool) -> Vec<&'static str> {
    let mut lines = vec![
        "latencies of completed requests, counted from the send: waiting before a late send and failed requests are \
         not in them; the file does not say whether the load left as asked",
    ];
    match tool {
        ForeignTool::GuideLlm => lines.push(
            "tpot is GuideLLM's inter-token latency; its percentiles count tokens, so long answers count for more",
        ),
        ForeignTool::Aiperf => lines.push("tpot is AIPerf's inter-token latency, a mean of each request"),
        ForeignTool::Vllm | ForeignTool::Sglang | ForeignTool::Evalscope => {}
    }
    lines
}
