//! Owns `Watched`, how a segment stood when its rule ended it, and `Ruling`, what a rule says of a running segment.

use serde::{Deserialize, Serialize};

use crate::metrics::{Course, Sequence};
use crate::play::growth::Growth;

/// Why a rule ended its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// What was asked for is there: a count is reached, the window was sent and its requests were followed, or the
    /// budget is spent.
    Enough,
    /// What was asked for is there, and more in flight bring hardly more: the service is saturated.
    Saturated,
    /// The service refuses more than it completes.
    Refused,
    /// The rest of the window could not mend what was seen.
    Hopeless,
    /// The service does not answer any more.
    Lost,
}

/// How a watched segment stood when its rule ended it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Watched {
    /// Why the rule ended it.
    pub reason: StopReason,
    /// How the number in flight grew over the window; none where that says nothing.
    pub growth: Option<Growth>,
    /// The requests as they stood. The trial has them as they end.
    pub sequence: Sequence,
}

/// What a watching rule says of a running segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ruling {
    /// The segment goes on, its window turned by this.
    Turn(Course),
    /// It ends.
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
