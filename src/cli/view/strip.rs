//! Owns `Strip`: the course of a load over time, in a bounded number of slots of equal width.

use crate::units::Offset;

/// The most slots: one for each column of a wide screen. Beyond that, neighbours are merged.
const MOST: usize = 256;
/// Seconds in a slot at first.
const FIRST_WIDTH_S: f64 = 0.5;

/// What happened in one slot of time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Slot {
    /// Requests completed.
    pub(super) completed: u64,
    /// Requests that failed, timed out or were shed.
    pub(super) missed: u64,
    /// The most requests in flight.
    pub(super) in_flight: u64,
    /// The longest latency of requests that ended, in nanoseconds.
    pub(super) slowest: u64,
}

impl Slot {
    fn merge(&mut self, other: &Self) {
        self.completed += other.completed;
        self.missed += other.missed;
        self.in_flight = self.in_flight.max(other.in_flight);
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// The course of a load.
#[derive(Debug)]
pub(super) struct Strip {
    width_s: f64,
    slots: Vec<Slot>,
}

impl Default for Strip {
    fn default() -> Self {
        Self { width_s: FIRST_WIDTH_S, slots: Vec::new() }
    }
}

impl Strip {
    /// The slot of `at`, made where it is missing.
    pub(super) fn at(&mut self, at: Offset) -> &mut Slot {
        while at.as_secs() / self.width_s >= MOST as f64 {
            self.slots = self.slots.chunks(2).map(Self::merged).collect();
            self.width_s *= 2.0;
        }
        let place = (at.as_secs() / self.width_s) as usize;
        if place >= self.slots.len() {
            self.slots.resize(place + 1, Slot::default());
        }
        &mut self.slots[place]
    }

    fn merged(slots: &[Slot]) -> Slot {
        let mut all = Slot::default();
        for slot in slots {
            all.merge(slot);
        }
        all
    }

    /// The course from the origin to `until_s` in this many columns: for each column its seconds and what happened;
    /// `None` where it lies after the last slot. Where a slot is wider than a column, neighbouring columns show the
    /// same slot.
    pub(super) fn columns(&self, until_s: f64, columns: usize) -> Vec<Option<(f64, Slot)>> {
        let each_s = until_s / columns.max(1) as f64;
        let column = |column: usize| {
            let from = (column as f64 * each_s / self.width_s) as usize;
            let until = libm::ceil((column + 1) as f64 * each_s / self.width_s - 1e-9) as usize;
            let slots = self.slots.get(from..until.max(from + 1).min(self.slots.len()))?;
            (!slots.is_empty()).then(|| (slots.len() as f64 * self.width_s, Self::merged(slots)))
        };
        (0..columns).map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_load_takes_no_more_slots_and_loses_nothing() {
        let mut strip = Strip::default();
        for second in 0..10_000 {
            let slot = strip.at(Offset::from_secs(f64::from(second)));
            slot.completed += 3;
            slot.in_flight = slot.in_flight.max(second as u64);
        }
        assert!(strip.slots.len() <= MOST);
        let columns = strip.columns(10_000.0, 40);
        let completed: u64 = strip.slots.iter().map(|slot| slot.completed).sum();
        assert_eq!(completed, 30_000);
        assert_eq!(columns.iter().flatten().map(|(_, slot)| slot.in_flight).max(), Some(9_999));
        assert!(columns.iter().all(Option::is_some));
    }

    #[test]
    fn columns_after_the_last_slot_are_empty() {
        let mut strip = Strip::default();
        strip.at(Offset::from_secs(4.9)).completed = 1;
        let columns = strip.columns(20.0, 40);
        assert!(columns[..10].iter().all(Option::is_some) && columns[10..].iter().all(Option::is_none), "{columns:?}");
        assert_eq!(columns[9], Some((0.5, Slot { completed: 1, ..Slot::default() })));
    }
}
