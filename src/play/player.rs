//! Owns `Play`, the contract between loads and the player that runs them: a live engine, or the simulator in
//! virtual time.

use std::future::{Future, IntoFuture};
use std::time::Duration;

use crate::error::Error;
use crate::play::counts::LiveCounts;
use crate::play::segment::Segment;
use crate::play::stop::StopRule;
use crate::play::trial::Trial;
use crate::play::watched::Watched;

/// Runs segments of load. Queue, cache and clock survive from one segment to the next. A late completion settles
/// into the segment that scheduled it. Implemented by the engine (live) and by the simulator (virtual time).
pub trait Play {
    /// The future trial. It is final when its cohort is decided. The next segment may run before that.
    type Settling: Future<Output = Result<Trial, Error>>;

    /// Runs `segment` until its plan ends or `stop` ends it; returns when the last request has been issued.
    fn play(&mut self, segment: Segment, stop: StopRule)
    -> impl Future<Output = Result<Issued<Self::Settling>, Error>>;

    /// Sends nothing until no request is in flight, so that the backlog of an overload is gone.
    fn rest(&mut self) -> impl Future<Output = ()>;

    /// Sets how long the requests of later loads are followed at most after the load has ended. Requests still open
    /// then are cut off undecided.
    fn follow_at_most(&mut self, drain: Duration);

    /// Seconds since this player began, by the clock of the service.
    fn elapsed_s(&self) -> f64;
}

/// A segment whose last request has been issued. Awaiting it gives its trial.
#[derive(Debug)]
pub struct Issued<S> {
    /// The last counts that the rule saw.
    pub counts: LiveCounts,
    /// The state of the segment when its rule ended it; `None` if something else ended it, or if the rule watches
    /// no requests.
    pub watched: Option<Watched>,
    /// The future trial.
    pub settling: S,
}

impl<S: Future> IntoFuture for Issued<S> {
    type Output = S::Output;
    type IntoFuture = S;

    fn into_future(self) -> S {
        self.settling
    }
}
