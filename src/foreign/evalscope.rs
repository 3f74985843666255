//! Owns the reading of a load's folder of `evalscope perf`: its summary, its arguments and its percentiles.

use serde_json::Value;

use crate::foreign::reader::{share, stats, text};
use crate::foreign::tool::{ForeignLoad, ForeignResult, ForeignStats, ForeignTool};
use crate::metrics::Metric;

/// The column of the percentiles, the key of the mean, and seconds in their unit.
const LATENCIES: [(Metric, &str, &str, f64); 4] = [
    (Metric::Ttft, "TTFT (ms)", "Avg TTFT (ms)", 1e-3),
    (Metric::Tpot, "TPOT (ms)", "Avg TPOT (ms)", 1e-3),
    (Metric::Itl, "ITL (ms)", "Avg ITL (ms)", 1e-3),
    (Metric::E2e, "Latency (s)", "Avg Latency (s)", 1.0),
];

/// The load of a summary, with its percentiles and its arguments; a missing file is `null`.
pub(crate) fn evalscope(summary: &Value, percentiles: &Value, arguments: &Value) -> ForeignResult {
    ForeignResult {
        tool: ForeignTool::Evalscope,
        model: text(arguments, "model"),
        target: text(arguments, "url"),
        started: None,
        loads: vec![load_of(summary, percentiles)],
    }
}

fn load_of(summary: &Value, percentiles: &Value) -> ForeignLoad {
    // The names contain `/`, so that they are no paths.
    let at = |key: &str| summary.get(key)?.as_f64();
    // evalscope writes -1 for no limit.
    let limit = |key: &str| at(key).filter(|value| *value > 0.0);
    let latencies = LATENCIES.iter().filter_map(|(metric, column, mean, factor)| {
        Some((*metric, stats_of(percentiles, column, at(mean), *factor)?))
    });
    ForeignLoad {
        rate_per_s: limit("Request Rate (req/s)"),
        concurrency: limit("Concurrency"),
        unpaced: at("Request Rate (req/s)") == Some(-1.0),
        process: None,
        window_s: at("Test Duration (s)"),
        completed: at("Success Requests"),
        failed: at("Failed Requests"),
        requests_per_s: at("Req Throughput (req/s)"),
        output_tokens_per_s: at("Output Throughput (tok/s)"),
        good_per_s: None,
        input_tokens: at("Avg Input Tokens"),
        output_tokens: at("Avg Output Tokens"),
        latencies: latencies.collect(),
    }
}

fn stats_of(percentiles: &Value, column: &str, mean: Option<f64>, factor: f64) -> Option<ForeignStats> {
    let rows = percentiles.as_array().map(Vec::as_slice).unwrap_or_default();
    let max = rows.iter().find(|row| row.get("Percentiles").and_then(Value::as_str) == Some("max"));
    let max = max.and_then(|row| row.get(column)?.as_f64());
    let value = |row: &Value| Some((share(row.get("Percentiles")?.as_str()?)?, row.get(column)?.as_f64()?));
    stats(mean, max, rows.iter().filter_map(value).collect(), factor)
}
