//! Owns `Watched`, the state of a segment when its rule ended it, and `Ruling`, the decision of a rule on a running
//! segment.

use serde::{Deserialize, Serialize};

use crate::metrics::{Course, Sequence};
use crate::play::growth::Growth;

/// Why a rule ended its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The measurement is complete: a count is reached, the window was sent and its requests were followed, or the
    /// budget is spent.
    Enough,
    /// The measurement is complete, and a higher concurrency adds hardly any throughput: the service is saturated.
    Saturated,
    /// The service refuses more than it completes.
    Refused,
    /// The rest of the window could not change the result.
    Hopeless,
    /// The service has stopped answering.
    Lost,
}

/// The state of a watched segment when its rule ended it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watched {
    /// Why the rule ended it.
    pub reason: StopReason,
    /// How the number in flight grew over the window; `None` if this says nothing.
    pub growth: Option<Growth>,
    /// The requests in their state at that instant. The trial has their final state.
    pub sequence: Sequence,
}

/// The decision of a rule on a running segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ruling {
    /// The segment continues, with this change to its window.
    Turn(Course),
    /// The segment ends.
    Stop(StopReason, Option<Growth>),
}

impl Ruling {
    pub(super) const GO_ON: Self = Self::Turn(Course::GoOn);

    pub(super) const fn stop(reason: StopReason) -> Self {
        Self::Stop(reason, None)
    }

    pub(super) fn stop_if(reason: StopReason, is_reached: bool) -> Self {
        if is_reached { Self::stop(reason) } else { Self::GO_ON }
    }
}
