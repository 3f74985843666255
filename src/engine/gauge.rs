//! Owns the live counts of a segment: observers, stop rules and the in-flight cap read them; nothing waits for them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use crate::metrics::Concurrency;
use crate::play::LiveCounts;
use crate::record::Outcome;
use crate::units::Offset;

/// Live counts of one segment, shared by its workers.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    due: AtomicU64,
    sent: AtomicU64,
    completed: AtomicU64,
    missed: AtomicU64,
    settled: AtomicU64,
    in_flight: Mutex<InFlight>,
}

/// Requests in flight, their peak and their integral over time.
#[derive(Debug, Default)]
struct InFlight {
    count: u64,
    peak: u64,
    /// Σ settling instants − Σ sending instants, in nanoseconds. It equals ∫ in-flight dt once all requests have
    /// settled. Unlike a running sum of count × time, it stays right when reports of two workers come out of order. A
    /// request that is sent and never settles makes it wrong for good.
    area_ns: i128,
}

impl Gauge {
    /// Counts a request that has come due.
    pub(super) fn note_due(&self) {
        self.due.fetch_add(1, Relaxed);
    }

    /// Counts a send that began at `at`.
    pub(super) fn note_sent(&self, at: Offset) {
        self.sent.fetch_add(1, Relaxed);
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.area_ns -= i128::from(at.as_nanos());
        in_flight.count += 1;
        in_flight.peak = in_flight.peak.max(in_flight.count);
    }

    /// Counts a request that settled at `at`; `was_sent` says whether it was counted in flight.
    pub(super) fn note_settled(&self, at: Offset, was_sent: bool, outcome: &Outcome) {
        match outcome {
            Outcome::Completed => _ = self.completed.fetch_add(1, Relaxed),
            Outcome::Failed(_) | Outcome::TimedOut | Outcome::Shed | Outcome::Abandoned => {
                _ = self.missed.fetch_add(1, Relaxed);
            }
            Outcome::Unresolved | Outcome::Cancelled | Outcome::Skipped => {}
        }
        if was_sent {
            let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            in_flight.area_ns += i128::from(at.as_nanos());
            in_flight.count -= 1;
        }
        self.settled.fetch_add(1, Relaxed);
    }

    /// Requests in flight now.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// Requests that have been issued and have not settled.
    pub(super) fn open(&self) -> u64 {
        self.due.load(Relaxed).saturating_sub(self.settled.load(Relaxed))
    }

    /// The counts at `elapsed`.
    pub(super) fn counts(&self, elapsed: Offset) -> LiveCounts {
        LiveCounts {
            elapsed,
            due: self.due.load(Relaxed),
            sent: self.sent.load(Relaxed),
            completed: self.completed.load(Relaxed),
            missed: self.missed.load(Relaxed),
            in_flight: self.in_flight(),
        }
    }

    /// Peak of requests in flight so far, and their integral over time in request-seconds. The integral is right only
    /// when no request is in flight.
    pub(super) fn concurrency(&self) -> Concurrency {
        let in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        Concurrency { peak: in_flight.peak, integral_s: in_flight.area_ns as f64 / 1e9 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_requests_times_seconds() {
        let gauge = Gauge::default();
        let at = |s: f64| Offset::from_secs(s);
        gauge.note_sent(at(1.0));
        gauge.note_sent(at(2.0));
        gauge.note_settled(at(4.0), true, &Outcome::Completed);
        gauge.note_settled(at(5.0), true, &Outcome::TimedOut);
        assert_eq!(gauge.concurrency(), Concurrency { peak: 2, integral_s: 1.0 + 2.0 * 2.0 + 1.0 });
        assert_eq!((gauge.in_flight(), gauge.counts(at(5.0)).completed, gauge.counts(at(5.0)).missed), (0, 1, 1));
    }
}
