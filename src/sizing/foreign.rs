//! Owns the reading of other tools' results as measured rates: the JSON of vLLM's `bench serve`, and `GuideLLM`'s
//! report.

use serde_json::Value;

use crate::error::Refusal;
use crate::metrics::{Limit, Metric, Objective, Objectives, Statistic};
use crate::sizing::judged::{Standing, within};
use crate::sizing::{Evidence, Measured};

/// Another tool's result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Foreign {
    /// The tool that wrote the result.
    pub evidence: Evidence,
    /// The open loads of the result.
    pub rows: Vec<Measured>,
    /// The model, if known.
    pub model: Option<String>,
}

/// Reads `value` as a result of vLLM or `GuideLLM`, judged by `objectives`; `None` if it is neither. Closed loops are
/// skipped, because a slow service slows their load down. The rate of a load is the rate of its completed requests: the
/// service is known to carry that rate. Refused if the result lacks a figure that an objective needs.
pub(crate) fn foreign_rows(value: &Value, objectives: &Objectives) -> Result<Option<Foreign>, Refusal> {
    if let Some(benchmarks) = value.get("benchmarks").and_then(Value::as_array)
        && value.get("metadata").is_some()
    {
        let rows = benchmarks.iter().filter_map(|benchmark| guidellm(benchmark, objectives).transpose());
        return Ok(Some(Foreign { evidence: Evidence::Guidellm, rows: rows.collect::<Result<_, _>>()?, model: None }));
    }
    if value.get("request_throughput").is_some() && value.get("request_rate").is_some() {
        let rows = vllm(value, objectives)?.into_iter().collect();
        let model = value.get("model_id").and_then(Value::as_str).map(str::to_owned);
        return Ok(Some(Foreign { evidence: Evidence::Vllm, rows, model }));
    }
    Ok(None)
}

fn number(value: &Value, path: &str) -> Option<f64> {
    value.pointer(path).and_then(Value::as_f64)
}

/// The standing of one load under all objectives. `figure_s` returns a latency statistic of the completed requests, in
/// seconds; `lost` is the share of requests that did not complete.
fn judged(objectives: &Objectives, lost: f64, figure_s: impl Fn(&Limit) -> Option<f64>) -> Result<Standing, Refusal> {
    let mut standing = Standing::Met;
    for (place, item) in objectives.items().iter().enumerate() {
        let refuse = || {
            Refusal::new(
                format!("`{}` cannot be judged from this result", objectives.text(place)),
                "accepted is a quantile or mean that the result holds (vLLM writes p99 of ttft, tpot and e2el with \
                 percentile-metrics), or error_rate",
            )
        };
        standing = standing.and(match item {
            _ if objectives.class_of(place).is_some() => return Err(refuse()),
            Objective::ErrorRate(most) => Standing::of(lost <= most.share()),
            Objective::Latency(limit) => {
                let observed = Standing::of(within(figure_s(limit).ok_or_else(refuse)?, limit));
                match limit.statistic {
                    // The quantile of the completed requests is only a lower bound of the quantile of all requests.
                    Statistic::Quantile(quantile) if lost > 1.0 - quantile.share() => Standing::Missed,
                    _ if lost > 0.0 && observed == Standing::Met => Standing::Open,
                    _ => observed,
                }
            }
            Objective::Attainment(_) | Objective::Goodput(_) => return Err(refuse()),
        });
    }
    Ok(standing)
}

/// The load of a vLLM result; `None` if it has no rate or its concurrency is bounded.
fn vllm(value: &Value, objectives: &Objectives) -> Result<Option<Measured>, Refusal> {
    let open = number(value, "/request_rate").is_some() && value.get("max_concurrency").is_none_or(Value::is_null);
    let Some(rate_per_s) = number(value, "/request_throughput").filter(|rate| open && *rate > 0.0) else {
        return Ok(None);
    };
    let (completed, failed) = (number(value, "/completed").unwrap_or(0.0), number(value, "/failed").unwrap_or(0.0));
    let standing = judged(objectives, failed / (completed + failed).max(1.0), |limit| {
        let name = match limit.metric {
            Metric::Ttft => "ttft",
            Metric::Tpot => "tpot",
            Metric::Itl => "itl",
            Metric::E2e => "e2el",
            _ => return None,
        };
        let key = match limit.statistic {
            Statistic::Mean => format!("/mean_{name}_ms"),
            Statistic::Quantile(quantile) => {
                let percent = libm::round(quantile.share() * 1e5) / 1e3;
                let saved = number(value, &format!("/p{percent}_{name}_ms"));
                return saved
                    .or_else(|| number(value, &format!("/median_{name}_ms")).filter(|_| (percent - 50.0).abs() < 1e-9))
                    .map(|ms| ms / 1e3);
            }
            Statistic::Max | Statistic::EachRequest => return None,
        };
        number(value, &key).map(|ms| ms / 1e3)
    })?;
    let shape = number(value, "/burstiness").filter(|shape| *shape > 0.0);
    Ok(Some(Measured {
        rate_per_s,
        standing,
        output_tokens: number(value, "/total_output_tokens").filter(|_| completed > 0.0).map(|sum| sum / completed),
        good_share: None,
        // Gamma gaps of this shape: CV = 1 ÷ √shape.
        process: shape.map(|shape| {
            if (shape - 1.0).abs() < 1e-9 { "poisson".to_owned() } else { format!("gamma:{}", 1.0 / libm::sqrt(shape)) }
        }),
    }))
}

/// A load of a `GuideLLM` report; `None` for a closed loop. `GuideLLM` calls the latency per token after the first
/// inter-token latency.
fn guidellm(value: &Value, objectives: &Objectives) -> Result<Option<Measured>, Refusal> {
    let kind = value.pointer("/config/strategy/type_").and_then(Value::as_str);
    let Some(kind) = kind.filter(|kind| matches!(*kind, "constant" | "poisson" | "async")) else { return Ok(None) };
    let Some(rate_per_s) = number(value, "/metrics/requests_per_second/successful/mean").filter(|rate| *rate > 0.0)
    else {
        return Ok(None);
    };
    let made = |what: &str| number(value, &format!("/metrics/request_totals/{what}")).unwrap_or(0.0);
    let (completed, failed) = (made("successful"), made("errored"));
    let standing = judged(objectives, failed / (completed + failed).max(1.0), |limit| {
        let (name, scale) = match limit.metric {
            Metric::Ttft => ("time_to_first_token_ms", 1e-3),
            Metric::Ttfo => ("time_to_first_output_token_ms", 1e-3),
            Metric::Tpot => ("inter_token_latency_ms", 1e-3),
            Metric::Ntpot => ("time_per_output_token_ms", 1e-3),
            Metric::E2e => ("request_latency", 1.0),
            _ => return None,
        };
        let at = |what: &str| number(value, &format!("/metrics/{name}/successful/{what}")).map(|value| value * scale);
        match limit.statistic {
            Statistic::Mean => at("mean"),
            Statistic::Max => at("max"),
            Statistic::Quantile(quantile) => {
                let shares = [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];
                let (key, _) = shares.into_iter().find(|(_, share)| (share - quantile.share()).abs() < 1e-9)?;
                at(&format!("percentiles/{key}"))
            }
            Statistic::EachRequest => None,
        }
    })?;
    Ok(Some(Measured {
        rate_per_s,
        standing,
        output_tokens: number(value, "/metrics/output_token_count/successful/mean"),
        good_share: None,
        process: Some(if kind == "poisson" { "poisson" } else { "even" }.to_owned()),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sizing::capacity_of_rows;

    fn slo(text: &str) -> Objectives {
        Objectives::parse(&[text], None, None).unwrap()
    }

    fn vllm_result(failed: u32) -> Value {
        json!({"backend": "openai-chat", "model_id": "m", "num_prompts": 1000, "request_rate": 5.0,
            "burstiness": 0.25, "max_concurrency": null,
            "completed": 1000 - failed, "failed": failed, "total_output_tokens": 64 * (1000 - failed),
                "request_throughput": 4.9,
            "mean_ttft_ms": 40.0, "median_ttft_ms": 35.0, "p99_ttft_ms": 75.3, "p99_tpot_ms": 21.0})
    }

    #[test]
    fn a_result_of_vllm_is_one_rate() {
        for (objectives, failed, standing) in [
            ("p99 ttft<80ms", 0, Standing::Met),
            ("p99 ttft<80ms, p99 tpot<=20ms", 0, Standing::Missed),
            ("p50 ttft<=35ms", 0, Standing::Met),
            ("mean ttft<=39ms", 0, Standing::Missed),
            ("p99 ttft<80ms", 5, Standing::Open),
            ("p99 ttft<80ms", 11, Standing::Missed),
            ("error_rate<=1%", 5, Standing::Met),
        ] {
            let found = foreign_rows(&vllm_result(failed), &slo(objectives)).unwrap().unwrap();
            assert_eq!((found.evidence, found.rows[0].standing), (Evidence::Vllm, standing), "{objectives} {failed}");
            assert_eq!((found.rows[0].rate_per_s, found.rows[0].process.as_deref()), (4.9, Some("gamma:2")));
            assert_eq!(found.rows[0].output_tokens, Some(64.0));
        }
        assert!(foreign_rows(&vllm_result(0), &slo("p95 ttft<80ms")).is_err(), "the result holds no p95");
        let mut closed = vllm_result(0);
        closed["max_concurrency"] = json!(32);
        assert_eq!(foreign_rows(&closed, &slo("p99 ttft<80ms")).unwrap().unwrap().rows, []);
        closed["request_rate"] = json!("inf");
        assert_eq!(foreign_rows(&closed, &slo("p99 ttft<80ms")).unwrap().unwrap().rows, []);
        assert_eq!(foreign_rows(&json!({"benchmarks": 3}), &slo("p99 ttft<80ms")), Ok(None));
    }

    #[test]
    fn a_sweep_of_guidellm_is_its_open_loads() {
        let load = |kind: &str, rate: f64, p99_ms: f64| {
            json!({"config": {"strategy": {"type_": kind}}, "metrics": {
                "request_totals": {"successful": 300, "errored": 0, "incomplete": 2, "total": 302},
                "requests_per_second": {"successful": {"mean": rate}},
                "output_token_count": {"successful": {"mean": 128.0}},
                "time_to_first_token_ms": {"successful": {"mean": 20.0, "percentiles": {"p50": 19.0, "p99": p99_ms}}},
                "request_latency": {"successful": {"percentiles": {"p99": 2.5}}}}})
        };
        let loads = [
            load("synchronous", 1.04, 25.5),
            load("throughput", 9.0, 12.0),
            load("constant", 3.89, 71.1),
            load("constant", 4.43, 75.3),
            load("constant", 4.98, 90.7),
        ];
        let report = json!({"metadata": {"version": 2}, "benchmarks": loads});
        let found = foreign_rows(&report, &slo("p99 ttft<80ms, p99 e2e<=3s")).unwrap().unwrap();
        assert_eq!((found.evidence, found.rows.len()), (Evidence::Guidellm, 3));
        let capacity = capacity_of_rows(&found.rows, found.evidence).unwrap();
        assert_eq!((capacity.rate_per_s.low().per_s(), capacity.output_tokens), (4.43, Some(128.0)));
        assert_eq!(capacity.process.as_deref(), Some("even"));
    }
}
