//! Owns `Turns`: sessions whose later turns wait for the previous turn. The next turn and its instant are a pure
//! function of how a turn ended.

use serde::{Deserialize, Serialize};

use crate::record::Outcome;
use crate::units::Offset;
use crate::workload::arranged::Arranged;
use crate::workload::{Conversations, LaterTurns};

/// The later turns of the sessions of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Turns {
    /// The sessions of a trace.
    Arranged(Arranged),
    /// Sessions of a law. They are drawn again from the plan's seed in another process.
    #[serde(skip)]
    Drawn(Conversations),
}

/// What the end of a turn means for the following turns of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sequel {
    /// The next turn, `id`, is released at `at`.
    Release {
        /// The next turn's number in the plan.
        id: u64,
        /// The end of the previous turn plus the think time.
        at: Offset,
    },
    /// None of these turns is ever released: the turn was lost, and a session does not continue without its answer.
    Skip(LaterTurns),
    /// None of these turns has come due: the run ended before the turn did.
    NotDue(LaterTurns),
}

impl Turns {
    /// Whether any session may have a second turn.
    #[must_use]
    pub fn any_later(&self) -> bool {
        match self {
            Self::Arranged(turns) => turns.later() > 0,
            Self::Drawn(turns) => turns.any_later(),
        }
    }

    /// Whether request `id` waits for another request.
    #[must_use]
    pub fn is_later(&self, id: u64) -> bool {
        match self {
            Self::Arranged(turns) => turns.is_later(id),
            Self::Drawn(turns) => turns.turn(id) > 0,
        }
    }

    /// The turns after `id` in its session, in their order.
    #[must_use]
    pub fn after(&self, id: u64) -> LaterTurns {
        match self {
            Self::Arranged(turns) => turns.after(id),
            Self::Drawn(turns) => turns.after(id),
        }
    }

    /// The turn of `id` in its session, from 0.
    #[must_use]
    pub(crate) fn turn(&self, id: u64) -> u32 {
        match self {
            Self::Arranged(turns) => turns.turn(id),
            Self::Drawn(turns) => turns.turn(id),
        }
    }

    /// The think time before later turn `id`, in nanoseconds.
    pub(super) fn think_ns(&self, id: u64) -> u64 {
        match self {
            Self::Arranged(turns) => turns.think_ns(id),
            Self::Drawn(turns) => turns.think_ns(id),
        }
    }

    /// What follows when turn `id` has ended in `outcome` at `ended`; `None` if it was the last turn. A completed
    /// turn releases the next turn. A lost turn (failed, timed out, shed, cancelled, skipped, abandoned) ends its
    /// session.
    #[must_use]
    pub fn sequel(&self, id: u64, outcome: &Outcome, ended: Offset) -> Option<Sequel> {
        let after = self.after(id);
        let next = after.first()?;
        Some(match outcome {
            Outcome::Completed => {
                let at = Offset::from_nanos(ended.as_nanos().saturating_add(self.think_ns(next)));
                Sequel::Release { id: next, at }
            }
            Outcome::Unresolved => Sequel::NotDue(after),
            Outcome::Failed(_)
            | Outcome::TimedOut
            | Outcome::Shed
            | Outcome::Cancelled
            | Outcome::Skipped
            | Outcome::Abandoned => Sequel::Skip(after),
        })
    }
}
