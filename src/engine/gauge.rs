//! Owns the live counts of a segment: observers, stop rules and the in-flight cap read them; nothing waits for them.

use std::sync::atomic::{
    AtomicI64, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::metrics::Concurrency;
use crate::play::LiveCounts;
use crate::record::Outcome;
use crate::units::Offset;

/// A value with cache lines of its own, so that a core that writes it does not take away what other cores use. Two
/// lines of 64 bytes, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Apart<T>(pub(super) T);

/// Live counts of one segment. Each worker counts in its own slot, and readers add the slots up. Only the number of
/// requests in flight is one number for all workers, because its peak is that of their sum.
#[derive(Debug)]
pub(super) struct Gauge {
    slots: Box<[Apart<Slot>]>,
    in_flight: Apart<InFlight>,
}

/// The counts of one worker.
#[derive(Debug, Default)]
struct Slot {
    due: AtomicU64,
    sent: AtomicU64,
    completed: AtomicU64,
    missed: AtomicU64,
    settled: AtomicU64,
    /// Σ settling instants − Σ sending instants, in nanoseconds. It equals ∫ in-flight dt once all requests have
    /// settled: up to 25 000 requests in flight for 100 hours. Unlike a running sum of count × time, it stays right
    /// when reports come out of order. A request that is sent and never settles makes it wrong for good.
    area_ns: AtomicI64,
}

/// Requests in flight, and their peak.
#[derive(Debug, Default)]
struct InFlight {
    count: AtomicU64,
    peak: AtomicU64,
}

impl Gauge {
    /// The gauge of a segment with this many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self { slots: (0..workers.max(1)).map(|_| Apart::default()).collect(), in_flight: Apart::default() }
    }

    fn slot(&self, worker: usize) -> &Slot {
        &self.slots[worker % self.slots.len()].0
    }

    fn sum(&self, count: fn(&Slot) -> &AtomicU64) -> u64 {
        self.slots.iter().map(|slot| count(&slot.0).load(Relaxed)).sum()
    }

    /// Counts a request of `worker` that has come due.
    pub(super) fn note_due(&self, worker: usize) {
        self.slot(worker).due.fetch_add(1, Relaxed);
    }

    /// Counts a send of `worker` that began at `at`.
    pub(super) fn note_sent(&self, worker: usize, at: Offset) {
        let slot = self.slot(worker);
        slot.sent.fetch_add(1, Relaxed);
        slot.area_ns.fetch_sub(at.as_nanos().cast_signed(), Relaxed);
        let count = self.in_flight.0.count.fetch_add(1, Relaxed) + 1;
        // Mostly a read: the peak rises rarely.
        if count > self.in_flight.0.peak.load(Relaxed) {
            self.in_flight.0.peak.fetch_max(count, Relaxed);
        }
    }

    /// Counts a request of `worker` that settled at `at`; `was_sent` says whether it was counted in flight.
    pub(super) fn note_settled(&self, worker: usize, at: Offset, was_sent: bool, outcome: &Outcome) {
        let slot = self.slot(worker);
        match outcome {
            Outcome::Completed => _ = slot.completed.fetch_add(1, Relaxed),
            Outcome::Failed(_) | Outcome::TimedOut | Outcome::Shed | Outcome::Abandoned => {
                _ = slot.missed.fetch_add(1, Relaxed);
            }
            Outcome::Unresolved | Outcome::Cancelled | Outcome::Skipped => {}
        }
        if was_sent {
            slot.area_ns.fetch_add(at.as_nanos().cast_signed(), Relaxed);
            self.in_flight.0.count.fetch_sub(1, Relaxed);
        }
        // Whoever sees this count also sees the record, which was posted before.
        slot.settled.fetch_add(1, Release);
    }

    /// Requests in flight now.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.0.count.load(Relaxed)
    }

    /// Requests that have been issued and have not settled.
    pub(super) fn open(&self) -> u64 {
        // What has settled was due before. Counted in this order, no open request is missed.
        let settled: u64 = self.slots.iter().map(|slot| slot.0.settled.load(Acquire)).sum();
        self.sum(|slot| &slot.due).saturating_sub(settled)
    }

    /// The counts at `elapsed`.
    pub(super) fn counts(&self, elapsed: Offset) -> LiveCounts {
        LiveCounts {
            elapsed,
            due: self.sum(|slot| &slot.due),
            sent: self.sum(|slot| &slot.sent),
            completed: self.sum(|slot| &slot.completed),
            missed: self.sum(|slot| &slot.missed),
            in_flight: self.in_flight(),
        }
    }

    /// Peak of requests in flight so far, and their integral over time in request-seconds. The integral is right only
    /// when no request is in flight.
    pub(super) fn concurrency(&self) -> Concurrency {
        let area_ns: i128 = self.slots.iter().map(|slot| i128::from(slot.0.area_ns.load(Relaxed))).sum();
        Concurrency { peak: self.in_flight.0.peak.load(Relaxed), integral_s: area_ns as f64 / 1e9 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_all_workers_add_up_and_the_area_is_requests_times_seconds() {
        let gauge = Gauge::new(2);
        let at = |s: f64| Offset::from_secs(s);
        gauge.note_due(0);
        gauge.note_sent(0, at(1.0));
        gauge.note_due(1);
        gauge.note_sent(1, at(2.0));
        assert_eq!((gauge.in_flight(), gauge.open()), (2, 2));
        gauge.note_settled(0, at(4.0), true, &Outcome::Completed);
        gauge.note_settled(1, at(5.0), true, &Outcome::TimedOut);
        assert_eq!(gauge.concurrency(), Concurrency { peak: 2, integral_s: 1.0 + 2.0 * 2.0 + 1.0 });
        assert_eq!(gauge.open(), 0);
        assert_eq!((gauge.in_flight(), gauge.counts(at(5.0)).completed, gauge.counts(at(5.0)).missed), (0, 1, 1));
    }
}
