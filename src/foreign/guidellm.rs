//! Owns the reading of `benchmarks.json` of GuideLLM (schema 2).

use serde_json::Value;

use crate::foreign::reader::{number, share, stats, text};
use crate::foreign::tool::{ForeignLoad, ForeignResult, ForeignStats, ForeignTool};
use crate::metrics::Metric;

/// Key, metric, and seconds in a unit of the file. GuideLLM's `time_per_output_token_ms` is the whole latency ÷ tokens,
/// which is NTPOT here; its `inter_token_latency_ms` is (latency − TTFT) ÷ (tokens − 1), which is TPOT.
const LATENCIES: [(&str, Metric, f64); 5] = [
    ("time_to_first_token_ms", Metric::Ttft, 1e-3),
    ("time_to_first_output_token_ms", Metric::Ttfo, 1e-3),
    ("inter_token_latency_ms", Metric::Tpot, 1e-3),
    ("time_per_output_token_ms", Metric::Ntpot, 1e-3),
    ("request_latency", Metric::E2e, 1.0),
];

pub(super) fn read(whole: &Value) -> Option<ForeignResult> {
    let benchmarks = whole.get("benchmarks")?.as_array()?;
    let backend = "config/spec/backend";
    let of_backend = |key: &str| text(whole, &format!("{backend}/{key}"));
    let started = benchmarks.first().and_then(|first| number(first, "start_time"));
    Some(ForeignResult {
        tool: ForeignTool::GuideLlm,
        model: of_backend("model"),
        target: of_backend("target"),
        started: started.and_then(instant),
        loads: benchmarks.iter().map(load_of).collect(),
    })
}

/// Seconds since 1970 as RFC 3339.
fn instant(unix_s: f64) -> Option<String> {
    jiff::Timestamp::from_second(unix_s as i64).ok().map(|instant| instant.to_string())
}

fn load_of(benchmark: &Value) -> ForeignLoad {
    let metrics = benchmark.get("metrics").unwrap_or(&Value::Null);
    let mean = |key: &str| number(metrics, &format!("{key}/successful/mean"));
    let requests = |status: &str| number(metrics, &format!("request_totals/{status}"));
    let strategy = |key: &str| number(benchmark, &format!("config/strategy/{key}"));
    let kind = text(benchmark, "config/strategy/type_").unwrap_or_default();
    let is_open = matches!(kind.as_str(), "constant" | "poisson" | "async");
    let streams = strategy("streams").or_else(|| strategy("max_concurrency"));
    ForeignLoad {
        // Older reports do not say the asked rate.
        rate_per_s: strategy("rate").or_else(|| mean("requests_per_second")).filter(|_| is_open),
        // A cap belongs to open loads, too; there it is a limit of the tool, not of the load.
        concurrency: if kind == "synchronous" { Some(1.0) } else { streams.filter(|_| !is_open) },
        unpaced: kind == "throughput",
        process: is_open.then(|| if kind == "poisson" { "poisson" } else { "even" }.to_owned()),
        window_s: number(benchmark, "duration"),
        completed: requests("successful"),
        failed: requests("errored"),
        requests_per_s: mean("requests_per_second"),
        output_tokens_per_s: mean("output_tokens_per_second"),
        good_per_s: mean("request_goodput"),
        input_tokens: mean("prompt_token_count"),
        output_tokens: mean("output_token_count"),
        latencies: LATENCIES
            .iter()
            .filter_map(|(key, metric, factor)| Some((*metric, stats_of(metrics.get(key)?, *factor)?)))
            .collect(),
    }
}

fn stats_of(metric: &Value, factor: f64) -> Option<ForeignStats> {
    let found = metric.get("successful")?;
    let quantiles = found.get("percentiles")?.as_object()?;
    let quantiles = quantiles.iter().filter_map(|(name, value)| Some((share(name)?, value.as_f64()?)));
    let quantiles = quantiles.chain(number(found, "median").map(|value| (0.5, value)));
    stats(number(found, "mean"), number(found, "max"), quantiles.collect(), factor)
        .filter(|_| number(found, "count") != Some(0.0))
}
