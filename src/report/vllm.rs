//! Owns the files of `vllm bench serve` from a result: its keys, their order and its file names.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::error::Error;
use crate::figures::{StatsView, TrialView};
use crate::metrics::{Known, LoadOrigin, Metric};
use crate::report::shown::shown as without_escapes;
use crate::results::{Report, file_name};
use crate::schedule::Process;

/// The files that `vllm bench serve --save-result` would write: (name, JSON) of each trial of `report`.
///
/// Definitions are those of vLLM: latencies are of completed requests only, times are in milliseconds, `failed` is
/// every request that did not complete. The figures are those of the window, and latencies count from the planned
/// instant. What is not known is `null`. There are no lists of single requests, as without `--save-detailed`.
pub(crate) fn render_vllm(report: &Report) -> Result<Vec<(String, String)>, Error> {
    let report = &*without_escapes(report);
    let mut files: Vec<(String, String)> = Vec::new();
    for trial in &report.trials {
        let name = name_of(report, trial);
        let again = files.iter().filter(|(other, _)| other.split('~').next() == Some(&name)).count();
        let name = if again > 0 { format!("{name}~{}", again + 1) } else { name };
        let text = serde_json::to_string_pretty(&Ordered(keys_of(report, trial)))
            .map_err(|why| Error::Internal(why.to_string()))?;
        files.push((name, text + "\n"));
    }
    Ok(files.into_iter().map(|(name, text)| (format!("{name}.json"), text)).collect())
}

/// A JSON object that keeps the order of its keys.
struct Ordered(Vec<(String, Value)>);

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

/// vLLM's name of the API that was asked.
fn backend(report: &Report) -> String {
    let endpoint = report.config.endpoint.as_ref().map_or("chat", |endpoint| endpoint.text());
    match endpoint {
        "completions" => "openai".to_owned(),
        "chat" | "embeddings" => format!("openai-{endpoint}"),
        "rerank" => "vllm-rerank".to_owned(),
        other => other.to_owned(),
    }
}

/// The rate as vLLM has it: a number, or `inf` where answers release the requests.
fn rate(trial: &TrialView) -> Value {
    match trial.load.rate_per_s.filter(|_| trial.load.origin != LoadOrigin::Released) {
        Some(per_s) => json!(per_s),
        None => json!("inf"),
    }
}

/// The shape of vLLM's gamma law of gaps: 1 ÷ CV²; `null` where the gaps follow another law.
fn burstiness(trial: &TrialView) -> Option<f64> {
    match trial.load.process.as_deref()?.parse().ok()? {
        Process::Poisson => Some(1.0),
        Process::Gamma { cv } => Some(cv.gamma_shape()),
        Process::Even | Process::Weibull { .. } => None,
    }
}

/// The instant of the start as `20261130-182553`.
fn date(report: &Report) -> String {
    let digits: String = report.started.chars().filter(char::is_ascii_digit).take(14).collect();
    match digits.split_at_checked(8) {
        Some((day, time)) => format!("{day}-{time}"),
        None => digits,
    }
}

/// The name of a trial's file, without its ending.
fn name_of(report: &Report, trial: &TrialView) -> String {
    let first = report.label.clone().unwrap_or_else(|| backend(report));
    let rate = match rate(trial) {
        Value::Number(per_s) => format!("{:?}", per_s.as_f64().unwrap_or_default()),
        _ => "inf".to_owned(),
    };
    let concurrency = trial.load.concurrency.map_or_else(String::new, |most| format!("-concurrency{most}"));
    let model = report.target.model.rsplit('/').next().unwrap_or_default();
    file_name(&format!("{first}-{rate}qps{concurrency}-{model}-{}", date(report)))
}

fn keys_of(report: &Report, trial: &TrialView) -> Vec<(String, Value)> {
    let window_s = trial.window.length_s();
    let (requests, flow) = (&trial.requests, &trial.throughput);
    let stats = |metric: Metric| trial.metrics.get(&metric).map(|view| &view.completed_only);
    let sum = |metric: Metric| {
        stats(metric).and_then(|stats| stats.mean.map(|mean| (mean * stats.count as f64).round() as u64)).unwrap_or(0)
    };
    let (input, output) = (sum(Metric::InputTokens), sum(Metric::OutputTokens));
    let per_s = |count: u64| (window_s > 0.0).then(|| count as f64 / window_s);
    let most_per_s = trial.samples.iter().map(|sample| sample.output_tokens / sample.width_s).reduce(f64::max);
    let judged = !trial.slo.objectives.is_empty();
    let mut keys: Vec<(String, Value)> = Vec::new();
    let mut put = |key: &str, value: Value| keys.push((key.to_owned(), value));
    put("date", json!(date(report)));
    put("endpoint_type", json!(backend(report)));
    put("backend", json!(backend(report)));
    put("label", json!(report.label));
    put("model_id", json!(report.target.model));
    put("tokenizer_id", json!(report.token_estimate));
    put("num_prompts", json!(requests.planned));
    for (key, value) in &report.metadata {
        put(key, json!(value));
    }
    put("request_rate", rate(trial));
    put("burstiness", json!(burstiness(trial)));
    put("max_concurrency", json!(trial.load.concurrency));
    put("duration", json!(window_s));
    put("completed", json!(requests.completed));
    put("failed", json!(requests.planned - requests.completed));
    put("total_input_tokens", json!(input));
    put("total_output_tokens", json!(output));
    put("request_throughput", json!(per_s(requests.completed)));
    put("request_goodput", json!(trial.rates.good_per_s.filter(|_| judged)));
    put("output_throughput", json!(per_s(output)));
    put("total_token_throughput", json!(per_s(input + output)));
    put("max_output_tokens_per_s", json!(most_per_s.filter(|_| flow.output_tokens_per_s.is_some())));
    put("max_concurrent_requests", json!(trial.concurrency.peak));
    for (name, metric) in [("ttft", Metric::Ttft), ("tpot", Metric::Tpot), ("itl", Metric::Itl), ("e2el", Metric::E2e)]
    {
        let millis = |pick: fn(&StatsView) -> Option<f64>| json!(stats(metric).and_then(pick).map(|s| s * 1e3));
        put(&format!("mean_{name}_ms"), millis(|stats| stats.mean));
        put(&format!("median_{name}_ms"), millis(|stats| known(stats.p50)));
        put(&format!("std_{name}_ms"), millis(|stats| stats.std));
        put(&format!("p90_{name}_ms"), millis(|stats| known(stats.p90)));
        put(&format!("p99_{name}_ms"), millis(|stats| known(stats.p99)));
    }
    keys
}

fn known(value: Option<Known>) -> Option<f64> {
    if let Some(Known::At(value)) = value { Some(value) } else { None }
}
