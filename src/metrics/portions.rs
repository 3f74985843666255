//! Owns `Portions`, the records of a trial by stretches of time, and the estimates with intervals that comparisons
//! need.
//!
//! Requests depend on each other: a request that waits leaves a queue to the next one. Each interval comes from batch
//! means over contiguous stretches of the window ([`crate::stats::batches`]). A quantile at share p takes the standard
//! error of the share of requests beyond it, se; its interval is the range of quantiles from p − t·se to p + t·se
//! (test inversion: Woodruff, 1952), t Student's 97.5 % point. Where the latency depends on the requests in flight
//! ([`crate::metrics::state`]), neighbouring batches depend on each other, and batch means come out too alike. For an
//! autoregression, batches of s/8 independent samples each miss a share of about 8/s of the variance. So se is raised
//! by √(1 + 8/s), s the lower bound of the independent samples in the window. With fewer than 3 there is no interval.
//!
//! Error rates are measured in `tests/it/compare/level.rs`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metrics::buckets::Buckets;
use crate::metrics::dependence::quantities;
use crate::metrics::distribution::rank_at;
use crate::metrics::flow::for_each_arrival;
use crate::metrics::measure::Measure;
use crate::metrics::standing::goodness_of;
use crate::metrics::{Frame, Goodness, Metric, Objectives, OriginOf, State, Summary, Value};
use crate::record::{Outcome, Record};
use crate::stats::batches::{BatchError, batch_error};
use crate::stats::contrast::Estimate;
use crate::stats::dispersion::{LEAST_BATCHES, LEAST_HITS, Portion, student_point};
use crate::stats::proportion::{lower_bound, upper_bound};
use crate::units::Offset;

/// Number of portions of the window.
const PORTIONS: usize = 64;
/// Least number of independent samples of the requests in flight for an interval.
const LEAST_SAMPLES: f64 = 3.0;
/// Least number of portions that carry the requests on the rarer side of a quantile, (Σ k)² ÷ Σ k² of their counts k.
/// With fewer, the runs that show an interval are those that look calm by chance.
const LEAST_EPISODES: f64 = 8.0;
/// Overdispersion of errors that is assumed where fewer than ten errors show how they cluster.
const PRIOR_PHI: f64 = 4.0;
/// Values are kept to 3 digits: a share of the value, no unit.
const RESOLUTION: f64 = 0.000_5;

/// Why a figure has no interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Withheld {
    /// Too few requests on the rarer side of the quantile.
    TooFew {
        /// Requests that the quantile needs.
        needed: u64,
    },
    /// The run holds too few independent samples of the requests in flight.
    TooDependent {
        /// Independent samples that the run holds at least.
        samples: f64,
    },
    /// The requests in flight grew over the window: there is no steady value to compare.
    Growing,
    /// The value lies among failed requests or among requests that were cut off.
    AmongMisses {
        /// Whether that is sure at one-sided 97.5 %: then the value exceeds every number.
        surely: bool,
    },
    /// The result has no records and no stored interval for the figure.
    NoRecords,
    /// The comparison holds a file of another tool, which has no intervals.
    OtherTool,
    /// The trial has no such figure.
    Absent,
}

/// One stretch of the window.
#[derive(Debug, Clone, Default)]
struct Part {
    /// Observed and censored times (at their bounds) of [`Measure::METRICS`], in microseconds.
    times: [Buckets<10, u64>; 4],
    missed: [u64; 4],
    planned: u64,
    errors: u64,
    good: u64,
    completed: u64,
    output_microtokens: u128,
}

/// The records of a trial in 64 equal stretches of its window.
#[derive(Debug, Clone)]
pub struct Portions {
    frame: Frame,
    objectives: Arc<Objectives>,
    parts: Vec<Part>,
}

impl Portions {
    /// No records yet.
    #[must_use]
    pub fn new(frame: Frame, objectives: Arc<Objectives>) -> Self {
        Self { frame, objectives, parts: vec![Part::default(); PORTIONS] }
    }

    /// Adds one record, in any order.
    pub fn add(&mut self, record: &Record) {
        let exchange = &record.exchange;
        if let (Outcome::Completed, Some(part)) = (&exchange.outcome, exchange.ended.and_then(|at| self.at(at))) {
            part.completed += 1;
        }
        for_each_arrival(record, |at, microtokens| {
            if let Some(part) = self.at(at) {
                part.output_microtokens += u128::from(microtokens);
            }
        });
        if record.cancel_after.is_some() {
            return;
        }
        let streamed = self.frame.streamed;
        let is_good = goodness_of(record, streamed, &self.objectives) == Goodness::Good;
        let Some(part) = self.at(record.scheduled) else { return };
        part.planned += 1;
        part.good += u64::from(is_good);
        let is_error =
            matches!(exchange.outcome, Outcome::Failed(_) | Outcome::TimedOut | Outcome::Shed | Outcome::Abandoned);
        part.errors += u64::from(is_error);
        for (place, metric) in Measure::METRICS.into_iter().enumerate() {
            if metric.row().streamed_only && !streamed {
                continue;
            }
            let micros = |ticks: u64| ticks.saturating_add(500) / 1_000;
            if metric == Metric::Itl {
                metric.for_each_gap(record, |ticks, times| part.times[place].add(micros(ticks), times));
                continue;
            }
            match metric.value(record, OriginOf::Scheduled) {
                Value::Defined(ticks) | Value::Censored(ticks) => part.times[place].add(micros(ticks), 1),
                Value::Miss => part.missed[place] += 1,
                Value::Undefined => {}
            }
        }
    }

    fn at(&mut self, at: Offset) -> Option<&mut Part> {
        let window = self.frame.window;
        if !window.contains(at) {
            return None;
        }
        let since = u128::from(at.as_nanos() - window.start.as_nanos());
        let length = u128::from(window.end.as_nanos() - window.start.as_nanos());
        self.parts.get_mut((since * PORTIONS as u128 / length) as usize)
    }

    /// The estimate of each of `measures`. `summary` is the fold of the records; `varies` says whether the load varies
    /// by plan.
    #[must_use]
    pub fn estimates(&self, measures: &[Measure], summary: &Summary, varies: bool) -> Vec<Result<Estimate, Withheld>> {
        let state = summary.state(varies);
        measures.iter().map(|measure| self.estimate(*measure, &state)).collect()
    }

    fn estimate(&self, measure: Measure, state: &State) -> Result<Estimate, Withheld> {
        match measure {
            Measure::Quantile(quantile, metric) => {
                let place = Measure::METRICS.iter().position(|known| *known == metric).ok_or(Withheld::Absent)?;
                self.quantile(place, quantile.share(), state)
            }
            Measure::OutputTokensPerS => self.rate(|part| part.output_microtokens as f64 / 1e6),
            Measure::RequestsPerS => self.rate(|part| part.completed as f64),
            Measure::Goodput if self.objectives.is_empty() => Err(Withheld::Absent),
            Measure::Goodput => self.rate(|part| part.good as f64),
            Measure::ErrorRate => self.error_rate(),
        }
    }

    fn quantile(&self, place: usize, share: f64, state: &State) -> Result<Estimate, Withheld> {
        let mut all = Buckets::<10, u64>::default();
        let mut missed = 0;
        for part in &self.parts {
            all.merge(&part.times[place]);
            missed += part.missed[place];
        }
        let ranked = all.len() + missed;
        if ranked == 0 {
            return Err(Withheld::Absent);
        }
        let rarer = share.min(1.0 - share);
        if (ranked as f64) * rarer < LEAST_HITS as f64 - 1e-9 {
            return Err(Withheld::TooFew { needed: libm::ceil(LEAST_HITS as f64 / rarer - 1e-6) as u64 });
        }
        if state.is_growing() {
            return Err(Withheld::Growing);
        }
        let samples = state.worth(&quantities(&[Measure::METRICS[place]])).map(|mixing| mixing.effective_low);
        if let Some(samples) = samples.filter(|samples| *samples < LEAST_SAMPLES) {
            return Err(Withheld::TooDependent { samples: libm::fabs(samples) });
        }
        let raised = samples.map_or(1.0, |samples| libm::sqrt(1.0 + LEAST_BATCHES as f64 / samples));
        let Some(class) = class_at(&all, share, ranked) else {
            let misses = |part: &Part| (part.missed[place], part.times[place].len() + part.missed[place]);
            let portions: Vec<Portion> =
                self.parts.iter().map(misses).map(|(sum, count)| Portion { sum: sum as f64, count }).collect();
            let least = share_error(&portions).map(|found| missed as f64 / ranked as f64 - found.half_width95());
            return Err(Withheld::AmongMisses { surely: least.is_some_and(|least| least > 1.0 - share) });
        };
        // A class may hold many requests. The shares beyond it and from it on differ then, and the wider error counts.
        let beyond = |from: usize| -> Vec<Portion> {
            let count = |part: &Part| part.times[place].above(from) + part.missed[place];
            let all = |part: &Part| part.times[place].len() + part.missed[place];
            self.parts.iter().map(|part| Portion { sum: count(part) as f64, count: all(part) }).collect()
        };
        let rare =
            beyond(class).into_iter().map(|Portion { sum, count }| if share < 0.5 { count as f64 - sum } else { sum });
        let (sum, squares) = rare.fold((0.0, 0.0), |(sum, squares), hits| (sum + hits, squares + hits * hits));
        if squares > 0.0 && sum * sum < LEAST_EPISODES * squares {
            let needed = ranked as f64 * LEAST_EPISODES * squares / (sum * sum);
            return Err(Withheld::TooFew { needed: libm::ceil(needed) as u64 });
        }
        let errors = [class, class.saturating_sub(1)].map(|class| share_error(&beyond(class)));
        let [Some(one), Some(other)] = errors else {
            return Err(Withheld::TooFew { needed: ranked.max(1) * 2 });
        };
        let wider = if one.half_width95() >= other.half_width95() { one } else { other };
        let half_width = wider.half_width95() * raised;
        let at =
            |share: f64| class_at(&all, share, ranked).map(|class| Buckets::<10, u64>::highest(class) as f64 / 1e6);
        let value = Buckets::<10, u64>::highest(class) as f64 / 1e6;
        let low = at((share - half_width).max(0.5 / ranked as f64)).ok_or(Withheld::AmongMisses { surely: false })?;
        let high = at(share + half_width).filter(|_| share + half_width < 1.0);
        let Some(high) = high else {
            let needed = ranked as f64 * libm::pow(half_width / rarer, 2.0) * 1.2;
            return Err(Withheld::TooFew { needed: needed as u64 });
        };
        let fine = |value: f64| value * RESOLUTION;
        Ok(Estimate { value, low: low - fine(low), high: high + fine(high), degrees: wider.degrees })
    }

    /// A rate per second of the window.
    fn rate(&self, of: impl Fn(&Part) -> f64) -> Result<Estimate, Withheld> {
        let window = self.frame.window;
        let width_ns = (window.end.as_nanos().saturating_sub(window.start.as_nanos())) / PORTIONS as u64;
        let portions: Vec<Portion> =
            self.parts.iter().map(|part| Portion { sum: of(part), count: width_ns.max(1) }).collect();
        let sum: f64 = portions.iter().map(|portion| portion.sum).sum();
        let found = batch_error(&portions).filter(|_| width_ns > 0).ok_or(Withheld::Absent)?;
        let (value, half_width) = (sum / window.length_s(), found.half_width95() * 1e9);
        let least = value * RESOLUTION;
        let wide = half_width.max(least);
        Ok(Estimate { value, low: (value - wide).max(0.0), high: value + wide, degrees: found.degrees })
    }

    /// Clopper–Pearson at n/φ, because few errors are not normal.
    fn error_rate(&self) -> Result<Estimate, Withheld> {
        let total = |of: fn(&Part) -> u64| self.parts.iter().map(of).sum::<u64>();
        let (errors, planned) = (total(|part| part.errors), total(|part| part.planned));
        if planned == 0 {
            return Err(Withheld::Absent);
        }
        let share = errors as f64 / planned as f64;
        let portions: Vec<Portion> =
            self.parts.iter().map(|part| Portion { sum: part.errors as f64, count: part.planned }).collect();
        let found = batch_error(&portions).filter(|_| errors >= LEAST_HITS && planned - errors >= LEAST_HITS);
        let phi = found.map_or(PRIOR_PHI, |found| {
            let independent = share * (1.0 - share) / planned as f64;
            let widened = found.half_width95() / student_point(0.975, Estimate::EXACT);
            (widened * widened / independent).max(1.0)
        });
        let (hits, trials) = (errors as f64 / phi, planned as f64 / phi);
        Ok(Estimate {
            value: share,
            low: lower_bound(hits, trials, 0.975),
            high: upper_bound(hits, trials, 0.975),
            degrees: Estimate::EXACT,
        })
    }
}

/// The class of the quantile at `share` of `ranked` requests; `None` where it falls among the misses.
fn class_at(all: &Buckets<10, u64>, share: f64, ranked: u64) -> Option<usize> {
    let rank = rank_at(share, ranked);
    let mut passed = 0;
    all.iter()
        .find(|(_, count)| {
            passed += count;
            passed >= rank
        })
        .map(|(class, _)| class)
}

/// The standard error of a share, at least that of independent requests.
fn share_error(portions: &[Portion]) -> Option<BatchError> {
    let (hits, trials) =
        portions.iter().fold((0.0, 0), |(hits, trials), portion| (hits + portion.sum, trials + portion.count));
    let share = hits / trials.max(1) as f64;
    let independent = libm::sqrt(share * (1.0 - share) / trials.max(1) as f64);
    batch_error(portions).map(|found| BatchError { error: found.error.max(independent), ..found })
}
