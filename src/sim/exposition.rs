//! Owns the text of `GET /metrics` of a simulated engine: vLLM's metric names in the Prometheus text format.

use std::fmt::Write;

use crate::sim::engine::Setup;
use crate::sim::latencies::{Latencies, Tally};
use crate::sim::live::Inner;

/// Prometheus text, built metric by metric.
struct Page {
    text: String,
    labels: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to memory cannot fail.
        _ = write!(self.text, "# HELP vllm:{name} {help}\n# TYPE vllm:{name} {kind}\n");
    }

    fn line(&mut self, name: &str, more: &str, value: f64) {
        _ = writeln!(self.text, "vllm:{name}{{{}{more}}} {value:?}", self.labels);
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }

    fn histogram(&mut self, name: &str, help: &str, tally: &Tally) {
        self.head(name, "histogram", help);
        let mut below = 0;
        for (place, count) in tally.counts.iter().enumerate() {
            below += count;
            let bound = tally.bounds.get(place).map_or_else(|| "+Inf".to_owned(), |bound| format!("{bound:?}"));
            self.line(&format!("{name}_bucket"), &format!(r#",le="{bound}""#), below as f64);
        }
        self.line(&format!("{name}_count"), "", below as f64);
        self.line(&format!("{name}_sum"), "", tally.sum);
    }
}

/// The metrics of the engine. `model` must be escaped as inside a JSON string; this also escapes what a Prometheus
/// label needs.
pub(super) fn exposition(inner: &Inner, model: &str) -> String {
    let (gauges, counters, latencies) = (inner.engine.gauges(), inner.engine.counters(), &inner.latencies);
    let mut page = Page { text: String::with_capacity(8 << 10), labels: format!(r#"model_name="{model}",engine="0""#) };
    page.one("num_requests_running", "gauge", "Number of requests in model execution batches.", gauges.running as f64);
    page.one("num_requests_waiting", "gauge", "Number of requests waiting to be processed.", gauges.waiting as f64);
    let used = f64::from(gauges.blocks_in_use) / f64::from(gauges.blocks.max(1));
    page.one("kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.", used);
    let cached = if inner.engine.setup().prefix_cache() { "True" } else { "False" };
    page.head("cache_config_info", "gauge", "Information of the LLMEngine CacheConfig");
    _ = writeln!(
        page.text,
        r#"vllm:cache_config_info{{block_size="{}",cache_dtype="auto",enable_prefix_caching="{cached}",engine="0",num_gpu_blocks="{}"}} 1.0"#,
        Setup::BLOCK_TOKENS,
        gauges.blocks
    );
    for (name, help, value) in [
        ("prompt_tokens_total", "Number of prefill tokens processed.", counters.prompt_tokens),
        (
            "generation_tokens_total",
            "Number of generation tokens processed.",
            counters.generated_tokens - inner.unwritten_tokens,
        ),
        ("num_preemptions_total", "Cumulative number of preemption from the engine.", counters.preemptions),
        (
            "prefix_cache_queries_total",
            "Prefix cache queries, in terms of number of queried tokens.",
            counters.cache_queried_tokens,
        ),
        (
            "prefix_cache_hits_total",
            "Prefix cache hits, in terms of number of cached tokens.",
            counters.cache_hit_tokens,
        ),
    ] {
        page.one(name, "counter", help, value as f64);
    }
    page.head("request_success_total", "counter", "Count of successfully processed requests.");
    for (reason, value) in
        [("length", counters.finished - inner.stopped), ("stop", inner.stopped), ("abort", counters.cancelled)]
    {
        page.line("request_success_total", &format!(r#",finished_reason="{reason}""#), value as f64);
    }
    for (name, help, tally) in histograms(latencies) {
        page.histogram(name, help, tally);
    }
    page.text
}

/// The histograms: name, help, values.
fn histograms(latencies: &Latencies) -> [(&'static str, &'static str, &Tally); 11] {
    [
        ("request_prompt_tokens", "Number of prefill tokens processed.", &latencies.prompt_tokens),
        ("request_generation_tokens", "Number of generation tokens processed.", &latencies.output_tokens),
        ("iteration_tokens_total", "Histogram of number of tokens per engine_step.", &latencies.step_tokens),
        ("time_to_first_token_seconds", "Histogram of time to first token in seconds.", &latencies.first_token),
        ("inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", &latencies.between_tokens),
        (
            "request_time_per_output_token_seconds",
            "Histogram of time_per_output_token_seconds per request.",
            &latencies.per_output_token,
        ),
        ("e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", &latencies.whole),
        ("request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", &latencies.queue),
        (
            "request_inference_time_seconds",
            "Histogram of time spent in RUNNING phase for request.",
            &latencies.inference,
        ),
        ("request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", &latencies.prefill),
        ("request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", &latencies.decode),
    ]
}
