//! Owns the file of `sglang.bench_serving` from a result: one line of JSON for each trial.

use serde_json::{Value, json};

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::Metric;
use crate::report::foreign::trial::{Completed, Ordered, Pick, endpoint_of, known};
use crate::report::shown::shown as without_escapes;
use crate::results::{Report, Setting};

/// The lines that `sglang.bench_serving --output-file` would append: (name, text) of the file.
pub(crate) fn render_sglang(report: &Report) -> Result<(String, String), Error> {
    let report = &*without_escapes(report);
    let lines: Vec<String> =
        report.trials.iter().map(|trial| keys_of(report, trial).line()).collect::<Result<_, _>>()?;
    Ok(("sglang.jsonl".to_owned(), lines.join("\n") + "\n"))
}

/// SGLang's name of the API that was asked.
fn backend(report: &Report) -> String {
    match endpoint_of(report) {
        "completions" => "sglang-oai".to_owned(),
        "chat" => "sglang-oai-chat".to_owned(),
        "embeddings" => "sglang-embedding".to_owned(),
        other => other.to_owned(),
    }
}

fn keys_of(report: &Report, trial: &TrialView) -> Ordered {
    let completed = Completed::of(trial);
    let (input, output) = (completed.input_tokens, completed.output_tokens);
    let fixed = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
    let config = &report.config;
    let dataset = config.dataset.as_ref().map_or("random", |file| file.text());
    let rate = if trial.load.trace.is_some() { json!("trace") } else { completed.rate() };
    let mut keys = Ordered::default();
    keys.put("tag", json!(report.label));
    keys.put("backend", json!(backend(report)));
    keys.put("dataset_name", json!(dataset));
    keys.put("request_rate", rate);
    keys.put("max_concurrency", json!(trial.load.concurrency));
    keys.put("sharegpt_output_len", Value::Null);
    keys.put("random_input_len", json!(fixed(config.input_tokens.as_ref().map(Setting::text))));
    keys.put("random_output_len", json!(fixed(config.output_tokens.as_ref().map(Setting::text))));
    keys.put("random_range_ratio", Value::Null);
    keys.put("server_info", Value::Null);
    keys.put("duration", json!(completed.window_s));
    keys.put("completed", json!(trial.requests.completed));
    keys.put("total_input_tokens", json!(input));
    keys.put("total_input_text_tokens", json!(input));
    keys.put("total_input_vision_tokens", json!(0));
    keys.put("total_output_tokens", json!(output));
    keys.put("total_output_tokens_retokenized", Value::Null);
    keys.put("request_throughput", json!(completed.per_s(trial.requests.completed)));
    keys.put("input_throughput", json!(completed.per_s(input)));
    keys.put("output_throughput", json!(completed.per_s(output)));
    keys.put("total_throughput", json!(completed.per_s(input + output)));
    let names = [("e2e_latency", Metric::E2e), ("ttft", Metric::Ttft), ("tpot", Metric::Tpot), ("itl", Metric::Itl)];
    let quantiles: [(&str, Pick); 3] =
        [("p90", |stats| known(stats.p90)), ("p95", |stats| known(stats.p95)), ("p99", |stats| known(stats.p99))];
    completed.put_latencies(&mut keys, names, &quantiles);
    keys.put("concurrency", json!(completed.concurrency()));
    keys.put("accept_length", Value::Null);
    keys.put("max_output_tokens_per_s", json!(completed.most_tokens_per_s()));
    keys.put("max_concurrent_requests", json!(trial.concurrency.peak));
    keys
}
