//! Owns `Distribution`, one metric over many requests: its observed, missed and censored values, and its quantiles.

use serde::{Deserialize, Serialize};

use crate::metrics::buckets::Buckets;
use crate::metrics::{Direction, Metric, Value};

/// The largest value of a histogram, in microseconds: one hour. Longer times are recorded as one hour.
const MOST_COUNT: u64 = 3_600_000_000;

/// Exact moments and a histogram of 3 significant digits.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pool {
    buckets: Buckets<10, u64>,
    len: u64,
    sum_ticks: u128,
    sum_square_ticks: u128,
    min_ticks: u64,
    max_ticks: u64,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            buckets: Buckets::default(),
            len: 0,
            sum_ticks: 0,
            sum_square_ticks: 0,
            min_ticks: u64::MAX,
            max_ticks: 0,
        }
    }
}

impl Pool {
    fn add(&mut self, ticks: u64, times: u64, per_count: u64) {
        self.buckets.add((ticks.saturating_add(per_count / 2) / per_count).min(MOST_COUNT), times);
        self.len += times;
        self.sum_ticks += u128::from(ticks) * u128::from(times);
        let square = u128::from(ticks) * u128::from(ticks);
        self.sum_square_ticks = self.sum_square_ticks.saturating_add(square.saturating_mul(u128::from(times)));
        self.min_ticks = self.min_ticks.min(ticks);
        self.max_ticks = self.max_ticks.max(ticks);
    }

    fn merge(&mut self, other: &Self) {
        self.buckets.merge(&other.buckets);
        self.len += other.len;
        self.sum_ticks += other.sum_ticks;
        self.sum_square_ticks = self.sum_square_ticks.saturating_add(other.sum_square_ticks);
        self.min_ticks = self.min_ticks.min(other.min_ticks);
        self.max_ticks = self.max_ticks.max(other.max_ticks);
    }
}

/// A number as far as it is known. In JSON: a number, `{"above": x}`, or `{"below": x}`. `below` occurs only where
/// higher is better, because a censored value then has an upper bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Known {
    /// The number itself.
    At(f64),
    /// The number falls among censored or missed values.
    Above {
        /// The number is larger than this.
        above: f64,
    },
    /// The number falls among censored values of a metric where higher is better.
    Below {
        /// The number is at most this.
        below: f64,
    },
}

/// One metric over many requests. Mergeable; the order of adding has no effect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Distribution {
    metric: Metric,
    completed: Option<Box<Pool>>,
    rest: Option<Box<Pool>>,
    bounds: Option<Box<Pool>>,
    misses: u64,
    undefined: u64,
}

impl Distribution {
    /// An empty distribution of `metric`.
    #[must_use]
    pub fn new(metric: Metric) -> Self {
        Self { metric, completed: None, rest: None, bounds: None, misses: 0, undefined: 0 }
    }

    /// Adds a value; `completed` says whether its request completed.
    pub fn add(&mut self, value: Value, completed: bool) {
        match value {
            Value::Defined(ticks) => self.add_seen(ticks, 1, completed),
            Value::Censored(ticks) => pool(&mut self.bounds).add(ticks, 1, self.metric.unit().ticks_per_count()),
            Value::Miss => self.misses += 1,
            Value::Undefined => self.undefined += 1,
        }
    }

    /// Adds `times` observed samples of `ticks`.
    pub fn add_seen(&mut self, ticks: u64, times: u64, completed: bool) {
        let place = if completed { &mut self.completed } else { &mut self.rest };
        pool(place).add(ticks, times, self.metric.unit().ticks_per_count());
    }

    /// Adds everything of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in
            [(&mut self.completed, &other.completed), (&mut self.rest, &other.rest), (&mut self.bounds, &other.bounds)]
        {
            if let Some(theirs) = theirs {
                pool(mine).merge(theirs);
            }
        }
        self.misses += other.misses;
        self.undefined += other.undefined;
    }

    /// The distribution over completed requests only.
    #[must_use]
    pub fn completed_only(&self) -> Self {
        Self { completed: self.completed.clone(), ..Self::new(self.metric) }
    }

    /// Number of observed values.
    #[must_use]
    pub fn seen(&self) -> u64 {
        len(self.completed.as_deref()) + len(self.rest.as_deref())
    }

    /// Number of requests that missed the metric.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses
    }

    /// Number of requests cut off before their value was known.
    #[must_use]
    pub fn censored(&self) -> u64 {
        len(self.bounds.as_deref())
    }

    /// Number of values that a quantile ranks: observed, missed and censored.
    #[must_use]
    pub fn ranked(&self) -> u64 {
        self.seen() + self.misses + self.censored()
    }

    fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.completed.as_deref().into_iter().chain(self.rest.as_deref())
    }

    /// Mean over the observed values, in the metric's unit; `None` without a value.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let sum: u128 = self.pools().map(|pool| pool.sum_ticks).sum();
        (self.seen() > 0).then(|| sum as f64 / self.seen() as f64 / self.metric.unit().ticks())
    }

    /// Standard deviation (n − 1) over the observed values, in the metric's unit; `None` below two values.
    #[must_use]
    pub fn std(&self) -> Option<f64> {
        let seen = self.seen() as f64;
        let sum = self.pools().map(|pool| pool.sum_ticks).sum::<u128>() as f64;
        let squares = self.pools().map(|pool| pool.sum_square_ticks).fold(0u128, u128::saturating_add) as f64;
        (seen >= 2.0)
            .then(|| libm::sqrt(((squares - sum * sum / seen) / (seen - 1.0)).max(0.0)) / self.metric.unit().ticks())
    }

    /// Smallest observed value, exact, in the metric's unit.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        self.pools().map(|pool| pool.min_ticks).min().map(|ticks| ticks as f64 / self.metric.unit().ticks())
    }

    /// Largest value, in the metric's unit; `Above` where a miss or a censored value may be larger.
    #[must_use]
    pub fn max(&self) -> Option<Known> {
        self.at_share(1.0)
    }

    /// The quantile at `share`: [`Ranks::at_share`]. Who asks for several shares takes [`Self::ranks`] once.
    #[must_use]
    pub fn at_share(&self, share: f64) -> Option<Known> {
        self.ranks().at_share(share)
    }

    /// The values in ascending order, for any number of quantiles.
    #[must_use]
    pub fn ranks(&self) -> Ranks<'_> {
        let seen: Vec<&Pool> = self.pools().collect();
        let bounds = self.bounds.as_deref();
        let with_bounds = bounds.map(|bounds| Ascending::of(&[&seen[..], &[bounds]].concat()));
        Ranks { of: self, seen: Ascending::of(&seen), with_bounds }
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.pools().chain(self.bounds.as_deref()).map(|pool| size_of::<Pool>() + pool.buckets.heap_bytes()).sum()
    }

    /// The largest value, observed or a bound.
    fn largest(&self) -> f64 {
        let ticks = self.pools().chain(self.bounds.as_deref()).map(|pool| pool.max_ticks).max().unwrap_or(0);
        ticks as f64 / self.metric.unit().ticks()
    }

    /// The histogram of the observed values as (largest number of the class, count), in ascending order. The unit is
    /// microseconds, thousandths of tokens per second, or tokens.
    #[must_use]
    pub fn counts(&self) -> Vec<(u64, u64)> {
        let mut counts: Vec<(u64, u64)> = self
            .pools()
            .flat_map(|pool| pool.buckets.iter())
            .map(|(class, count)| (Buckets::<10, u64>::highest(class), count))
            .collect();
        counts.sort_unstable();
        counts
    }
}

/// The values of a [`Distribution`] in ascending order.
#[derive(Debug)]
pub struct Ranks<'a> {
    of: &'a Distribution,
    seen: Ascending,
    /// The same among the bounds of the censored values too; `None` where nothing is censored.
    with_bounds: Option<Ascending>,
}

impl Ranks<'_> {
    /// The quantile at `share` (above 0, at most 1) in the metric's unit: the smallest value with at least `share` of
    /// the ranked requests at or below it, to 3 digits. A censored value is ranked at both ends of its possible range.
    /// Where the two ranks give different values, or the rank falls among the misses, the result is `Above`. Where
    /// higher is better, a miss is 0 and a censored value lies between 0 and its bound: the result is then `Below`.
    /// `None` where nothing is ranked, or nothing bounds the result.
    #[must_use]
    pub fn at_share(&self, share: f64) -> Option<Known> {
        let (of, unit) = (self.of, self.of.metric.unit());
        let ranked = of.ranked();
        if ranked == 0 {
            return None;
        }
        let rank = rank_at(share, ranked);
        let value = |ascending: &Ascending, rank: u64| {
            let ticks = if rank == 0 { 0 } else { ascending.at(rank, unit.ticks_per_count())? };
            Some(ticks as f64 / unit.ticks())
        };
        let (seen, with_bounds) = (&self.seen, self.with_bounds.as_ref().unwrap_or(&self.seen));
        let same = |one: f64, other: f64| one.max(other) <= one.min(other) * 1.002;
        if of.metric.row().better == Direction::Higher {
            let low = value(seen, rank.saturating_sub(of.misses + of.censored()))?;
            let high = value(with_bounds, rank.saturating_sub(of.misses))?;
            let saturated = MOST_COUNT as f64 * unit.ticks_per_count() as f64 / unit.ticks();
            return if same(low, high) {
                Some(Known::At(high))
            } else {
                // A request cut off before its first token may have any speed.
                (high < saturated).then_some(Known::Below { below: high })
            };
        }
        let (lowest, highest) = (value(with_bounds, rank), value(seen, rank));
        Some(match (lowest, highest) {
            (Some(low), Some(high)) if same(low, high) => Known::At(high),
            (Some(low), _) => Known::Above { above: low },
            (None, _) => Known::Above { above: of.largest() },
        })
    }
}

/// The rank of the quantile at `share` among `ranked` values, from 1.
pub(super) fn rank_at(share: f64, ranked: u64) -> u64 {
    // The small subtraction keeps 0.99 · 100 = 99.00000000000001 at rank 99.
    (libm::ceil(share * ranked as f64 - 1e-9) as u64).clamp(1, ranked.max(1))
}

/// Classes of values in ascending order.
#[derive(Debug)]
struct Ascending {
    /// Each class with the number of values in it and in the classes below it.
    classes: Vec<(usize, u64)>,
    min_ticks: u64,
    max_ticks: u64,
}

impl Ascending {
    fn of(pools: &[&Pool]) -> Self {
        let mut classes: Vec<(usize, u64)> = pools.iter().flat_map(|pool| pool.buckets.iter()).collect();
        if pools.len() > 1 {
            classes.sort_unstable();
        }
        let mut passed = 0;
        for (_, count) in &mut classes {
            passed += *count;
            *count = passed;
        }
        Self {
            classes,
            min_ticks: pools.iter().map(|pool| pool.min_ticks).min().unwrap_or(u64::MAX),
            max_ticks: pools.iter().map(|pool| pool.max_ticks).max().unwrap_or(0),
        }
    }

    /// The value at `rank`, at least 1, in ticks; the smallest and the largest are exact. `None` beyond the last rank.
    fn at(&self, rank: u64, ticks_per_count: u64) -> Option<u64> {
        let (class, _) = *self.classes.get(self.classes.partition_point(|(_, passed)| *passed < rank))?;
        if self.classes.last().is_some_and(|(_, total)| *total == rank) {
            return Some(self.max_ticks);
        }
        let count = Buckets::<10, u64>::highest(class);
        Some(count.saturating_mul(ticks_per_count).clamp(self.min_ticks, self.max_ticks))
    }
}

fn pool(place: &mut Option<Box<Pool>>) -> &mut Pool {
    place.get_or_insert_default()
}

fn len(pool: Option<&Pool>) -> u64 {
    pool.map_or(0, |pool| pool.len)
}
