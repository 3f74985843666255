//! Owns `Trial`, one segment of load and its summary, and the contract `Play` that a live engine and the simulator share.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::units::{Offset, Window};
use crate::workload::Plan;

/// One stretch of load to play.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its name in the report.
    pub label: String,
    /// What to play.
    pub plan: Arc<Plan>,
}

/// Counts of a segment while it runs. A stop rule is a pure function of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveCounts {
    /// Since the segment began.
    pub elapsed: Offset,
    /// Instants that have passed.
    pub due: u64,
    /// Sends begun.
    pub sent: u64,
    /// Completed.
    pub completed: u64,
    /// Failed, timed out or shed.
    pub missed: u64,
    /// In flight now.
    pub in_flight: u64,
}

/// When to stop a segment before its plan ends.
#[derive(Clone)]
pub enum StopRule {
    /// Play the plan to its end.
    Never,
    /// Stop issuing as soon as this says so.
    When(Arc<dyn Fn(&LiveCounts) -> bool + Send + Sync>),
}

impl fmt::Debug for StopRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "Never",
            Self::When(_) => "When(…)",
        })
    }
}

/// How the issuing of a segment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Every planned request was issued.
    Complete,
    /// A stop rule ended it.
    Stopped,
    /// A signal ended it.
    Interrupted,
}

/// Requests in flight, as the player counted them event by event.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Concurrency {
    /// The most at any instant.
    pub peak: u64,
    /// ∫ requests in flight dt from the first send to the last settle, in request-seconds (Little's law check).
    pub integral_s: f64,
}

/// What one segment of load showed. Search and sizing see nothing else.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Its name in the report.
    pub label: String,
    /// The measured window, cut short when the segment was.
    pub window: Window,
    /// When the drain ended.
    pub drain_end: Offset,
    /// How the issuing ended.
    pub ended: Ended,
    /// Planned after the instant at which the segment was cut short.
    pub not_due: u64,
    /// Requests in flight.
    pub concurrency: Concurrency,
}

/// Plays segments of load. Queue, cache and clock survive from one segment to the next; late completions settle into the segment
/// that scheduled them. Implemented by the engine (live) and by the simulator (virtual time).
pub trait Play {
    /// The trial to come: final when its cohort is decided. The next segment may be played before that.
    type Settling: Future<Output = Result<Trial, Error>>;

    /// Plays `segment` until its plan ends or `stop` says so; returns when the last request has been issued.
    fn play(&mut self, segment: Segment, stop: StopRule) -> impl Future<Output = Result<Self::Settling, Error>>;
}
