//! Owns the trial as it stands in `trials[]` of `result.json`, both written and read.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

use crate::figures::turns::{SessionsView, TurnView};
use crate::figures::worded::{HealthView, ObjectiveView, VerdictView};
use crate::metrics::{
    BlockPoint, Counts, Direction, Distribution, Ended, FailureGroup, Judgement, Known, LoadFacts, LoadOrigin, Lost,
    Metric, OriginOf, Recovery, RequestPoint, SamplePoint, State, Summary, TokensView, quantile_intervals95,
};
use crate::play::Trial;
use crate::telemetry::ServerView;
use crate::units::Window;

/// One trial of `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialView {
    /// Name of the trial.
    pub label: String,
    /// The load.
    pub load: LoadFacts,
    /// The measured window.
    pub window: Window,
    /// How the issuing ended.
    pub ended: Ended,
    /// When the drain ended, in seconds from the origin.
    pub drain_end_s: f64,
    /// The requests of the cohort by outcome.
    pub requests: Counts,
    /// All requests by outcome.
    pub run_totals: Counts,
    /// The texts of the most frequent failures, the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureGroup>,
    /// Present where the target was lost for good during the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// The cohort by the origin of the instants; absent unless both the plan and completions set instants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<Origins>,
    /// Counts of the cohort ÷ length of the window.
    pub rates: Rates,
    /// Completions and tokens that arrived in the window ÷ length of the window.
    pub throughput: Throughput,
    /// Requests in flight.
    pub concurrency: ConcurrencyView,
    /// Tokens asked for, counted by `--tokenizer` and reported by the server, side by side.
    #[serde(default)]
    pub tokens: TokensView,
    /// What servers and host said about themselves; absent where nobody asked them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerView>,
    /// The metrics by key.
    pub metrics: BTreeMap<Metric, MetricView>,
    /// The classes of a mix, by name; empty without a mix.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, ClassView>,
    /// How the sessions of the run ended; absent without sessions whose later turns wait for answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionsView>,
    /// The requests of the cohort by their turn in a session; empty without such sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<TurnView>,
    /// The objectives.
    pub slo: SloView,
    /// After each step of the rate: how long until each objective holds again. Empty without steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<Recovery>,
    /// The generator's health.
    pub health: HealthView,
    /// The verdict.
    pub verdict: VerdictView,
    /// The run second by second (coarser in long runs).
    pub samples: Vec<SamplePoint>,
    /// Quantiles of the cohort over scheduled time.
    pub blocks: Vec<BlockPoint>,
    /// Histograms of the observed values, `HdrHistogram` V2 in base64: microseconds, thousandths of tokens per second,
    /// or tokens.
    pub histograms: BTreeMap<Metric, String>,
    /// Histograms of the lengths that were asked for, encoded like `histograms`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub asked_histograms: BTreeMap<Metric, String>,
    /// Some requests of the cohort with their instants, in the order of the plan: at most 48 drawn at random, and at
    /// most 12 more of those that failed, timed out or were shed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sampled: Vec<RequestPoint>,
}

/// The requests of one class of a mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassView {
    /// The requests of the cohort by outcome.
    pub requests: Counts,
    /// Counts of the cohort ÷ length of the window.
    pub rates: Rates,
    /// Completions and tokens that arrived in the window ÷ length of the window.
    pub throughput: Throughput,
    /// Tokens asked for, counted by `--tokenizer` and reported by the server, side by side.
    pub tokens: TokensView,
    /// The metrics by key.
    pub metrics: BTreeMap<Metric, MetricView>,
    /// Good requests ÷ planned requests, by the limits that apply to the class; absent with an empty cohort.
    pub attainment: Option<f64>,
    /// Histograms of ttft, tpot and e2e, encoded as those of the trial.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub histograms: BTreeMap<Metric, String>,
}

/// Requests by the origin of their instants. The other requests are skipped turns, which have no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    /// Requests with a planned instant.
    pub planned: u64,
    /// Requests released by a completion.
    pub released: u64,
}

/// Requests per second of the window; absent with an empty window.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Planned requests per second. Absent for a closed loop, which has no planned rate. Released turns are not
    /// included.
    pub offered_per_s: Option<f64>,
    /// Sent requests per second.
    pub sent_per_s: Option<f64>,
    /// Completed requests per second.
    pub completed_per_s: Option<f64>,
    /// Good requests per second.
    pub good_per_s: Option<f64>,
}

/// Completions and tokens that arrived inside the window, per second; absent with an empty window.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Throughput {
    /// Completed requests per second.
    pub requests_per_s: Option<f64>,
    /// Items of completed batches per second (embeddings, rerank, score); absent for other endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items_per_s: Option<f64>,
    /// Input tokens per second; the input tokens of a request count at its first token.
    pub input_tokens_per_s: Option<f64>,
    /// Output tokens per second.
    pub output_tokens_per_s: Option<f64>,
    /// Input and output tokens per second.
    pub total_tokens_per_s: Option<f64>,
    /// Output tokens of good requests per second.
    pub good_output_tokens_per_s: Option<f64>,
}

/// Requests in flight.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ConcurrencyView {
    /// Time average of the requests in flight over the window; absent with an empty window.
    pub mean: Option<f64>,
    /// The most requests in flight at any instant of the run; absent when read again from records alone.
    pub peak: Option<u64>,
}

/// Statistics of one metric: `scheduled` and `service` where it has two origins, else `value`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricView {
    /// The unit of the statistics: `s`, `tokens/s` or `tokens`.
    pub unit: String,
    /// Statistics counted from the planned instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<StatsView>,
    /// Statistics counted from the send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<StatsView>,
    /// Statistics of a metric with only one origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<StatsView>,
    /// Statistics over completed requests only, counted from the planned instant.
    pub completed_only: StatsView,
}

impl MetricView {
    /// The headline statistics: from the planned instant, or those of the only origin.
    #[must_use]
    pub fn headline(&self) -> &StatsView {
        self.scheduled.as_ref().or(self.value.as_ref()).unwrap_or(&self.completed_only)
    }
}

/// Statistics of one metric from one origin. Quantiles also rank missed and censored values; an undefined value is
/// `null`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StatsView {
    /// Number of observed values.
    pub count: u64,
    /// Requests that missed the metric (ranked as +∞, or as 0 where higher is better).
    pub missed: u64,
    /// Requests cut off before their value was known.
    pub censored: u64,
    /// Mean over the observed values.
    pub mean: Option<f64>,
    /// Standard deviation over the observed values (n − 1).
    pub std: Option<f64>,
    /// Smallest observed value.
    pub min: Option<f64>,
    /// 1st percentile: the bad tail of a metric where higher is better. Absent for other metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p1: Option<Known>,
    /// 10th percentile: the bad tail of a metric where higher is better. Absent for other metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p10: Option<Known>,
    /// Median.
    pub p50: Option<Known>,
    /// 75th percentile.
    pub p75: Option<Known>,
    /// 90th percentile.
    pub p90: Option<Known>,
    /// 95th percentile.
    pub p95: Option<Known>,
    /// 99th percentile.
    pub p99: Option<Known>,
    /// 99.9th percentile.
    pub p999: Option<Known>,
    /// Largest value.
    pub max: Option<Known>,
    /// 95 % interval of the median; `null` where withheld.
    pub p50_ci95: Option<[f64; 2]>,
    /// 95 % interval of p90; `null` where withheld.
    pub p90_ci95: Option<[f64; 2]>,
    /// 95 % interval of p99; `null` where withheld: more requests are needed.
    pub p99_ci95: Option<[f64; 2]>,
}

impl StatsView {
    fn of(distribution: &Distribution) -> Self {
        let ranks = distribution.ranks();
        let at = |share| ranks.at_share(share);
        Self {
            count: distribution.seen(),
            missed: distribution.misses(),
            censored: distribution.censored(),
            mean: distribution.mean(),
            std: distribution.std(),
            min: distribution.min(),
            p1: None,
            p10: None,
            p50: at(0.5),
            p75: at(0.75),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
            p50_ci95: None,
            p90_ci95: None,
            p99_ci95: None,
        }
    }

    fn headline(summary: &Summary, state: &State, metric: Metric) -> Self {
        let [p50_ci95, p90_ci95, p99_ci95] = quantile_intervals95(summary, state, metric, [0.5, 0.9, 0.99]);
        let distribution = summary.distribution(metric, OriginOf::Scheduled);
        let slow = |share| (metric.row().better == Direction::Higher).then(|| distribution.at_share(share)).flatten();
        Self { p1: slow(0.01), p10: slow(0.1), p50_ci95, p90_ci95, p99_ci95, ..Self::of(distribution) }
    }
}

/// The objectives of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SloView {
    /// One for each objective.
    pub objectives: Vec<ObjectiveView>,
    /// Good requests ÷ planned requests.
    pub attainment: Option<f64>,
    /// Good requests per second of the window.
    pub goodput_per_s: Option<f64>,
}

impl Trial {
    /// The trial and its judgement as they stand in `result.json`.
    #[must_use]
    pub fn view(&self) -> TrialView {
        view(self, &self.judge())
    }
}

fn view(trial: &Trial, judgement: &Judgement) -> TrialView {
    let summary = &trial.summary;
    let window_s = trial.window().length_s();
    let planned = summary.punctuality().planned;
    let (cohort, flow) = (summary.cohort(), summary.flow());
    let asked = |metric: Metric| Some((metric, encoded(summary.asked(metric)?)?));
    let varies = trial.load.varies();
    TrialView {
        label: trial.label.clone(),
        load: trial.load.clone(),
        window: trial.window(),
        ended: trial.ended,
        drain_end_s: trial.drain_end.as_secs(),
        requests: Counts { not_due: trial.not_due, ..cohort.clone() },
        run_totals: Counts { not_due: trial.not_due, ..summary.totals().clone() },
        failures: summary.misses().largest(),
        lost: summary.misses().lost(),
        origins: (trial.load.origin == LoadOrigin::Mixed)
            .then(|| Origins { planned, released: cohort.planned - planned - cohort.skipped }),
        rates: rates(summary, window_s),
        throughput: throughput(summary, window_s),
        concurrency: ConcurrencyView {
            mean: (window_s > 0.0).then(|| flow.window_flight_ns as f64 / 1e9 / window_s),
            peak: trial.concurrency.map(|concurrency| concurrency.peak),
        },
        tokens: summary.tokens().view(),
        server: None,
        metrics: metrics(summary, varies),
        classes: summary.classes().iter().map(|(name, class)| (name.to_string(), class_view(class, varies))).collect(),
        sessions: SessionsView::of(summary.by_turn()),
        turns: TurnView::of(summary.by_turn()),
        slo: SloView {
            objectives: judgement.objectives.iter().cloned().map(ObjectiveView::from).collect(),
            attainment: judgement.attainment,
            goodput_per_s: judgement.goodput_per_s,
        },
        recoveries: summary.recoveries(&trial.load.steps),
        health: judgement.health.clone().into(),
        verdict: judgement.verdict.clone().into(),
        samples: summary.samples(),
        blocks: summary.block_points(),
        histograms: histograms(summary, &Metric::ALL),
        asked_histograms: Metric::ALL.into_iter().filter_map(asked).collect(),
        sampled: summary.sampled(),
    }
}

fn class_view(summary: &Summary, varies: bool) -> ClassView {
    let window_s = summary.frame().window.length_s();
    let cohort = summary.cohort();
    ClassView {
        requests: cohort.clone(),
        rates: rates(summary, window_s),
        throughput: throughput(summary, window_s),
        tokens: summary.tokens().view(),
        metrics: metrics(summary, varies),
        attainment: summary.attainment(),
        histograms: histograms(summary, &[Metric::Ttft, Metric::Tpot, Metric::E2e]),
    }
}

/// The histograms of `metrics` that have values.
fn histograms(summary: &Summary, metrics: &[Metric]) -> BTreeMap<Metric, String> {
    let each = metrics.iter();
    each.filter_map(|metric| Some((*metric, encoded(summary.distribution(*metric, OriginOf::Scheduled))?))).collect()
}

fn rates(summary: &Summary, window_s: f64) -> Rates {
    let per_s = |count: u64| (window_s > 0.0).then(|| count as f64 / window_s);
    let (cohort, planned) = (summary.cohort(), summary.punctuality().planned);
    Rates {
        offered_per_s: per_s(planned).filter(|_| planned > 0),
        sent_per_s: per_s(cohort.sent),
        completed_per_s: per_s(cohort.completed),
        good_per_s: per_s(summary.goodness().met),
    }
}

fn throughput(summary: &Summary, window_s: f64) -> Throughput {
    let per_s = |amount: f64| (window_s > 0.0).then(|| amount / window_s);
    let flow = summary.flow();
    let output = flow.output_microtokens as f64 / 1e6;
    Throughput {
        requests_per_s: per_s(flow.requests as f64),
        items_per_s: None,
        input_tokens_per_s: per_s(flow.input_tokens as f64),
        output_tokens_per_s: per_s(output),
        total_tokens_per_s: per_s(output + flow.input_tokens as f64),
        good_output_tokens_per_s: per_s(flow.good_output_microtokens as f64 / 1e6),
    }
}

fn metrics(summary: &Summary, varies: bool) -> BTreeMap<Metric, MetricView> {
    let state = summary.state(varies);
    let distribution = |metric, origin| summary.distribution(metric, origin);
    let stats = |metric: Metric| {
        let two = metric.row().two_origins;
        let headline = StatsView::headline(summary, &state, metric);
        MetricView {
            unit: metric.unit().name().to_owned(),
            scheduled: two.then_some(headline),
            service: two.then(|| StatsView::of(distribution(metric, OriginOf::Service))),
            value: (!two).then_some(headline),
            completed_only: StatsView::of(&distribution(metric, OriginOf::Scheduled).completed_only()),
        }
    };
    Metric::ALL.into_iter().map(|metric| (metric, stats(metric))).collect()
}

/// The observed values as an `HdrHistogram` of 3 digits, V2, base64; `None` without values.
fn encoded(distribution: &Distribution) -> Option<String> {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3).ok()?;
    for (count, times) in distribution.counts() {
        histogram.saturating_record_n(count, times);
    }
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(&histogram, &mut bytes).ok()?;
    (!histogram.is_empty()).then(|| STANDARD.encode(bytes))
}
