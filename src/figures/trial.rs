//! Owns the trial as it stands in `trials[]` of `result.json`, written and read again.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

use crate::figures::worded::{HealthView, ObjectiveView, VerdictView};
use crate::metrics::{
    BlockPoint, Counts, Direction, Distribution, Ended, FailureGroup, Judgement, Known, LoadFacts, LoadOrigin, Lost,
    Metric, OriginOf, SamplePoint, State, Summary, TokensView, quantile_interval95,
};
use crate::play::Trial;
use crate::units::Window;

/// One trial of `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialView {
    /// Its name.
    pub label: String,
    /// What the load was.
    pub load: LoadFacts,
    /// The measured window.
    pub window: Window,
    /// How the issuing ended.
    pub ended: Ended,
    /// When the drain ended, in seconds from the origin.
    pub drain_end_s: f64,
    /// The cohort by outcome.
    pub requests: Counts,
    /// All requests by outcome.
    pub run_totals: Counts,
    /// What the most frequent failures said, the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureGroup>,
    /// Present where the target was lost for good during the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// The cohort by what set the instants, where both the plan and completions did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origins: Option<Origins>,
    /// Cohort ÷ window.
    pub rates: Rates,
    /// Arrivals in the window ÷ window.
    pub throughput: Throughput,
    /// Requests in flight.
    pub concurrency: ConcurrencyView,
    /// Tokens asked for, counted by `--tokenizer` and reported by the server, side by side.
    #[serde(default)]
    pub tokens: TokensView,
    /// By key.
    pub metrics: BTreeMap<Metric, MetricView>,
    /// The objectives.
    pub slo: SloView,
    /// The generator's health.
    pub health: HealthView,
    /// The verdict.
    pub verdict: VerdictView,
    /// The run second by second.
    pub samples: Vec<SamplePoint>,
    /// The cohort's quantiles over scheduled time.
    pub blocks: Vec<BlockPoint>,
    /// Headline values seen, `HdrHistogram` V2 in base64: microseconds, thousandths of tokens per second, or tokens.
    pub histograms: BTreeMap<Metric, String>,
}

/// Requests by what set their instants. The others are skipped turns, which never had one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    /// Planned.
    pub planned: u64,
    /// Released by a completion.
    pub released: u64,
}

/// Requests per second of the window; absent with an empty window.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Rates {
    /// Planned; absent for a closed loop, which offers nothing by itself. Released turns are not offered either.
    pub offered_per_s: Option<f64>,
    /// Sent.
    pub sent_per_s: Option<f64>,
    /// Completed.
    pub completed_per_s: Option<f64>,
    /// Good.
    pub good_per_s: Option<f64>,
}

/// What arrived inside the window, per second; absent with an empty window.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Throughput {
    /// Completed requests.
    pub requests_per_s: Option<f64>,
    /// Input tokens, at first token.
    pub input_tokens_per_s: Option<f64>,
    /// Output tokens.
    pub output_tokens_per_s: Option<f64>,
    /// Both.
    pub total_tokens_per_s: Option<f64>,
    /// Output tokens of good requests.
    pub good_output_tokens_per_s: Option<f64>,
}

/// Requests in flight.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ConcurrencyView {
    /// Time average over the window.
    pub mean: Option<f64>,
    /// The most at any instant of the run; absent when read again from records alone.
    pub peak: Option<u64>,
}

/// One metric. With two origins `scheduled` and `service`, else `value`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricView {
    /// `s`, `tokens/s` or `tokens`.
    pub unit: String,
    /// From the planned instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<StatsView>,
    /// From the send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<StatsView>,
    /// Where there is only one origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<StatsView>,
    /// Over completed requests, from the planned instant.
    pub completed_only: StatsView,
}

impl MetricView {
    /// The headline: from the planned instant, or the only one.
    #[must_use]
    pub fn headline(&self) -> &StatsView {
        self.scheduled.as_ref().or(self.value.as_ref()).unwrap_or(&self.completed_only)
    }
}

/// Statistics of one metric from one origin. Quantiles rank what was missed and cut off too; an undefined value is
/// `null`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StatsView {
    /// Values seen.
    pub count: u64,
    /// Requests that missed it (+∞, or 0 where higher is better).
    pub missed: u64,
    /// Requests cut off before it was known.
    pub censored: u64,
    /// Over the values seen.
    pub mean: Option<f64>,
    /// Over the values seen (n − 1).
    pub std: Option<f64>,
    /// The smallest seen.
    pub min: Option<f64>,
    /// Of what is wanted high, the slow tail: the value that all but 1 % exceed. Absent elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p1: Option<Known>,
    /// The same of 10 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p10: Option<Known>,
    /// Median.
    pub p50: Option<Known>,
    /// Quantile.
    pub p75: Option<Known>,
    /// Quantile.
    pub p90: Option<Known>,
    /// Quantile.
    pub p95: Option<Known>,
    /// Quantile.
    pub p99: Option<Known>,
    /// Quantile.
    pub p999: Option<Known>,
    /// The largest.
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
        let at = |share| distribution.at_share(share);
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
            max: distribution.max(),
            p50_ci95: None,
            p90_ci95: None,
            p99_ci95: None,
        }
    }

    fn headline(summary: &Summary, state: &State, metric: Metric) -> Self {
        let interval = |share| quantile_interval95(summary, state, metric, share);
        let distribution = summary.distribution(metric, OriginOf::Scheduled);
        let slow = |share| (metric.row().better == Direction::Higher).then(|| distribution.at_share(share)).flatten();
        Self {
            p1: slow(0.01),
            p10: slow(0.1),
            p50_ci95: interval(0.5),
            p90_ci95: interval(0.9),
            p99_ci95: interval(0.99),
            ..Self::of(distribution)
        }
    }
}

/// The objectives of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SloView {
    /// One each.
    pub objectives: Vec<ObjectiveView>,
    /// Good over planned.
    pub attainment: Option<f64>,
    /// Good per second of the window.
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
    let state = summary.state(trial.load.varies());
    let window_s = trial.window().length_s();
    let per_s = |amount: f64| (window_s > 0.0).then(|| amount / window_s);
    let (cohort, flow) = (summary.cohort(), summary.flow());
    let (planned, _) = summary.planned_and_sent();
    let output = flow.output_microtokens as f64 / 1e6;
    let distribution = |metric, origin| summary.distribution(metric, origin);
    let metrics = Metric::ALL.into_iter().map(|metric| {
        let two = metric.row().two_origins;
        let headline = StatsView::headline(summary, &state, metric);
        let stats = MetricView {
            unit: metric.unit().name().to_owned(),
            scheduled: two.then_some(headline),
            service: two.then(|| StatsView::of(distribution(metric, OriginOf::Service))),
            value: (!two).then_some(headline),
            completed_only: StatsView::of(&distribution(metric, OriginOf::Scheduled).completed_only()),
        };
        (metric, stats)
    });
    let histograms = Metric::ALL
        .into_iter()
        .filter_map(|metric| Some((metric, encoded(distribution(metric, OriginOf::Scheduled))?)));
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
        rates: Rates {
            offered_per_s: per_s(planned as f64).filter(|_| planned > 0),
            sent_per_s: per_s(cohort.sent as f64),
            completed_per_s: per_s(cohort.completed as f64),
            good_per_s: per_s(summary.goodness().met as f64),
        },
        throughput: Throughput {
            requests_per_s: per_s(flow.requests as f64),
            input_tokens_per_s: per_s(flow.input_tokens as f64),
            output_tokens_per_s: per_s(output),
            total_tokens_per_s: per_s(output + flow.input_tokens as f64),
            good_output_tokens_per_s: per_s(flow.good_output_microtokens as f64 / 1e6),
        },
        concurrency: ConcurrencyView {
            mean: per_s(flow.window_flight_ns as f64 / 1e9),
            peak: trial.concurrency.map(|concurrency| concurrency.peak),
        },
        tokens: summary.tokens().view(),
        metrics: metrics.collect(),
        slo: SloView {
            objectives: judgement.objectives.iter().cloned().map(ObjectiveView::from).collect(),
            attainment: judgement.attainment,
            goodput_per_s: judgement.goodput_per_s,
        },
        health: judgement.health.clone().into(),
        verdict: judgement.verdict.clone().into(),
        samples: summary.samples(),
        blocks: summary.block_points(),
        histograms: histograms.collect(),
    }
}

/// The values seen as an `HdrHistogram` of 3 digits, V2, base64; `None` without any.
fn encoded(distribution: &Distribution) -> Option<String> {
    let mut histogram = Histogram::<u64>::new_with_bounds(1, 3_600_000_000, 3).ok()?;
    for (count, times) in distribution.counts() {
        histogram.saturating_record_n(count, times);
    }
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(&histogram, &mut bytes).ok()?;
    (!histogram.is_empty()).then(|| STANDARD.encode(bytes))
}
