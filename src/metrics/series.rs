//! Owns `Series`, slots of equal width over time that merge pairwise as the run grows, so that memory stays constant.

use serde::{Deserialize, Serialize};

/// A slot of a [`Series`], which can absorb its right neighbour. Only commutative sums, so that the order has no
/// effect.
pub(super) trait Absorb: Default + Clone {
    /// Adds everything of `other`.
    fn absorb(&mut self, other: &Self);
}

/// At most `most` (an even number) slots of equal width, from time 0 on. The width doubles when an instant lies beyond
/// the last slot. The width depends only on the latest instant, never on the order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Series<T> {
    width_ns: u64,
    most: usize,
    slots: Vec<T>,
}

impl<T: Absorb> Series<T> {
    pub(super) fn new(width_ns: u64, most: usize) -> Self {
        Self { width_ns, most, slots: Vec::new() }
    }

    /// The width of a slot in nanoseconds.
    pub(super) fn width_ns(&self) -> u64 {
        self.width_ns
    }

    /// The slots in order of time, up to the last slot that was used.
    pub(super) fn slots(&self) -> &[T] {
        &self.slots
    }

    /// The slot of the instant `at_ns`, created if it does not exist.
    pub(super) fn at(&mut self, at_ns: u64) -> &mut T {
        while at_ns / self.width_ns >= self.most as u64 {
            self.coarsen();
        }
        let place = (at_ns / self.width_ns) as usize;
        if place >= self.slots.len() {
            self.slots.resize_with(place + 1, T::default);
        }
        &mut self.slots[place]
    }

    fn coarsen(&mut self) {
        self.width_ns = self.width_ns.saturating_mul(2);
        self.slots = pairs(&self.slots);
    }

    /// Adds everything of `other`, which must have started with the same width.
    pub(super) fn merge(&mut self, other: &Self) {
        let mut theirs = other.clone();
        while self.width_ns < theirs.width_ns {
            self.coarsen();
        }
        while theirs.width_ns < self.width_ns {
            theirs.coarsen();
        }
        if theirs.slots.len() > self.slots.len() {
            self.slots.resize_with(theirs.slots.len(), T::default);
        }
        for (mine, their) in self.slots.iter_mut().zip(&theirs.slots) {
            mine.absorb(their);
        }
    }
}

/// Neighbours merged two by two.
pub(super) fn pairs<T: Absorb>(slots: &[T]) -> Vec<T> {
    let joined = slots.chunks(2).map(|pair| {
        let mut first = pair[0].clone();
        if let Some(second) = pair.get(1) {
            first.absorb(second);
        }
        first
    });
    joined.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Absorb for u64 {
        fn absorb(&mut self, other: &Self) {
            *self += other;
        }
    }

    fn of(instants: &[u64]) -> Series<u64> {
        let mut series = Series::new(10, 8);
        for at in instants {
            *series.at(*at) += 1;
        }
        series
    }

    proptest! {
        #[test]
        fn slots_depend_on_what_was_added_never_on_the_order(mut instants in prop::collection::vec(0u64..100_000,
            1..50), cut in any::<prop::sample::Index>()) {
            let forward = of(&instants);
            prop_assert!(forward.slots().len() <= 8);
            prop_assert_eq!(forward.slots().iter().sum::<u64>(), instants.len() as u64);
            let (left, right) = instants.split_at(cut.index(instants.len()));
            let mut merged = of(right);
            merged.merge(&of(left));
            prop_assert_eq!((merged.width_ns(), merged.slots()), (forward.width_ns(), forward.slots()));
            instants.reverse();
            let backward = of(&instants);
            prop_assert_eq!(backward.slots(), forward.slots());
        }
    }
}
