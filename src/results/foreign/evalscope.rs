//! Owns the reading of a load's folder of `evalscope perf`: its summary, its arguments and its percentiles.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;
use crate::metrics::Metric;
use crate::results::files::{Limit, read_text};
use crate::results::foreign::reader::{share, stats, text};
use crate::results::foreign::tool::{ForeignLoad, ForeignResult, ForeignStats, ForeignTool};

/// The file with the means of a load.
pub(super) const SUMMARY: &str = "benchmark_summary.json";
const PERCENTILES: &str = "benchmark_percentile.json";
const ARGUMENTS: &str = "benchmark_args.json";

/// The column of the percentiles, the key of the mean, and seconds in their unit.
const LATENCIES: [(Metric, &str, &str, f64); 4] = [
    (Metric::Ttft, "TTFT (ms)", "Avg TTFT (ms)", 1e-3),
    (Metric::Tpot, "TPOT (ms)", "Avg TPOT (ms)", 1e-3),
    (Metric::Itl, "ITL (ms)", "Avg ITL (ms)", 1e-3),
    (Metric::E2e, "Latency (s)", "Avg Latency (s)", 1.0),
];

/// The summaries in `folder` and in the folders below it, one for each load; in the order of their names.
pub(super) fn summaries(folder: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let folders = std::iter::once(folder.to_owned()).chain(below);
    let mut found: Vec<PathBuf> = folders.map(|inside| inside.join(SUMMARY)).filter(|file| file.is_file()).collect();
    found.sort();
    found
}

/// The loads whose summaries are `files`, by increasing rate and concurrency. The other files of a load may be missing.
pub(super) fn read(files: &[PathBuf]) -> Result<Option<ForeignResult>, Error> {
    let mut model = None;
    let mut target = None;
    let mut loads = Vec::new();
    for file in files {
        let arguments = json(&file.with_file_name(ARGUMENTS))?;
        model = model.or_else(|| text(&arguments, "model"));
        target = target.or_else(|| text(&arguments, "url"));
        loads.push(load_of(&json(file)?, &json(&file.with_file_name(PERCENTILES))?));
    }
    let order = |load: &ForeignLoad| (load.rate_per_s.unwrap_or(f64::MAX), load.concurrency.unwrap_or(f64::MAX));
    loads.sort_by(|one, other| {
        let ((rate, most), (other_rate, other_most)) = (order(one), order(other));
        rate.total_cmp(&other_rate).then(most.total_cmp(&other_most))
    });
    Ok(Some(ForeignResult { tool: ForeignTool::Evalscope, model, target, started: None, loads }))
}

/// The JSON of a file; `null` where the file does not exist.
fn json(path: &Path) -> Result<Value, Error> {
    if !path.exists() {
        return Ok(Value::Null);
    }
    let text = read_text(path, Limit::RESULT, "give the folder as evalscope wrote it")?;
    serde_json::from_str(&text).map_err(|why| Error::input_at(path, why.line() as u64, why.to_string()))
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
    let value = |row: &Value| Some((share(row.get("Percentiles")?.as_str()?)?, row.get(column)?.as_f64()?));
    stats(mean, rows.iter().filter_map(value).collect(), factor)
}
