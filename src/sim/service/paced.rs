//! Owns `Paced`: a service whose speed changes over time.

use std::collections::VecDeque;

use crate::sim::service::pace::Piece;
use crate::sim::service::{Call, Pace, Reply, Service};
use crate::units::Offset;

/// A service whose speed follows a [`Pace`]: one second of work at speed 1 takes two seconds at speed 0.5, and at
/// speed 0 the service stands still. Requests in service slow down too.
///
/// The inner service runs on a clock of its own. This clock counts work done, the integral of the speed.
#[derive(Debug, Clone)]
pub struct Paced<S> {
    service: S,
    pace: Pace,
    /// The pieces needed so far; pieces that end before the latest arrival are dropped.
    stretches: VecDeque<Stretch>,
    next: Option<Offset>,
}

/// A piece and where it begins.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    start_s: f64,
    done_s: f64,
    piece: Piece,
}

impl Stretch {
    /// Work done in the first `after_s` seconds of this stretch.
    fn work_s(&self, after_s: f64) -> f64 {
        let Piece { length_s, from, to } = self.piece;
        let slope = if length_s.is_finite() && length_s > 0.0 { (to - from) / length_s } else { 0.0 };
        after_s * (from + 0.5 * slope * after_s)
    }

    fn end_s(&self) -> f64 {
        self.start_s + self.piece.length_s
    }

    fn end_done_s(&self) -> f64 {
        let Piece { length_s, from, to } = self.piece;
        if length_s.is_finite() { self.done_s + 0.5 * length_s * (from + to) } else { f64::INFINITY }
    }

    /// The instant at which this much work is done; it must lie inside this stretch.
    fn when_s(&self, done_s: f64) -> f64 {
        let Piece { length_s, from, to } = self.piece;
        let work_s = (done_s - self.done_s).max(0.0);
        let slope = if length_s.is_finite() && length_s > 0.0 { (to - from) / length_s } else { 0.0 };
        // Of work = from·t + slope·t²/2, take the root that stays exact where the slope is small.
        let speed = libm::sqrt((from * from + 2.0 * slope * work_s).max(0.0));
        let after_s = if from + speed > 0.0 { 2.0 * work_s / (from + speed) } else { 0.0 };
        self.start_s + after_s.min(length_s)
    }
}

/// The work done by `at`; stretches that end before `at` are dropped.
fn work_at(stretches: &mut VecDeque<Stretch>, pace: &mut Pace, at: Offset) -> Offset {
    let at_s = at.as_secs();
    while stretches.back().is_none_or(|last| last.end_s() < at_s) {
        extend(stretches, pace);
    }
    while stretches.len() > 1 && stretches.front().is_some_and(|first| first.end_s() < at_s) {
        stretches.pop_front();
    }
    stretches.front().map_or(at, |first| Offset::from_secs(first.done_s + first.work_s(at_s - first.start_s)))
}

/// The instant at which this much work is done.
fn when(stretches: &mut VecDeque<Stretch>, pace: &mut Pace, done: Offset) -> Offset {
    let done_s = done.as_secs();
    while stretches.back().is_none_or(|last| last.end_done_s() < done_s) {
        extend(stretches, pace);
    }
    let inside = stretches.iter().find(|stretch| stretch.end_done_s() >= done_s);
    inside.map_or(done, |stretch| Offset::from_secs(stretch.when_s(done_s)))
}

/// Appends the next piece.
fn extend(stretches: &mut VecDeque<Stretch>, pace: &mut Pace) {
    let (start_s, done_s) = stretches.back().map_or((0.0, 0.0), |last| (last.end_s(), last.end_done_s()));
    stretches.push_back(Stretch { start_s, done_s, piece: pace.next_piece() });
}

impl<S: Service> Paced<S> {
    /// Wraps `service`, whose speed then follows this pace.
    #[must_use]
    pub fn new(service: S, pace: Pace) -> Self {
        Self { service, pace, stretches: VecDeque::new(), next: None }
    }

    fn look_ahead(&mut self) {
        self.next = self.service.next_event().map(|done| when(&mut self.stretches, &mut self.pace, done));
    }
}

impl<S: Service + Clone + 'static> Service for Paced<S> {
    fn arrive(&mut self, at: Offset, call: Call) -> Option<Reply> {
        let Self { service, pace, stretches, .. } = self;
        let done = work_at(stretches, pace, at);
        // Rounding must not place a response before its request.
        let reply = service.arrive(done, call).map(|reply| reply.at(|done| when(stretches, pace, done).max(at)));
        self.look_ahead();
        reply
    }

    fn next_event(&self) -> Option<Offset> {
        self.next
    }

    fn advance(&mut self, tell: &mut dyn FnMut(u64, Reply)) {
        let Self { service, pace, stretches, .. } = self;
        service.advance(&mut |tag, reply| tell(tag, reply.at(|done| when(stretches, pace, done))));
        self.look_ahead();
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}
