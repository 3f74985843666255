//! Owns the reading of `profile_export_aiperf.json` of AIPerf, whose metrics have the shape of GenAI-Perf.

use serde_json::Value;

use crate::foreign::reader::{number, share, stats, text};
use crate::foreign::tool::{ForeignLoad, ForeignResult, ForeignStats, ForeignTool};
use crate::metrics::Metric;

/// AIPerf's `inter_token_latency` is (latency − TTFT) ÷ (tokens − 1) of a request, which is TPOT.
const LATENCIES: [(&str, Metric); 3] =
    [("time_to_first_token", Metric::Ttft), ("inter_token_latency", Metric::Tpot), ("request_latency", Metric::E2e)];

pub(super) fn read(whole: &Value) -> ForeignResult {
    let average = |key: &str| number(whole, &format!("{key}/avg"));
    let phases = whole.pointer("/input_config/phases").and_then(Value::as_array);
    let measured = phases.and_then(|phases| phases.last()).unwrap_or(&Value::Null);
    let models = whole.pointer("/input_config/models/items").and_then(Value::as_array);
    let names: Vec<String> = models.into_iter().flatten().filter_map(|item| text(item, "name")).collect();
    let load = ForeignLoad {
        rate_per_s: number(measured, "rate"),
        concurrency: number(measured, "concurrency"),
        // Without a rate, a phase may follow a schedule of its own, such as a series of rates.
        unpaced: false,
        process: None,
        window_s: average("benchmark_duration"),
        completed: average("request_count"),
        failed: average("error_request_count").or(Some(0.0)),
        requests_per_s: average("request_throughput"),
        output_tokens_per_s: average("output_token_throughput"),
        good_per_s: average("goodput"),
        input_tokens: average("input_sequence_length"),
        output_tokens: average("output_sequence_length"),
        latencies: LATENCIES.iter().filter_map(|(key, metric)| Some((*metric, stats_of(whole.get(key)?)?))).collect(),
    };
    ForeignResult {
        tool: ForeignTool::Aiperf,
        model: (!names.is_empty()).then(|| names.join(", ")),
        target: whole.pointer("/input_config/endpoint/urls/0").and_then(Value::as_str).map(str::to_owned),
        started: text(whole, "start_time"),
        loads: vec![load],
    }
}

fn stats_of(metric: &Value) -> Option<ForeignStats> {
    let factor = match metric.get("unit")?.as_str()? {
        "ms" => 1e-3,
        "us" | "µs" => 1e-6,
        "ns" => 1e-9,
        _ => 1.0,
    };
    let values = metric.as_object()?.iter();
    let quantiles = values.filter_map(|(name, value)| Some((share(name)?, value.as_f64()?))).collect();
    stats(number(metric, "avg"), number(metric, "max"), quantiles, factor)
}
