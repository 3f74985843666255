//! Owns `Observer`, which watches a segment while it runs.

use crate::clock::RunClock;
use crate::metrics::{Course, Summary};
use crate::play::counts::LiveCounts;
use crate::play::segment::Segment;
use crate::record::Record;
use crate::units::Offset;

/// The state of a running segment.
#[derive(Debug)]
pub struct Look<'a> {
    /// Its counts so far.
    pub counts: LiveCounts,
    /// The summary of the records that have settled.
    pub summary: &'a Summary,
}

/// Watches one segment: a progress line, a writer of records, a live view. It is called where records are
/// collected, apart from the sending: it may be slow and cannot delay a send. It sees every event; events that it
/// has not yet seen wait.
pub trait Observer {
    /// The segment begins; its instants are offsets from the origin of `clock`.
    fn begins(&mut self, _segment: &Segment, _clock: RunClock) {}

    /// A request has settled.
    fn settled(&mut self, _record: &Record) {}

    /// The course of the segment changed at `_now`: its window was moved or closed, or it was stopped.
    fn turned(&mut self, _course: Course, _now: Offset) {}

    /// Called some tens of times a second until the last request has settled, even if nothing settles.
    fn tick(&mut self, _look: &Look<'_>) {}
}

/// An observer that does nothing.
impl Observer for () {}

/// A closure that receives every settled request.
impl<F: FnMut(&Record)> Observer for F {
    fn settled(&mut self, record: &Record) {
        self(record);
    }
}

/// An observer that may be absent.
impl<Inner: Observer> Observer for Option<Inner> {
    fn begins(&mut self, segment: &Segment, clock: RunClock) {
        if let Some(inner) = self {
            inner.begins(segment, clock);
        }
    }

    fn settled(&mut self, record: &Record) {
        if let Some(inner) = self {
            inner.settled(record);
        }
    }

    fn turned(&mut self, course: Course, now: Offset) {
        if let Some(inner) = self {
            inner.turned(course, now);
        }
    }

    fn tick(&mut self, look: &Look<'_>) {
        if let Some(inner) = self {
            inner.tick(look);
        }
    }
}

/// Two observers, called one after the other.
impl<One: Observer, Other: Observer> Observer for (One, Other) {
    fn begins(&mut self, segment: &Segment, clock: RunClock) {
        self.0.begins(segment, clock);
        self.1.begins(segment, clock);
    }

    fn settled(&mut self, record: &Record) {
        self.0.settled(record);
        self.1.settled(record);
    }

    fn turned(&mut self, course: Course, now: Offset) {
        self.0.turned(course, now);
        self.1.turned(course, now);
    }

    fn tick(&mut self, look: &Look<'_>) {
        self.0.tick(look);
        self.1.tick(look);
    }
}
