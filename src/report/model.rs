//! Owns `Report`, what a result says: `result.json` is this, serialised (`cli.md`, "keys others rely on").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::metrics::{Counts, Ended};
use crate::record::Origin;
use crate::units::{Offset, Window};

/// The schema this version writes.
pub const SCHEMA: u32 = 1;

/// A result. Times are seconds, shares are 0 to 1; what is undefined is `null`, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What made it.
    pub tool: Tool,
    /// When the run's origin was, RFC 3339.
    pub started: String,
    /// Where it ran.
    pub host: Host,
    /// The command line, secrets replaced.
    pub command: Vec<String>,
    /// Every option in force, secrets replaced; what `config.yaml` holds.
    pub config: Map<String, Value>,
    /// The seed.
    pub seed: u64,
    /// Hash of instants, lengths, classes and sessions.
    pub plan_fingerprint: String,
    /// Hash of the bytes sent; none where nothing was encoded.
    pub body_fingerprint: Option<String>,
    /// Who was asked.
    pub target: Target,
    /// The user's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The user's facts about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// How tokens of the prompts were counted before they were sent.
    pub token_estimate: String,
    /// What the run announced: everything it did that was not asked for in so many words.
    pub notes: Vec<String>,
    /// One for each load played.
    pub trials: Vec<TrialReport>,
}

/// The tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `tonnage`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The commit it was built from, where known.
    pub git: Option<String>,
}

/// The machine that generated the load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Operating system and architecture.
    pub system: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Threads that sent.
    pub workers: usize,
}

/// Who was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Base URLs.
    pub urls: Vec<String>,
    /// Models, comma-separated.
    pub model: String,
    /// Whether it was a simulated server, whose figures say nothing about any machine.
    pub simulated: bool,
}

/// One load and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialReport {
    /// Its name.
    pub label: String,
    /// What was asked for.
    pub load: LoadReport,
    /// The measured window, cut short when the run was.
    pub window: Window,
    /// When the last request was issued.
    pub load_end_s: Offset,
    /// When the last request settled, or was let go.
    pub drain_end_s: Offset,
    /// How the issuing ended.
    pub ended: Ended,
    /// The cohort: everything scheduled inside the window.
    pub requests: Counts,
    /// Everything, warm-up and cool-down included.
    pub run_totals: Counts,
    /// Completed requests of the cohort with another number of output tokens than asked for.
    pub length_mismatch: u64,
    /// Completed requests of the cohort without the server's token counts: their output tokens are events.
    pub usage_missing: u64,
    /// Counts of the cohort ÷ window.
    pub rates: Rates,
    /// What arrived inside the window ÷ window.
    pub throughput: Throughput,
    /// Requests in flight.
    pub concurrency: ConcurrencyReport,
    /// Metrics by key.
    pub metrics: BTreeMap<String, MetricReport>,
    /// Objectives; none where none were given.
    pub slo: Option<SloReport>,
    /// How well the generator did, and what to know when reading the figures.
    pub health: HealthReport,
    /// What follows.
    pub verdict: VerdictReport,
    /// HDR V2 histograms, base64, by metric.
    pub histograms: BTreeMap<String, String>,
}

/// The kinds of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// Planned instants.
    Open,
    /// Released by completions.
    Closed,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// Open or closed.
    pub kind: LoadKind,
    /// What set the instants.
    pub origin: Origin,
    /// Requests per second; none for a closed loop.
    pub rate_per_s: Option<f64>,
    /// The arrival process; none for a closed loop.
    pub process: Option<String>,
    /// Requests in flight of a closed loop.
    pub concurrency: Option<u32>,
    /// A provider's limit the plan kept to.
    pub quota: Option<String>,
    /// Requests taken out of the plan for it.
    pub quota_removed: u64,
}

/// Cohort rates, requests per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Planned.
    pub offered_per_s: f64,
    /// Sent.
    pub sent_per_s: f64,
    /// Completed.
    pub completed_per_s: f64,
    /// Completed within every per-request limit; none without one.
    pub good_per_s: Option<f64>,
}

/// Arrivals inside the window, per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// Completions.
    pub requests_per_s: f64,
    /// Input tokens, counted at the first output token.
    pub input_tokens_per_s: f64,
    /// Output tokens.
    pub output_tokens_per_s: f64,
    /// Both.
    pub total_tokens_per_s: f64,
    /// Output tokens of good requests; none without per-request limits.
    pub good_output_tokens_per_s: Option<f64>,
}

/// Requests in flight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConcurrencyReport {
    /// Time average over the window; none for an empty window.
    pub mean: Option<f64>,
    /// The most at any instant of the run.
    pub peak: u64,
    /// ∫ in flight dt over the run, request-seconds.
    pub integral_s: f64,
}

/// A figure as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Figure {
    /// Known.
    Is(f64),
    /// Among requests that failed or were cut off: larger than this.
    Above {
        /// What is known of it.
        above: f64,
    },
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MetricReport {
    /// `s`, `tokens` or `tokens/s`.
    pub unit: String,
    /// From the planned instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<Statistics>,
    /// From the send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Statistics>,
    /// Of a metric that has no origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Statistics>,
    /// Over completed requests only: what survived, shown beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_only: Option<Statistics>,
}

/// A metric over the cohort.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Statistics {
    /// Values that were seen.
    pub count: u64,
    /// Mean of the values seen.
    pub mean: Option<f64>,
    /// Standard deviation of the values seen.
    pub std: Option<f64>,
    /// Smallest.
    pub min: Option<f64>,
    /// Median.
    pub p50: Option<Figure>,
    /// 75 %.
    pub p75: Option<Figure>,
    /// 90 %.
    pub p90: Option<Figure>,
    /// 95 %.
    pub p95: Option<Figure>,
    /// 99 %.
    pub p99: Option<Figure>,
    /// 99.9 %.
    pub p999: Option<Figure>,
    /// Largest.
    pub max: Option<Figure>,
    /// 95 % interval of p99; withheld where the data cannot give one.
    pub p99_ci95: Option<[Figure; 2]>,
}

/// The objectives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SloReport {
    /// One row each.
    pub objectives: Vec<ObjectiveReport>,
    /// Share of the offered requests that were good; none without per-request limits.
    pub attainment: Option<f64>,
    /// Good requests per second; none without per-request limits.
    pub goodput_per_s: Option<f64>,
}

/// One objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveReport {
    /// As it was asked.
    pub text: String,
    /// Unit of `observed` and `limit`: `s`, `share` or `/s`.
    pub unit: String,
    /// What was seen.
    pub observed: Option<Figure>,
    /// What was allowed.
    pub limit: f64,
    /// Requests that missed.
    pub misses: u64,
    /// Requests that it was decided on.
    pub decided: u64,
    /// Requests for which it is undefined.
    pub undefined: u64,
    /// Requests cut off before it was known; counted either way.
    pub undecided: u64,
    /// Variance of the misses over that of independent ones; none where the data cannot give it.
    pub overdispersion: Option<f64>,
    /// 95 % interval of what is decided on.
    pub interval95: Option<[Figure; 2]>,
    /// Met, failed, or `null` for inconclusive.
    pub met: Option<bool>,
    /// Requests still needed, where inconclusive and known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
}

/// How well the generator did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    /// Whether it sent what was planned when it was planned.
    pub healthy: bool,
    /// 99 % of sends were at most this late.
    pub send_lag_p99_s: Option<f64>,
    /// What to know, each ending in advice.
    pub warnings: Vec<String>,
}

/// The four verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// No objective.
    None,
    /// Every objective met.
    Pass,
    /// At least one refuted.
    Fail,
    /// Neither.
    Inconclusive,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictReport {
    /// The verdict.
    pub result: Judgement,
    /// Why, and what to do next.
    pub reasons: Vec<String>,
}
