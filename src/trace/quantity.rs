//! Owns `Quantity`: summary statistics of a column of token counts.

use std::collections::BTreeMap;

use serde::Serialize;

/// Summary statistics of token counts. Quantiles are nearest-rank: the ceil(q·n)-th smallest value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantity {
    /// Sum of all counts, in tokens.
    pub sum: u64,
    /// Mean count, in tokens.
    pub mean: f64,
    /// Smallest count, in tokens.
    pub min: u32,
    /// 50th percentile, in tokens.
    pub p50: u32,
    /// 90th percentile, in tokens.
    pub p90: u32,
    /// 95th percentile, in tokens.
    pub p95: u32,
    /// 99th percentile, in tokens.
    pub p99: u32,
    /// 99.9th percentile, in tokens.
    pub p999: u32,
    /// Largest count, in tokens.
    pub max: u32,
    /// Number of counts that are 0.
    pub zeros: u64,
}

/// Counts of this many tokens or more are kept in a tree, smaller counts in a table. Hardly any prompt is longer, and
/// a table of every 32-bit value would take 32 GiB.
const MANY: u32 = 1 << 16;

/// How often each value occurs. 40 million rows have a few thousand distinct values; a sorted copy of the column would
/// take 160 MB.
#[derive(Debug, Default)]
struct Counts {
    few: Vec<u64>,
    many: BTreeMap<u32, u64>,
}

impl Counts {
    fn add(&mut self, value: u32) {
        if value >= MANY {
            *self.many.entry(value).or_default() += 1;
            return;
        }
        if self.few.len() <= value as usize {
            self.few.resize(value as usize + 1, 0);
        }
        self.few[value as usize] += 1;
    }

    /// Each value that occurs with its number of occurrences, smallest value first.
    fn ascending(self) -> Vec<(u32, u64)> {
        let few = (0..MANY).zip(self.few).filter(|(_, count)| *count > 0);
        few.chain(self.many).collect()
    }
}

impl Quantity {
    /// The statistics of `values`; `None` when `values` is empty.
    #[must_use]
    pub fn of(values: impl Iterator<Item = u32>) -> Option<Self> {
        let mut counts = Counts::default();
        values.for_each(|value| counts.add(value));
        let counts = counts.ascending();
        let (min, max) = (counts.first()?.0, counts.last()?.0);
        let count: u64 = counts.iter().map(|(_, count)| count).sum();
        // Integer arithmetic: 0.999 of 1 000 is 999, not 999.0000001.
        let at = |thousandths: u64| {
            let (rank, mut below) = ((count * thousandths).div_ceil(1000).clamp(1, count), 0);
            let reached = |(_, count): &&(u32, u64)| {
                below += count;
                below >= rank
            };
            counts.iter().find(reached).map_or(max, |(value, _)| *value)
        };
        let sum = counts.iter().map(|(value, count)| u64::from(*value) * count).sum();
        Some(Self {
            sum,
            mean: sum as f64 / count as f64,
            min,
            p50: at(500),
            p90: at(900),
            p95: at(950),
            p99: at(990),
            p999: at(999),
            max,
            zeros: if min == 0 { counts[0].1 } else { 0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let seen = Quantity::of((1..=1000).rev()).unwrap();
        assert_eq!((seen.p50, seen.p90, seen.p95, seen.p99, seen.p999), (500, 900, 950, 990, 999));
        assert_eq!((seen.sum, seen.min, seen.max, seen.zeros), (500_500, 1, 1000, 0));
        let one = Quantity::of([0].into_iter()).unwrap();
        assert_eq!((one.p50, one.p999, one.zeros), (0, 0, 1));
        assert_eq!(Quantity::of(std::iter::empty()), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_rank_is_that_of_the_sorted_values(values in prop::collection::vec(prop_oneof![0..20_u32,
            65_530..65_545_u32, any::<u32>()], 1..400)) {
            let seen = Quantity::of(values.iter().copied()).unwrap();
            let mut sorted = values;
            sorted.sort_unstable();
            let at = |thousandths: usize| sorted[(sorted.len() * thousandths).div_ceil(1000) - 1];
            prop_assert_eq!([seen.min, seen.p50, seen.p90, seen.p95], [sorted[0], at(500), at(900), at(950)]);
            prop_assert_eq!([seen.p99, seen.p999, seen.max], [at(990), at(999), at(1000)]);
            prop_assert_eq!(seen.sum, sorted.iter().map(|value| u64::from(*value)).sum::<u64>());
            prop_assert_eq!(seen.zeros, sorted.iter().filter(|value| **value == 0).count() as u64);
        }
    }
}
