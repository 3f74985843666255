//! Owns `Outcome`: how a search ended, as stored in results.

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::search::Axis;

/// How a search ended. In JSON it is a word: `found`, `max_rate_reached`, `budget_spent`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Outcome {
    /// The interval is as narrow as requested.
    Found,
    /// The highest level that may be sent meets the objectives.
    MostReached(Axis),
    /// The budget is spent: the interval is as narrow as the budget allowed.
    BudgetSpent,
    /// More probes would not narrow the interval.
    Unsettled,
    /// The unloaded service misses an objective, or the lowest level of interest does.
    Infeasible,
    /// The service stopped answering.
    TargetLost,
    /// The generator failed to follow the plan, several loads in a row.
    GeneratorUnfit,
}

impl Outcome {
    const WORDS: [(Self, &'static str); 10] = [
        (Self::Found, "found"),
        (Self::MostReached(Axis::Rate), "max_rate_reached"),
        (Self::MostReached(Axis::Sessions), "max_session_rate_reached"),
        (Self::MostReached(Axis::Concurrency), "max_concurrency_reached"),
        (Self::MostReached(Axis::TimeScale), "max_time_scale_reached"),
        (Self::BudgetSpent, "budget_spent"),
        (Self::Unsettled, "unsettled"),
        (Self::Infeasible, "infeasible"),
        (Self::TargetLost, "target_lost"),
        (Self::GeneratorUnfit, "generator_unfit"),
    ];
}

impl From<Outcome> for &'static str {
    fn from(outcome: Outcome) -> Self {
        Outcome::WORDS.iter().find(|(known, _)| *known == outcome).map_or("", |(_, word)| word)
    }
}

impl TryFrom<String> for Outcome {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        let known = Self::WORDS.iter().find(|(_, word)| *word == text).map(|(outcome, _)| *outcome);
        let accepted = || format!("accepted is {}", Self::WORDS.map(|(_, word)| word).join(", "));
        known.ok_or_else(|| Refusal::new(format!("`{text}` is not an outcome of a search"), accepted()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_reads_back_from_its_word() {
        for (outcome, word) in Outcome::WORDS {
            assert_eq!(serde_json::to_string(&outcome).unwrap(), format!("\"{word}\""));
            assert_eq!(serde_json::from_str::<Outcome>(&format!("\"{word}\"")).unwrap(), outcome);
        }
        assert!(serde_json::from_str::<Outcome>("\"tired\"").is_err());
    }
}
