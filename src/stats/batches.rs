//! Owns the standard error of a ratio of sums over dependent observations: batch means over contiguous stretches of
//! time.

use crate::stats::dispersion::{Portion, Spread, joined, spreads, student_point};

/// The standard error of a ratio of sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatchError {
    /// The standard error, in the unit of the ratio.
    pub error: f64,
    /// Degrees of freedom of the estimate: batches − 1.
    pub degrees: f64,
}

impl BatchError {
    /// Half the width of the two-sided 95 % interval.
    #[must_use]
    pub fn half_width95(&self) -> f64 {
        self.error * student_point(0.975, self.degrees)
    }
}

/// The standard error of Σ sum ÷ Σ count over contiguous `portions` in order of time. `None` with fewer than 8 portions
/// that hold a count.
///
/// Batch means of a ratio (Conway, 1963; Cochran, 1977, eq. 2.45): error² = Σ (sumᵦ − r countᵦ)² ÷ (Σ count)² · B/(B −
/// 1), r the ratio. Batches do not show dependence that is longer than a batch. So neighbours are merged pairwise while
/// at least 8 batches remain, and the estimate with the widest interval counts.
#[must_use]
pub fn batch_error(portions: &[Portion]) -> Option<BatchError> {
    let count = joined(portions).count as f64;
    let errors = spreads(portions).into_iter().map(|Spread { held, squares }| {
        let degrees = held - 1.0;
        BatchError { error: libm::sqrt(squares * held / degrees) / count, degrees }
    });
    errors.reduce(|widest, found| if found.half_width95() > widest.half_width95() { found } else { widest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(period: u64, of: u64) -> Vec<Portion> {
        let sum = |i: u64| if (i / period).is_multiple_of(2) { 110.0 } else { 90.0 };
        (0..of).map(|i| Portion { sum: sum(i), count: 100 }).collect()
    }

    #[test]
    fn the_error_of_eight_batches_is_that_of_their_mean() {
        // Means 1.1 and 0.9 in turn: the standard deviation of the batch means is 0.1 · √(8/7), that of their mean
        // 0.1 · √(8/7) ÷ √8.
        let found = batch_error(&waves(1, 8)).unwrap();
        assert!((found.error - 0.1 / 7f64.sqrt()).abs() < 1e-12, "{found:?}");
        assert!((found.degrees - 7.0).abs() < 1e-12 && (found.half_width95() / found.error - 2.3646).abs() < 1e-3);
    }

    #[test]
    fn dependence_longer_than_a_portion_widens_the_error() {
        let (quick, slow) = (batch_error(&waves(1, 64)).unwrap(), batch_error(&waves(8, 64)).unwrap());
        assert!((slow.degrees - 7.0).abs() < 1e-12 && slow.error > 2.5 * quick.error, "{quick:?} {slow:?}");
    }

    #[test]
    fn too_few_batches_have_no_error_and_a_constant_has_none_either() {
        assert_eq!(batch_error(&waves(1, 7)), None);
        assert_eq!(batch_error(&[]), None);
        let constant = [Portion { sum: 5.0, count: 10 }; 8];
        assert!(batch_error(&constant).unwrap().error < 1e-12);
    }
}
