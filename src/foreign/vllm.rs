//! Owns the reading of the files of `vllm bench serve` and `sglang.bench_serving`, whose keys have one pattern.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::foreign::reader::{share, stats, text};
use crate::foreign::tool::{ForeignLoad, ForeignResult, ForeignStats, ForeignTool};
use crate::metrics::Metric;

/// The middle of the keys of each latency, as in `p99_ttft_ms`.
const LATENCIES: [(&str, Metric); 5] = [
    ("ttft", Metric::Ttft),
    ("tpot", Metric::Tpot),
    ("itl", Metric::Itl),
    ("e2el", Metric::E2e),
    ("e2e_latency", Metric::E2e),
];

/// One load for each of `rows`.
pub(super) fn read(tool: ForeignTool, rows: &[Value]) -> Option<ForeignResult> {
    let first = rows.first()?;
    Some(ForeignResult {
        tool,
        model: text(first, "model_id").or_else(|| text(first, "server_info/model_path")).or_else(|| text(first, "tag")),
        target: text(first, "base_url"),
        started: text(first, "date"),
        loads: rows.iter().filter_map(Value::as_object).map(load_of).collect(),
    })
}

fn load_of(row: &Map<String, Value>) -> ForeignLoad {
    let at = |key: &str| row.get(key).and_then(Value::as_f64).filter(|value| value.is_finite());
    let completed = at("completed");
    let mean_tokens = |total: Option<f64>| total.zip(completed).filter(|(_, n)| *n > 0.0).map(|(total, n)| total / n);
    // Older files of vLLM do not count failures. SGLang counts none.
    let failed = at("failed").or_else(|| {
        let errors = row.get("errors")?.as_array()?;
        Some(errors.iter().filter(|error| error.as_str().is_some_and(|text| !text.is_empty())).count() as f64)
    });
    ForeignLoad {
        // The text `inf` means that all requests are sent at once.
        rate_per_s: at("request_rate"),
        concurrency: at("max_concurrency"),
        unpaced: row.get("request_rate").is_some_and(|rate| rate == "inf"),
        process: at("burstiness").filter(|shape| *shape > 0.0).map(process_of),
        window_s: at("duration"),
        completed,
        failed: failed.or_else(|| Some(at("num_prompts")? - completed?)),
        requests_per_s: at("request_throughput"),
        output_tokens_per_s: at("output_throughput"),
        good_per_s: at("request_goodput").or_else(|| at("request_goodput:")),
        input_tokens: mean_tokens(at("total_input_tokens")),
        output_tokens: mean_tokens(at("total_output_tokens")),
        latencies: LATENCIES.iter().filter_map(|(name, metric)| Some((*metric, stats_of(row, name)?))).collect(),
    }
}

/// Gamma gaps of this shape: CV = 1 ÷ √shape.
fn process_of(shape: f64) -> String {
    if (shape - 1.0).abs() < 1e-9 { "poisson".to_owned() } else { format!("gamma:{}", 1.0 / libm::sqrt(shape)) }
}

fn stats_of(row: &Map<String, Value>, name: &str) -> Option<ForeignStats> {
    let ending = format!("_{name}_ms");
    let values: BTreeMap<&str, f64> =
        row.iter().filter_map(|(key, value)| Some((key.strip_suffix(&ending)?, value.as_f64()?))).collect();
    let quantiles = values.iter().filter_map(|(key, value)| Some((share(key)?, *value))).collect();
    // Both tools write zeros where no token was streamed.
    let is_known = values.values().any(|value| *value > 0.0);
    stats(values.get("mean").copied(), values.get("max").copied(), quantiles, 1e-3).filter(|_| is_known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_load_of_all_at_once_has_no_rate_and_zeros_are_no_latencies() {
        let row = json!({"model_id": "m", "request_rate": "inf", "completed": 3, "num_prompts": 4,
            "request_throughput": 2.0, "mean_ttft_ms": 0.0, "p99_ttft_ms": 0.0, "mean_e2el_ms": 12.5,
            "median_e2el_ms": 12.0, "p99_e2el_ms": 20.0, "total_output_tokens": 30});
        let result = read(ForeignTool::Vllm, &[row]).expect("a result");
        let load = &result.loads[0];
        assert_eq!((load.rate_per_s, load.failed, load.output_tokens), (None, Some(1.0), Some(10.0)));
        assert!(!load.latencies.contains_key(&Metric::Ttft));
        assert_eq!(load.latencies[&Metric::E2e].at(0.99), Some(0.02));
        assert_eq!(load.latencies[&Metric::E2e].at(0.9), None);
    }
}
