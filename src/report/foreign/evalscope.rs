//! Owns the files of `evalscope perf` from a result: one folder for each trial, with its summary and its percentiles.

use serde_json::{Value, json};

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::Metric;
use crate::report::foreign::trial::{Completed, Ordered, Pick, endpoint_of, known, numbered};
use crate::report::shown::shown as without_escapes;
use crate::results::{Report, file_name};

/// The percentiles that a result holds, with evalscope's names.
const PERCENTILES: [(&str, Pick); 6] = [
    ("50%", |stats| known(stats.p50)),
    ("75%", |stats| known(stats.p75)),
    ("90%", |stats| known(stats.p90)),
    ("95%", |stats| known(stats.p95)),
    ("99%", |stats| known(stats.p99)),
    ("max", |stats| known(stats.max)),
];

/// The files that `evalscope perf` would write: (path below the folder of the result, JSON) of each trial of `report`.
/// Numbers have four digits after the point, as there.
pub(crate) fn render_evalscope(report: &Report) -> Result<Vec<(String, String)>, Error> {
    let report = &*without_escapes(report);
    let (mut names, mut files) = (Vec::new(), Vec::new());
    for trial in &report.trials {
        let folder = numbered(folder_of(trial), &names);
        names.push(folder.clone());
        let rows = serde_json::to_string_pretty(&percentiles(trial)).map_err(|why| Error::Internal(why.to_string()))?;
        files.push((format!("{folder}/benchmark_args.json"), arguments(report, trial).page()?));
        files.push((format!("{folder}/benchmark_summary.json"), summary(report, trial).page()?));
        files.push((format!("{folder}/benchmark_percentile.json"), rows + "\n"));
    }
    Ok(files)
}

/// evalscope's name of a trial's folder: `rate_12.5_number_250` or `parallel_8_number_250`.
fn folder_of(trial: &TrialView) -> String {
    let number = trial.requests.planned;
    file_name(&match (Completed::of(trial).rate_per_s(), trial.load.concurrency) {
        (Some(per_s), _) => format!("rate_{per_s}_number_{number}"),
        (None, Some(most)) => format!("parallel_{most}_number_{number}"),
        (None, None) => format!("parallel_-1_number_{number}"),
    })
}

/// -1 where evalscope has no limit.
fn or_unlimited(value: Option<f64>) -> Value {
    json!(value.map_or(-1.0, rounded))
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn is_streamed(report: &Report) -> bool {
    !report.config.no_stream && report.config.endpoints().iter().any(|endpoint| endpoint.capabilities().streams)
}

fn arguments(report: &Report, trial: &TrialView) -> Ordered {
    let completed = Completed::of(trial);
    let mut keys = Ordered::default();
    keys.put("model", json!(report.target.model));
    keys.put("url", json!(report.target.urls.join(",")));
    keys.put("api", json!(if report.target.simulated { "simulated" } else { "openai" }));
    keys.put("endpoint", json!(endpoint_of(report)));
    keys.put("dataset", json!(report.config.dataset.as_ref().map_or("random", |file| file.text())));
    keys.put("number", json!(trial.requests.planned));
    keys.put("parallel", json!(trial.load.concurrency.map_or(-1, i64::from)));
    keys.put("rate", or_unlimited(completed.rate_per_s()));
    keys.put("stream", json!(is_streamed(report)));
    keys.put("seed", json!(report.seed));
    keys.put("name", json!(report.label));
    keys
}

fn summary(report: &Report, trial: &TrialView) -> Ordered {
    let completed = Completed::of(trial);
    let (input, output) = (completed.input_tokens, completed.output_tokens);
    let requests = &trial.requests;
    let streamed = is_streamed(report);
    let mut keys = Ordered::default();
    keys.put("Test Duration (s)", json!(rounded(completed.window_s)));
    keys.put("Concurrency", json!(trial.load.concurrency.map_or(-1, i64::from)));
    keys.put("Request Rate (req/s)", or_unlimited(completed.rate_per_s()));
    keys.put("Total Requests", json!(requests.planned));
    keys.put("Success Requests", json!(requests.completed));
    keys.put("Failed Requests", json!(requests.planned - requests.completed));
    keys.put("Stream Requests", json!(if streamed { requests.planned } else { 0 }));
    keys.put("Non-Stream Requests", json!(if streamed { 0 } else { requests.planned }));
    put_known(&mut keys, "Req Throughput (req/s)", completed.per_s(requests.completed));
    put_known(&mut keys, "Avg Latency (s)", completed.mean(Metric::E2e, 1.0));
    put_known(&mut keys, "Avg Input Tokens", completed.mean(Metric::InputTokens, 1.0));
    put_known(&mut keys, "Output Throughput (tok/s)", completed.per_s(output));
    put_known(&mut keys, "Total Throughput (tok/s)", completed.per_s(input + output));
    put_known(&mut keys, "Input Throughput (tok/s)", completed.per_s(input));
    for (name, metric) in
        [("Avg TTFT (ms)", Metric::Ttft), ("Avg TPOT (ms)", Metric::Tpot), ("Avg ITL (ms)", Metric::Itl)]
    {
        put_known(&mut keys, name, completed.mean(metric, 1e3));
    }
    put_known(&mut keys, "Avg Output Tokens", completed.mean(Metric::OutputTokens, 1.0));
    keys
}

/// Puts a figure that is known. evalscope refuses a null, and takes 0 for a key that is not there.
fn put_known(keys: &mut Ordered, name: &'static str, value: Option<f64>) {
    if let Some(value) = value {
        keys.put(name, json!(rounded(value)));
    }
}

fn percentiles(trial: &TrialView) -> Vec<Ordered> {
    let completed = Completed::of(trial);
    let row = |(name, pick): (&str, Pick)| {
        let mut keys = Ordered::default();
        keys.put("Percentiles", json!(name));
        for (column, metric, factor) in [
            ("Latency (s)", Metric::E2e, 1.0),
            ("TTFT (ms)", Metric::Ttft, 1e3),
            ("ITL (ms)", Metric::Itl, 1e3),
            ("TPOT (ms)", Metric::Tpot, 1e3),
            ("Input tokens", Metric::InputTokens, 1.0),
            ("Output tokens", Metric::OutputTokens, 1.0),
            ("Decode (tok/s)", Metric::OutputSpeed, 1.0),
        ] {
            keys.put(column, json!(completed.stats(metric).and_then(pick).map(|value| rounded(value * factor))));
        }
        keys
    };
    PERCENTILES.into_iter().map(row).collect()
}
