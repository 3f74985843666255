//! Owns the judging of other tools' results as measured rates.

use crate::error::Refusal;
use crate::foreign::{ForeignLoad, ForeignResult};
use crate::metrics::{Limit, Objective, Objectives, Statistic};
use crate::sizing::Measured;
use crate::sizing::judged::{Standing, within};

/// The open loads of `result`, judged by `objectives`. Closed loops are skipped, because a slow service slows their
/// load down. The rate of a load is the rate of its completed requests: the service is known to carry that rate.
/// Refused if the result lacks a figure that an objective needs.
pub(crate) fn foreign_rows(result: &ForeignResult, objectives: &Objectives) -> Result<Vec<Measured>, Refusal> {
    let open = result.loads.iter().filter(|load| load.is_open());
    let with_rate = open.filter_map(|load| Some((load, load.requests_per_s.filter(|rate| *rate > 0.0)?)));
    let row = |(load, rate_per_s): (&ForeignLoad, f64)| {
        Ok(Measured {
            rate_per_s,
            standing: judged(objectives, load.error_rate().unwrap_or(0.0), |limit| figure_s(load, limit))?,
            output_tokens: load.output_tokens,
            good_share: None,
            process: load.process.clone(),
        })
    };
    with_rate.map(row).collect()
}

/// A latency statistic of the completed requests in seconds; `None` where the result does not hold it.
fn figure_s(load: &ForeignLoad, limit: &Limit) -> Option<f64> {
    let stats = load.latencies.get(&limit.metric)?;
    match limit.statistic {
        Statistic::Mean => stats.mean,
        Statistic::Max => stats.max,
        Statistic::Quantile(quantile) => stats.at(quantile.share()),
        Statistic::EachRequest => None,
    }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::foreign::{ForeignTool, foreign_result, tool_of};
    use crate::sizing::{Evidence, capacity_of_rows};

    fn rows(file: &Value, tool: ForeignTool, objectives: &str) -> Result<Vec<Measured>, Refusal> {
        assert_eq!(tool_of(file), Some(tool));
        foreign_rows(&foreign_result(tool, std::slice::from_ref(file)).unwrap(), &slo(objectives))
    }

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
            let found = rows(&vllm_result(failed), ForeignTool::Vllm, objectives).unwrap();
            assert_eq!(found[0].standing, standing, "{objectives} {failed}");
            assert_eq!((found[0].rate_per_s, found[0].process.as_deref()), (4.9, Some("gamma:2")));
            assert_eq!(found[0].output_tokens, Some(64.0));
        }
        assert!(rows(&vllm_result(0), ForeignTool::Vllm, "p95 ttft<80ms").is_err(), "the result holds no p95");
        let mut closed = vllm_result(0);
        closed["max_concurrency"] = json!(32);
        assert_eq!(rows(&closed, ForeignTool::Vllm, "p99 ttft<80ms").unwrap(), []);
        closed["request_rate"] = json!("inf");
        assert_eq!(rows(&closed, ForeignTool::Vllm, "p99 ttft<80ms").unwrap(), []);
        assert_eq!(tool_of(&json!({"benchmarks": 3})), None);
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
        let found = rows(&report, ForeignTool::GuideLlm, "p99 ttft<80ms, p99 e2e<=3s").unwrap();
        assert_eq!(found.len(), 3);
        let capacity = capacity_of_rows(&found, Evidence::Foreign(ForeignTool::GuideLlm)).unwrap();
        assert_eq!((capacity.rate_per_s.low().per_s(), capacity.output_tokens), (4.43, Some(128.0)));
        assert_eq!(capacity.process.as_deref(), Some("even"));
    }
}
