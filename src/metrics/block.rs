//! Owns `Block`, a stretch of scheduled time with its own counts, and `Tally`, the exact counts towards one objective.

use serde::{Deserialize, Serialize};

use crate::metrics::buckets::Buckets;
use crate::metrics::distribution::rank_at;
use crate::metrics::series::Absorb;
use crate::metrics::{Known, Metric, Standing, Value};

/// Exact counts towards one objective.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Requests within the limit.
    pub met: u64,
    /// Requests beyond the limit.
    pub misses: u64,
    /// Misses that neither a late send nor shedding can have caused: failed, timed out, or beyond the limit counted
    /// from the send.
    pub firm_misses: u64,
    /// Requests for which the metric does not exist.
    pub undefined: u64,
    /// Requests cut off before they were decided. A verdict must hold whether they count as met or as missed.
    pub undecided: u64,
    /// Number of observed values, for `mean`.
    pub seen: u64,
    /// Sum of the observed values, in ticks.
    pub sum_ticks: u128,
    /// The largest observed value, in ticks.
    pub max_ticks: u64,
    /// Number of observed values counted from the send, for a `mean` that a late send cannot have raised.
    pub service_seen: u64,
    /// Sum of the observed values counted from the send, in ticks.
    pub service_sum_ticks: u128,
}

/// What one request adds to a `mean`, in ticks: its value from the limit's origin, and its value from the send.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SeenValue {
    pub(super) value: Option<u64>,
    pub(super) service: Option<u64>,
}

impl Tally {
    /// Requests that met or missed the limit.
    #[must_use]
    pub fn decided(&self) -> u64 {
        self.met + self.misses
    }

    pub(super) fn add(&mut self, standing: Standing, firm: bool, seen: SeenValue) {
        match standing {
            Standing::Met => self.met += 1,
            Standing::Missed => {
                self.misses += 1;
                self.firm_misses += u64::from(firm);
            }
            Standing::Undefined => self.undefined += 1,
            Standing::Undecided => self.undecided += 1,
        }
        if let Some(ticks) = seen.value {
            self.seen += 1;
            self.sum_ticks += u128::from(ticks);
            self.max_ticks = self.max_ticks.max(ticks);
        }
        if let Some(ticks) = seen.service {
            self.service_seen += 1;
            self.service_sum_ticks += u128::from(ticks);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.met += other.met;
        self.misses += other.misses;
        self.firm_misses += other.firm_misses;
        self.undefined += other.undefined;
        self.undecided += other.undecided;
        self.seen += other.seen;
        self.sum_ticks += other.sum_ticks;
        self.max_ticks = self.max_ticks.max(other.max_ticks);
        self.service_seen += other.service_seen;
        self.service_sum_ticks += other.service_sum_ticks;
    }
}

/// A stretch of scheduled time and the quantiles of the requests scheduled in it, to 2 digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockPoint {
    /// Where the block starts, in seconds from the run's origin.
    pub start_s: f64,
    /// Length of the block, in seconds.
    pub width_s: f64,
    /// Requests scheduled in the block.
    pub planned: u64,
    /// Median time to first token, in seconds.
    pub ttft_p50_s: Option<Known>,
    /// 99th percentile of the time to first token, in seconds.
    pub ttft_p99_s: Option<Known>,
    /// Median end-to-end latency, in seconds.
    pub e2e_p50_s: Option<Known>,
    /// 99th percentile of the end-to-end latency, in seconds.
    pub e2e_p99_s: Option<Known>,
}

/// Number of metrics kept per block: the times, which come first in the catalogue.
pub(super) const HEADLINES: usize = Metric::WakeLag as usize + 1;

/// A stretch of scheduled time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Block {
    /// Requests of the cohort.
    pub(super) planned: u64,
    /// Times by metric, to 2 digits, in microseconds: observed values, and censored values at their bounds.
    times: [Buckets<6, u32>; HEADLINES],
    /// Misses by metric. A miss lies beyond every threshold.
    missed: [u64; HEADLINES],
    /// Tallies by objective; empty while the block is empty.
    tallies: Vec<Tally>,
}

impl Block {
    pub(super) fn add_value(&mut self, metric: Metric, value: Value) {
        let place = metric as usize;
        match value {
            _ if place >= HEADLINES => {}
            Value::Defined(ticks) | Value::Censored(ticks) => {
                self.times[place].add_one(ticks.saturating_add(500) / 1_000);
            }
            Value::Miss => self.missed[place] += 1,
            Value::Undefined => {}
        }
    }

    pub(super) fn tally(&mut self, place: usize) -> &mut Tally {
        if place >= self.tallies.len() {
            self.tallies.resize(place + 1, Tally::default());
        }
        &mut self.tallies[place]
    }

    pub(super) fn tally_of(&self, place: usize) -> Tally {
        self.tallies.get(place).cloned().unwrap_or_default()
    }

    /// Classes of time with their counts.
    pub(super) fn times(&self, metric: Metric) -> impl DoubleEndedIterator<Item = (usize, u32)> {
        self.times[metric as usize].iter()
    }

    /// The number of requests beyond `class`, and the number of all requests.
    pub(super) fn beyond(&self, metric: Metric, class: usize) -> (u64, u64) {
        let (times, missed) = (&self.times[metric as usize], self.missed[metric as usize]);
        (times.above(class) + missed, times.len() + missed)
    }

    /// A quantile, to 2 digits, in seconds; a censored value is ranked at its bound. `None` without a request.
    pub(super) fn quantile(&self, metric: Metric, share: f64) -> Option<Known> {
        let (times, missed) = (&self.times[metric as usize], self.missed[metric as usize]);
        let ranked = times.len() + missed;
        let rank = rank_at(share, ranked);
        let (mut passed, mut last) = (0, 0.0);
        for (class, count) in times.iter() {
            passed += u64::from(count);
            last = Buckets::<6, u32>::highest(class) as f64 / 1e6;
            if passed >= rank {
                return Some(Known::At(last));
            }
        }
        (ranked > 0).then_some(Known::Above { above: last })
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let times: usize = self.times.iter().map(Buckets::heap_bytes).sum();
        times + self.tallies.capacity() * size_of::<Tally>()
    }

    /// Requests that missed the metric.
    pub(super) fn missed(&self, metric: Metric) -> u64 {
        self.missed[metric as usize]
    }
}

impl Absorb for Block {
    fn absorb(&mut self, other: &Self) {
        self.planned += other.planned;
        for place in 0..HEADLINES {
            self.times[place].merge(&other.times[place]);
            self.missed[place] += other.missed[place];
        }
        for (place, tally) in other.tallies.iter().enumerate() {
            self.tally(place).merge(tally);
        }
    }
}
