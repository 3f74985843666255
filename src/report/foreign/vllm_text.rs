//! Owns the block that `vllm bench serve` prints, which many scripts of CI read.

use std::fmt::Write as _;

use crate::figures::TrialView;
use crate::metrics::Metric;
use crate::report::foreign::trial::{Completed, known};
use crate::results::Report;

/// The columns of the block.
const COLUMNS: usize = 50;

/// One block for each trial of `report`, in its order.
#[must_use]
pub(crate) fn render_vllm_text(report: &Report) -> String {
    report.trials.iter().map(block).collect()
}

fn block(trial: &TrialView) -> String {
    let completed = Completed::of(trial);
    let (input, output) = (completed.input_tokens, completed.output_tokens);
    let mut text = heading(" Serving Benchmark Result ", '=');
    let mut whole = |name: &str, value: u64| _ = writeln!(text, "{name:<40} {value:<10}");
    whole("Successful requests:", trial.requests.completed);
    whole("Failed requests:", trial.requests.planned - trial.requests.completed);
    if let Some(most) = trial.load.concurrency {
        whole("Maximum request concurrency:", most.into());
    }
    number(&mut text, "Request rate configured (RPS):", completed.rate_per_s());
    number(&mut text, "Benchmark duration (s):", Some(completed.window_s));
    let mut whole = |name: &str, value: u64| _ = writeln!(text, "{name:<40} {value:<10}");
    whole("Total input tokens:", input);
    whole("Total generated tokens:", output);
    number(&mut text, "Request throughput (req/s):", completed.per_s(trial.requests.completed));
    number(&mut text, "Request goodput (req/s):", completed.good_per_s());
    number(&mut text, "Output token throughput (tok/s):", completed.per_s(output));
    number(&mut text, "Peak output token throughput (tok/s):", completed.most_tokens_per_s());
    number(&mut text, "Peak concurrent requests:", trial.concurrency.peak.map(|peak| peak as f64));
    number(&mut text, "Total token throughput (tok/s):", completed.per_s(input + output));
    for (metric, name, title) in [
        (Metric::Ttft, "TTFT", "Time to First Token"),
        (Metric::Tpot, "TPOT", "Time per Output Token (excl. 1st token)"),
        (Metric::Itl, "ITL", "Inter-token Latency"),
        (Metric::E2e, "E2EL", "End-to-end Latency"),
    ] {
        let Some(stats) = completed.stats(metric).filter(|stats| stats.mean.is_some()) else { continue };
        text.push_str(&heading(title, '-'));
        for (what, value) in [("Mean", stats.mean), ("Median", known(stats.p50)), ("P99", known(stats.p99))] {
            number(&mut text, &format!("{what} {name} (ms):"), value.map(|s| s * 1e3));
        }
    }
    text.extend([&"=".repeat(COLUMNS), "\n"]);
    text
}

/// `title` in the middle of a line of `fill`.
fn heading(title: &str, fill: char) -> String {
    let room = COLUMNS.saturating_sub(title.chars().count());
    let fill_of = |columns: usize| fill.to_string().repeat(columns);
    format!("{}{title}{}\n", fill_of(room / 2), fill_of(room - room / 2))
}

/// A line with two digits after the point; nothing where the value is not known.
fn number(text: &mut String, name: &str, value: Option<f64>) {
    if let Some(value) = value {
        _ = writeln!(text, "{name:<40} {value:<10.2}");
    }
}
