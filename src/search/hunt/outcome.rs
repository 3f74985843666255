//! Owns `Outcome`: how a search ended, as results keep it.

use serde::{Deserialize, Serialize};

use crate::search::Over;

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The interval is as narrow as was asked.
    Found,
    /// The highest rate that may be sent meets the objectives.
    MaxRateReached,
    /// The most requests in flight that may be do.
    MaxConcurrencyReached,
    /// The highest time scale that may be played does.
    MaxTimeScaleReached,
    /// The budget is spent: the interval is what it bought.
    BudgetSpent,
    /// The unloaded service misses an objective, or the lowest load of interest does.
    Infeasible,
    /// The service stopped answering.
    TargetLost,
    /// The generator could not do what was planned, several loads in a row.
    GeneratorUnfit,
}

impl Outcome {
    /// That the most of what a search varies was reached.
    pub(super) const fn most_reached(over: Over) -> Self {
        match over {
            Over::Rate => Self::MaxRateReached,
            Over::Concurrency => Self::MaxConcurrencyReached,
            Over::TimeScale => Self::MaxTimeScaleReached,
        }
    }
}
