//! Owns `Observer`: who watches a segment while it is played.

use crate::clock::RunClock;
use crate::metrics::{Course, Summary};
use crate::play::counts::LiveCounts;
use crate::play::segment::Segment;
use crate::record::Record;
use crate::units::Offset;

/// A look at a segment that is being played.
#[derive(Debug)]
pub struct Look<'a> {
    /// Its counts so far.
    pub counts: LiveCounts,
    /// What the records that have settled say.
    pub summary: &'a Summary,
}

/// Watches one segment: a progress line, a writer of records, a live view. It is called where records are collected,
/// beside the sending: it may be slow, and cannot delay a send. Nothing passes it by; what it has not yet seen waits.
pub trait Observer {
    /// The segment begins; its instants count from the origin of `clock`.
    fn begins(&mut self, _segment: &Segment, _clock: RunClock) {}

    /// A request has settled.
    fn settled(&mut self, _record: &Record) {}

    /// The segment was turned at `_now`: its window was moved or closed, or it was stopped.
    fn turned(&mut self, _course: Course, _now: Offset) {}

    /// Some tens of times a second, until the last request has settled; even while nothing settles.
    fn tick(&mut self, _look: &Look<'_>) {}
}

/// Nobody watches.
impl Observer for () {}

/// Hears of every settled request.
impl<F: FnMut(&Record)> Observer for F {
    fn settled(&mut self, record: &Record) {
        self(record);
    }
}

/// One behind the other.
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
