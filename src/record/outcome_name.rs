//! Owns `OutcomeName`: how a request ended, without the failure that an outcome may carry.

use serde::{Deserialize, Serialize};

use crate::record::Outcome;

/// How a request ended, without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeName {
    /// It completed.
    Completed,
    /// It failed.
    Failed,
    /// It exceeded the timeout.
    TimedOut,
    /// It was open when the drain ended.
    Unresolved,
    /// It was not sent: the cap on requests in flight was reached.
    Shed,
    /// The plan cancelled it.
    Cancelled,
    /// A later turn of a session whose earlier turn failed.
    Skipped,
    /// Our own task died.
    Abandoned,
}

impl From<&Outcome> for OutcomeName {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Completed => Self::Completed,
            Outcome::Failed(_) => Self::Failed,
            Outcome::TimedOut => Self::TimedOut,
            Outcome::Unresolved => Self::Unresolved,
            Outcome::Shed => Self::Shed,
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Skipped => Self::Skipped,
            Outcome::Abandoned => Self::Abandoned,
        }
    }
}
