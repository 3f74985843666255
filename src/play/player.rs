//! Owns `Play`, the contract between loads and whoever plays them: a live engine, or the simulator in virtual time.

use std::future::{Future, IntoFuture};
use std::time::Duration;

use crate::error::Error;
use crate::play::counts::LiveCounts;
use crate::play::segment::Segment;
use crate::play::stop::StopRule;
use crate::play::trial::Trial;
use crate::play::watched::Watched;

/// Plays segments of load. Queue, cache and clock survive from one segment to the next; late completions settle into
/// the segment that scheduled them. Implemented by the engine (live) and by the simulator (virtual time).
pub trait Play {
    /// The trial to come: final when its cohort is decided. The next segment may be played before that.
    type Settling: Future<Output = Result<Trial, Error>>;

    /// Plays `segment` until its plan ends or `stop` says so; returns when the last request has been issued.
    fn play(&mut self, segment: Segment, stop: StopRule)
    -> impl Future<Output = Result<Issued<Self::Settling>, Error>>;

    /// Sends nothing until nothing that was sent is in flight any more: after an overload, the backlog is gone.
    fn rest(&mut self) -> impl Future<Output = ()>;

    /// Follows the requests of the loads to come no longer than this after their load has ended; what is open then is
    /// cut off undecided.
    fn follow_at_most(&mut self, drain: Duration);

    /// Seconds since this began to play, by the clock of the service.
    fn elapsed_s(&self) -> f64;
}

/// A segment whose last request has been issued. Awaited, it becomes its trial.
#[derive(Debug)]
pub struct Issued<S> {
    /// The counts that the rule saw last.
    pub counts: LiveCounts,
    /// How the segment stood when its rule ended it; none where something else ended it, or the rule watches nothing.
    pub watched: Option<Watched>,
    /// The trial to come.
    pub settling: S,
}

impl<S: Future> IntoFuture for Issued<S> {
    type Output = S::Output;
    type IntoFuture = S;

    fn into_future(self) -> S {
        self.settling
    }
}
