//! Owns `Shares`: the parts of a whole that a draw falls into.

use std::sync::Arc;

/// Parts of a whole, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shares {
    /// The share of each part and of all parts before it, 0 to 1; the last is 1.
    below: Arc<[f64]>,
}

impl Shares {
    /// Parts in proportion to `weights`, each above 0; at least one.
    pub(super) fn of(weights: impl Iterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let sums: Vec<f64> = weights
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self { below: sums.into_iter().map(|below| below / sum).collect() }
    }

    /// The number of parts.
    pub(super) fn len(&self) -> usize {
        self.below.len()
    }

    /// The share of part number `place`, 0 to 1.
    pub(super) fn share(&self, place: usize) -> f64 {
        let before = place.checked_sub(1).map_or(0.0, |before| self.below[before]);
        self.below[place] - before
    }

    /// The part that `drawn`, uniform between 0 and 1, falls into.
    pub(super) fn place(&self, drawn: f64) -> usize {
        self.below.partition_point(|below| *below <= drawn).min(self.below.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_falls_into_the_part_that_holds_it() {
        let shares = Shares::of([1.0, 2.0, 1.0].into_iter());
        for (place, share) in [0.25, 0.5, 0.25].into_iter().enumerate() {
            assert!((shares.share(place) - share).abs() < 1e-12, "{shares:?}");
        }
        for (drawn, place) in [(0.001, 0), (0.25, 1), (0.74, 1), (0.75, 2), (1.0, 2)] {
            assert_eq!(shares.place(drawn), place, "{drawn}");
        }
    }
}
