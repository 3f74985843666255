//! Owns `Quantity`: a column of token counts in numbers.

use serde::Serialize;

/// Token counts in numbers. Quantiles are nearest-rank: the ceil(q·n)-th smallest value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantity {
    /// Their sum.
    pub sum: u64,
    /// Their mean.
    pub mean: f64,
    /// The smallest.
    pub min: u32,
    /// Half are no larger.
    pub p50: u32,
    /// 90 % are no larger.
    pub p90: u32,
    /// 95 % are no larger.
    pub p95: u32,
    /// 99 % are no larger.
    pub p99: u32,
    /// 99.9 % are no larger.
    pub p999: u32,
    /// The largest.
    pub max: u32,
    /// How many are 0.
    pub zeros: u64,
}

impl Quantity {
    /// `values` in numbers; none where there are none.
    #[must_use]
    pub fn of(values: impl Iterator<Item = u32>) -> Option<Self> {
        let mut sorted: Vec<u32> = values.collect();
        sorted.sort_unstable();
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let count = sorted.len();
        // Whole numbers, so that 0.999 of 1 000 is 999 and not 999.0000001.
        let at = |thousandths: usize| sorted[(count * thousandths).div_ceil(1000).clamp(1, count) - 1];
        let sum = sorted.iter().map(|value| u64::from(*value)).sum();
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
            zeros: sorted.partition_point(|value| *value == 0) as u64,
        })
    }
}

#[cfg(test)]
mod tests {
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
}
