//! Owns `Play`, the contract between loads and whoever plays them: a live engine, or the simulator in virtual time.

use std::future::Future;
use std::time::Duration;

use crate::error::Error;
use crate::play::segment::Segment;
use crate::play::steering::StopRule;
use crate::play::trial::Trial;

/// Plays segments of load. Queue, cache and clock survive from one segment to the next; late completions settle into
/// the segment that scheduled them. Implemented by the engine (live) and by the simulator (virtual time).
pub trait Play {
    /// The trial to come: final when its cohort is decided. The next segment may be played before that.
    type Settling: Future<Output = Result<Trial, Error>>;

    /// Plays `segment` until its plan ends or `stop` says so; returns when the last request has been issued.
    fn play(&mut self, segment: Segment, stop: StopRule) -> impl Future<Output = Result<Self::Settling, Error>>;

    /// Sends nothing until nothing that was sent is in flight any more: after an overload, the backlog is gone.
    fn rest(&mut self) -> impl Future<Output = ()>;

    /// Follows the requests of the loads to come no longer than this after their load has ended; what is open then is
    /// cut off undecided.
    fn follow_at_most(&mut self, drain: Duration);

    /// Seconds since this began to play, by the clock of the service.
    fn elapsed_s(&self) -> f64;
}
