//! Owns the files of `vllm bench serve` from a result: its keys, their order and its file names.

use serde_json::{Value, json};

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::Metric;
use crate::report::foreign::trial::{Completed, Ordered, date_of, endpoint_of, known, numbered};
use crate::report::shown::shown as without_escapes;
use crate::results::{Report, file_name};
use crate::schedule::Process;

/// The files that `vllm bench serve --save-result` would write: (name, JSON) of each trial of `report`. There are no
/// lists of single requests, as without `--save-detailed`.
pub(crate) fn render_vllm(report: &Report) -> Result<Vec<(String, String)>, Error> {
    let report = &*without_escapes(report);
    let (mut names, mut files) = (Vec::new(), Vec::new());
    for trial in &report.trials {
        let name = numbered(name_of(report, trial), &names);
        names.push(name.clone());
        files.push((format!("{name}.json"), keys_of(report, trial).page()?));
    }
    Ok(files)
}

/// vLLM's name of the API that was asked.
fn backend(report: &Report) -> String {
    match endpoint_of(report) {
        "completions" => "openai".to_owned(),
        endpoint @ ("chat" | "embeddings") => format!("openai-{endpoint}"),
        "rerank" => "vllm-rerank".to_owned(),
        other => other.to_owned(),
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

/// The name of a trial's file.
pub(super) fn file_of(report: &Report, trial: &TrialView) -> String {
    name_of(report, trial) + ".json"
}

/// The name of a trial's file, without its ending.
fn name_of(report: &Report, trial: &TrialView) -> String {
    let first = report.label.clone().unwrap_or_else(|| backend(report));
    let rate = match Completed::of(trial).rate() {
        Value::Number(per_s) => format!("{:?}", per_s.as_f64().unwrap_or_default()),
        _ => "inf".to_owned(),
    };
    let concurrency = trial.load.concurrency.map_or_else(String::new, |most| format!("-concurrency{most}"));
    let model = report.target.model.rsplit('/').next().unwrap_or_default();
    file_name(&format!("{first}-{rate}qps{concurrency}-{model}-{}", date_of(report)))
}

/// vLLM's keys with their values.
pub(super) fn keys_of(report: &Report, trial: &TrialView) -> Ordered {
    let completed = Completed::of(trial);
    let (input, output) = (completed.input_tokens, completed.output_tokens);
    let requests = &trial.requests;
    let mut keys = Ordered::default();
    keys.put("date", json!(date_of(report)));
    keys.put("endpoint_type", json!(backend(report)));
    keys.put("backend", json!(backend(report)));
    keys.put("label", json!(report.label));
    keys.put("model_id", json!(report.target.model));
    keys.put("tokenizer_id", json!(report.token_estimate));
    keys.put("num_prompts", json!(requests.planned));
    for (key, value) in &report.metadata {
        keys.put(key, json!(value));
    }
    keys.put("request_rate", completed.rate());
    keys.put("burstiness", json!(burstiness(trial)));
    keys.put("max_concurrency", json!(trial.load.concurrency));
    keys.put("duration", json!(completed.window_s));
    keys.put("completed", json!(requests.completed));
    keys.put("failed", json!(requests.planned - requests.completed));
    keys.put("total_input_tokens", json!(input));
    keys.put("total_output_tokens", json!(output));
    keys.put("request_throughput", json!(completed.per_s(requests.completed)));
    keys.put("request_goodput", json!(completed.good_per_s()));
    keys.put("output_throughput", json!(completed.per_s(output)));
    keys.put("total_token_throughput", json!(completed.per_s(input + output)));
    keys.put("max_output_tokens_per_s", json!(completed.most_tokens_per_s()));
    keys.put("max_concurrent_requests", json!(trial.concurrency.peak));
    let names = [("ttft", Metric::Ttft), ("tpot", Metric::Tpot), ("itl", Metric::Itl), ("e2el", Metric::E2e)];
    completed.put_latencies(&mut keys, names, &[("p90", |stats| known(stats.p90)), ("p99", |stats| known(stats.p99))]);
    keys
}
