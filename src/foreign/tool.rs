//! Owns `ForeignResult`: what the file of another load generator says, in our units and under our names.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::metrics::Metric;

/// A load generator whose files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ForeignTool {
    Vllm,
    Sglang,
    #[serde(rename = "guidellm")]
    GuideLlm,
    Evalscope,
    Aiperf,
}

impl fmt::Display for ForeignTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vllm => "vllm bench serve",
            Self::Sglang => "sglang.bench_serving",
            Self::GuideLlm => "GuideLLM",
            Self::Evalscope => "evalscope perf",
            Self::Aiperf => "AIPerf",
        })
    }
}

/// Shown where a file does not name its model.
pub(crate) const UNKNOWN_MODEL: &str = "unknown model";

/// The result of another tool. Times are in seconds. What the file does not say is absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ForeignResult {
    /// The tool that wrote the file.
    pub tool: ForeignTool,
    /// The model, where the file names it.
    pub model: Option<String>,
    /// The base URL of the target.
    pub target: Option<String>,
    /// When the run began, in the words of the file.
    pub started: Option<String>,
    /// One for each load, in the order of the file.
    pub loads: Vec<ForeignLoad>,
}

impl ForeignResult {
    /// Adds the loads of another file of the same result.
    pub(crate) fn add(&mut self, other: Self) {
        self.model = self.model.take().or(other.model);
        self.target = self.target.take().or(other.target);
        self.loads.extend(other.loads);
    }

    /// Sorts the loads by increasing rate and concurrency; those without a rate come last.
    pub(crate) fn sort(&mut self) {
        let order = |load: &ForeignLoad| [load.rate_per_s, load.concurrency].map(|value| value.unwrap_or(f64::MAX));
        self.loads.sort_by(|one, other| {
            let ([rate, most], [other_rate, other_most]) = (order(one), order(other));
            rate.total_cmp(&other_rate).then(most.total_cmp(&other_most))
        });
    }
}

/// One load of another tool.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(crate) struct ForeignLoad {
    /// The asked rate in requests per second; absent where completions released the requests.
    pub rate_per_s: Option<f64>,
    /// The cap on requests in flight.
    pub concurrency: Option<f64>,
    /// Whether the file says that requests were sent as fast as possible.
    pub unpaced: bool,
    /// The law of the gaps, as the option process has it, where the tool says it.
    pub process: Option<String>,
    /// Length of the measured window in seconds.
    pub window_s: Option<f64>,
    /// Requests that completed.
    pub completed: Option<f64>,
    /// Requests that failed, or were cut off.
    pub failed: Option<f64>,
    /// Completed requests per second.
    pub requests_per_s: Option<f64>,
    /// Output tokens per second.
    pub output_tokens_per_s: Option<f64>,
    /// Requests per second that met the objectives of that tool.
    pub good_per_s: Option<f64>,
    /// Mean input tokens of a completed request.
    pub input_tokens: Option<f64>,
    /// Mean output tokens of a completed request.
    pub output_tokens: Option<f64>,
    /// Latencies of the completed requests, counted from the send.
    pub latencies: BTreeMap<Metric, ForeignStats>,
}

/// A latency of one load of another tool, in seconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(crate) struct ForeignStats {
    /// The mean.
    pub mean: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// (share, value): (0.99, 0.25) says that p99 is 250 ms. By increasing share.
    pub quantiles: Vec<(f64, f64)>,
}

impl ForeignStats {
    /// The value at `share`; `None` where the file does not hold this quantile.
    pub(crate) fn at(&self, share: f64) -> Option<f64> {
        self.quantiles.iter().find(|(of, _)| libm::fabs(of - share) < 1e-9).map(|(_, value)| *value)
    }
}

impl ForeignLoad {
    /// The load in a few words.
    pub(crate) fn label(&self) -> String {
        match (self.rate_per_s, self.concurrency) {
            (Some(per_s), Some(most)) => format!("{} with at most {most} in flight", crate::units::per_second(per_s)),
            (Some(per_s), None) => crate::units::per_second(per_s),
            (None, Some(most)) => format!("closed loop of {most}"),
            (None, None) if self.unpaced => "as fast as possible".to_owned(),
            (None, None) => "a load that the file does not state".to_owned(),
        }
    }

    /// Whether the arrivals did not wait for answers: a rate, and no cap on requests in flight.
    pub(crate) const fn is_open(&self) -> bool {
        self.rate_per_s.is_some() && self.concurrency.is_none()
    }

    /// Failed ÷ all requests.
    pub(crate) fn error_rate(&self) -> Option<f64> {
        let (completed, failed) = (self.completed?, self.failed?);
        (completed + failed > 0.0).then(|| failed / (completed + failed))
    }
}
