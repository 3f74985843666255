//! Owns the output of lework/llm-benchmark from a result: its JSON, one object a load, and its lines.
//!
//! Its speed counts the whole answer: output tokens ÷ end-to-end latency. Percentiles of that speed are of the slow
//! side: `p99` is the speed that 99 % of the answers reach.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::error::Error;
use crate::figures::{StatsView, TrialView};
use crate::metrics::Metric;
use crate::report::foreign::trial::{Completed, Ordered, Pick, date_of, known};
use crate::report::shown::shown as without_escapes;
use crate::results::{Report, Setting};

/// The file that `run_benchmarks.py` would write: (name, JSON), a list with an object for each load of `report`.
pub(crate) fn render_lework(report: &Report) -> Result<(String, String), Error> {
    let report = &*without_escapes(report);
    let stages: Vec<Ordered> = report.trials.iter().map(|trial| keys_of(report, trial)).collect();
    let text = serde_json::to_string_pretty(&stages).map_err(|why| Error::Internal(why.to_string()))?;
    Ok((format!("benchmark_results_{}.json", date_of(report).replace('-', "_")), text + "\n"))
}

/// The figures of [`render_lework`] as `key: value`, one a line, with an empty line between loads.
#[must_use]
pub(crate) fn render_lework_line(report: &Report) -> String {
    let report = &*without_escapes(report);
    let blocks = report.trials.iter().map(|trial| {
        let mut text = String::new();
        for (key, value) in keys_of(report, trial).pairs() {
            match value {
                Value::Object(inside) => {
                    for (name, value) in inside {
                        _ = writeln!(text, "{key}_{name}: {}", plain(value));
                    }
                }
                value => _ = writeln!(text, "{key}: {}", plain(value)),
            }
        }
        text
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// A value without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn keys_of(report: &Report, trial: &TrialView) -> Ordered {
    let completed = Completed::of(trial);
    let config = &report.config;
    let whole = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
    let is_long = config.dataset_format.as_ref().is_some_and(|format| format.text() == "pairs");
    let mut keys = Ordered::default();
    keys.put("total_requests", json!(trial.requests.planned));
    keys.put("successful_requests", json!(trial.requests.completed));
    keys.put("concurrency", json!(trial.load.concurrency));
    keys.put("request_timeout", json!(config.timeout.as_ref().map(|timeout| timeout.value().0.as_secs_f64())));
    keys.put("max_output_tokens", json!(whole(config.output_tokens.as_ref().map(Setting::text))));
    keys.put("use_long_context", json!(is_long));
    keys.put("model", json!(report.target.model));
    keys.put("total_time", json!(completed.window_s));
    keys.put("requests_per_second", json!(completed.per_s(trial.requests.completed)));
    keys.put("total_output_tokens", json!(completed.output_tokens));
    keys.put("latency", slow(completed.stats(Metric::E2e)));
    keys.put("tokens_per_second", speed(completed.stats(Metric::Ntpot)));
    keys.put("time_to_first_token", slow(completed.stats(Metric::Ttft)));
    keys
}

/// Seconds: the mean and three quantiles.
fn slow(stats: Option<&StatsView>) -> Value {
    figures(stats, Some)
}

/// Tokens per second of the whole answer, from the seconds per token of the whole answer. A quantile of a reciprocal is
/// the reciprocal of the opposite quantile; the mean is the reciprocal of the mean seconds per token.
fn speed(stats: Option<&StatsView>) -> Value {
    figures(stats, |seconds| (seconds > 0.0).then(|| seconds.recip()))
}

/// The mean and three quantiles, each as `shown`.
fn figures(stats: Option<&StatsView>, shown: impl Fn(f64) -> Option<f64>) -> Value {
    let at = |pick: Pick| stats.and_then(pick).and_then(&shown);
    json!({
        "average": at(|stats| stats.mean),
        "p50": at(|stats| known(stats.p50)),
        "p95": at(|stats| known(stats.p95)),
        "p99": at(|stats| known(stats.p99)),
    })
}
