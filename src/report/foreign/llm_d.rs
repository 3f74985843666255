//! Owns the benchmark report of llm-d, version 0.2.1, from a result: one YAML file for each trial.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::figures::{MetricView, StatsView, TrialView};
use crate::metrics::Metric;
use crate::report::foreign::trial::{Completed, known};
use crate::report::shown::shown as without_escapes;
use crate::results::{Report, Setting};

/// The version of the format.
const VERSION: &str = "0.2.1";

/// The reports of llm-d: (name, YAML) of each trial of `report`, which is a stage there. Trials of one result share
/// `run.eid`. What the format does not know stands in `scenario.load.native.config` (every option in force) and in
/// `results.observability` (objectives, goodput, lateness of the generator). It has no `null`: what is not known is
/// left out.
pub(crate) fn render_llm_d(report: &Report) -> Result<Vec<(String, String)>, Error> {
    let report = &*without_escapes(report);
    let stage = |(stage, trial): (usize, &TrialView)| {
        let page = json!({
            "version": VERSION,
            "run": run(report, trial, stage),
            "scenario": scenario(report, trial, stage)?,
            "results": results(trial)?,
        });
        let text = serde_saphyr::to_string(&without_nulls(page))
            .map_err(|why| Error::Internal(format!("a report of llm-d cannot be written as YAML: {why}")))?;
        Ok((format!("benchmark_report_v{VERSION}_stage_{stage}.yaml"), text))
    };
    report.trials.iter().enumerate().map(stage).collect()
}

/// `value` without the keys whose value is `null`.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(keys) => {
            let kept = keys.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// A duration of ISO 8601: `PT49.9S`.
fn iso_duration(seconds: f64) -> String {
    format!("PT{seconds}S")
}

fn run(report: &Report, trial: &TrialView, stage: usize) -> Value {
    let origin: Option<Timestamp> = report.started.parse().ok();
    let at = |seconds: f64| {
        origin.and_then(|origin| origin.checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?).ok())
    };
    let length_s = trial.window.length_s();
    json!({
        "uid": format!("{}-{}-{stage}", report.started, report.plan_fingerprint),
        "eid": format!("{}-{}", report.started, report.plan_fingerprint),
        "time": {
            "start": at(trial.window.start.as_secs()).map(|at| at.to_string()),
            "end": at(trial.window.end.as_secs()).map(|at| at.to_string()),
            "duration": iso_duration(length_s),
        },
        "description": report.label,
    })
}

fn scenario(report: &Report, trial: &TrialView, stage: usize) -> Result<Value, Error> {
    let completed = Completed::of(trial);
    let config = serde_json::to_value(&report.config).map_err(|why| Error::Internal(why.to_string()))?;
    let lengths = |metric: Metric, asked: Option<&str>| {
        completed.stats(metric).and_then(|stats| {
            let is_fixed = asked.is_some_and(|text| text.parse::<u64>().is_ok());
            Some(json!({
                "distribution": if is_fixed { "fixed" } else { "other" },
                "value": stats.mean?,
                "std_dev": stats.std,
                "min": stats.min,
                "max": known(stats.max),
            }))
        })
    };
    let input = lengths(Metric::InputTokens, report.config.input_tokens.as_ref().map(Setting::text));
    let output = lengths(Metric::OutputTokens, report.config.output_tokens.as_ref().map(Setting::text));
    let most_turns = trial.turns.iter().map(|turn| turn.turn).max();
    Ok(json!({
        "stack": [{
            "metadata": {"schema_version": "0.0.1", "label": "service", "cfg_id": report.target.urls.join(",")},
            "standardized": {"kind": "generic", "tool": "unknown", "tool_version": "unknown"},
            "native": {"config": {"urls": report.target.urls, "model": report.target.model}},
        }],
        "load": {
            "metadata": {"schema_version": "0.0.1", "cfg_id": report.plan_fingerprint},
            "standardized": {
                "tool": report.tool.name,
                "tool_version": report.tool.version,
                "parallelism": 1,
                "source": if report.config.dataset.is_some() || report.config.replays() { "sampled" } else { "random" },
                "stage": stage,
                "input_seq_len": input.unwrap_or_else(|| json!({"distribution": "other", "value": 0})),
                "output_seq_len": output,
                "multi_turn": most_turns.map(|turns| json!({"enabled": true, "max_turns": turns})),
                "rate_qps": completed.rate_per_s(),
                "concurrency": trial.load.concurrency,
            },
            "native": {"args": {"command": report.command.join(" ")}, "config": config},
        },
    }))
}

/// Statistics in `units`, each value times `factor`; `None` without a mean, which the format demands.
fn statistics(stats: Option<&StatsView>, units: &str, factor: f64) -> Option<Value> {
    let stats = stats?;
    let times = |value: Option<f64>| value.map(|value| value * factor);
    Some(json!({
        "units": units,
        "mean": times(stats.mean)?,
        "stddev": times(stats.std),
        "min": times(stats.min),
        "p50": times(known(stats.p50)),
        "p75": times(known(stats.p75)),
        "p90": times(known(stats.p90)),
        "p95": times(known(stats.p95)),
        "p99": times(known(stats.p99)),
        "p99p9": times(known(stats.p999)),
        "max": times(known(stats.max)),
    }))
}

fn results(trial: &TrialView) -> Result<Value, Error> {
    let completed = Completed::of(trial);
    let requests = &trial.requests;
    let failures = requests.failed + requests.timed_out;
    let rate = |value: Option<f64>, units: &str| value.map(|mean| json!({"units": units, "mean": mean}));
    let latency = |metric: Metric, units: &str| statistics(completed.stats(metric), units, 1.0);
    let value =
        |serialised: Result<Value, serde_json::Error>| serialised.map_err(|why| Error::Internal(why.to_string()));
    Ok(json!({
        "request_performance": {"aggregate": {
            "requests": {
                "total": requests.planned,
                "failures": failures,
                "incomplete": requests.planned - requests.completed - failures,
                "input_length": statistics(completed.stats(Metric::InputTokens), "count", 1.0),
                "output_length": statistics(completed.stats(Metric::OutputTokens), "count", 1.0),
            },
            "latency": {
                "time_to_first_token": latency(Metric::Ttft, "s"),
                "time_per_output_token": latency(Metric::Tpot, "s/token"),
                "normalized_time_per_output_token": latency(Metric::Ntpot, "s/token"),
                "inter_token_latency": latency(Metric::Itl, "s/token"),
                "request_latency": latency(Metric::E2e, "s"),
            },
            "throughput": {
                "input_token_rate": rate(completed.per_s(completed.input_tokens), "tokens/s"),
                "output_token_rate": rate(completed.per_s(completed.output_tokens), "tokens/s"),
                "total_token_rate":
                    rate(completed.per_s(completed.input_tokens + completed.output_tokens), "tokens/s"),
                "request_rate": rate(completed.per_s(requests.completed), "queries/s"),
            },
        }},
        "observability": {"tonnage": {
            "load": value(serde_json::to_value(&trial.load))?,
            "rates": value(serde_json::to_value(trial.rates))?,
            "objectives": value(serde_json::to_value(&trial.slo))?,
            "verdict": value(serde_json::to_value(&trial.verdict))?,
            "send_lag": statistics(trial.metrics.get(&Metric::SendLag).map(MetricView::headline), "s", 1.0),
        }},
    }))
}
