//! Owns `ByTurn`: the requests of sessions by their turn, and how sessions ended.

use serde::{Deserialize, Serialize};

use crate::metrics::{Distribution, Metric, OriginOf, input_tokens};
use crate::record::{Outcome, Record};

/// Turns with figures of their own. The turns after them are counted together.
pub const TURNS_APART: usize = 5;

/// How the sessions of a run ended. Only sessions whose later turns wait for the previous turn are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionCounts {
    /// Sessions whose first turn came due.
    pub begun: u64,
    /// Sessions of which every turn completed.
    pub finished: u64,
    /// Sessions that ended with a turn that was lost: failed, timed out, shed, cancelled or abandoned.
    pub lost: u64,
}

impl SessionCounts {
    /// Sessions that the run ended before they did.
    #[must_use]
    pub const fn unfinished(&self) -> u64 {
        self.begun.saturating_sub(self.finished + self.lost)
    }

    fn add(&mut self, record: &Record, turn: u32, turns: u32) {
        self.begun += u64::from(turn == 0);
        match record.exchange.outcome {
            Outcome::Completed => self.finished += u64::from(turn + 1 == turns),
            Outcome::Failed(_) | Outcome::TimedOut | Outcome::Shed | Outcome::Cancelled | Outcome::Abandoned => {
                self.lost += 1;
            }
            Outcome::Unresolved | Outcome::Skipped => {}
        }
    }

    const fn merge(&mut self, other: &Self) {
        self.begun += other.begun;
        self.finished += other.finished;
        self.lost += other.lost;
    }
}

/// The requests of one turn, or of all later turns together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OfTurn {
    /// Requests that were not skipped.
    pub requests: u64,
    /// Those that completed.
    pub completed: u64,
    /// The input tokens of the completed requests.
    pub input_tokens: u64,
    /// Time to the first token, from the planned instant or the release.
    pub ttft: Distribution,
    /// Time to the end of the answer, from the planned instant or the release.
    pub e2e: Distribution,
}

impl Default for OfTurn {
    fn default() -> Self {
        Self {
            requests: 0,
            completed: 0,
            input_tokens: 0,
            ttft: Distribution::new(Metric::Ttft),
            e2e: Distribution::new(Metric::E2e),
        }
    }
}

impl OfTurn {
    fn add(&mut self, record: &Record) {
        let completed = record.exchange.outcome == Outcome::Completed;
        self.requests += 1;
        self.completed += u64::from(completed);
        self.input_tokens += input_tokens(record).filter(|_| completed).unwrap_or(0);
        self.ttft.add(Metric::Ttft.value(record, OriginOf::Scheduled), completed);
        self.e2e.add(Metric::E2e.value(record, OriginOf::Scheduled), completed);
    }

    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.completed += other.completed;
        self.input_tokens += other.input_tokens;
        self.ttft.merge(&other.ttft);
        self.e2e.merge(&other.e2e);
    }
}

/// The requests of sessions by turn, over a cohort, and the sessions of the whole run. Empty without sessions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ByTurn {
    sessions: SessionCounts,
    /// The first turns, then all later turns together.
    turns: Vec<OfTurn>,
}

impl ByTurn {
    /// Adds a record; `in_cohort` says whether its instant lies in the measured window.
    pub(super) fn add(&mut self, record: &Record, in_cohort: bool) {
        let (Some(turn), Some(turns)) = (record.turn, record.turns) else { return };
        self.sessions.add(record, turn, turns);
        if let Some(place) = Self::place_of(record).filter(|_| in_cohort) {
            self.of(place).add(record);
        }
    }

    /// The place of `record` among [`ByTurn::turns`]; `None` for a skipped turn, and without sessions whose later turns
    /// wait for the previous turn.
    #[must_use]
    pub fn place_of(record: &Record) -> Option<usize> {
        let turn = record.turn.filter(|_| record.turns.is_some() && record.exchange.outcome != Outcome::Skipped)?;
        Some((turn as usize).min(TURNS_APART))
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.sessions.merge(&other.sessions);
        for (place, theirs) in other.turns.iter().enumerate() {
            self.of(place).merge(theirs);
        }
    }

    /// How the sessions of the run ended.
    #[must_use]
    pub const fn sessions(&self) -> SessionCounts {
        self.sessions
    }

    /// The figures of the first turns in their order, then those of all later turns together ([`TURNS_APART`]).
    #[must_use]
    pub fn turns(&self) -> &[OfTurn] {
        &self.turns
    }

    fn of(&mut self, place: usize) -> &mut OfTurn {
        if self.turns.len() <= place {
            self.turns.resize_with(place + 1, OfTurn::default);
        }
        &mut self.turns[place]
    }

    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.turns.iter().map(|turn| turn.ttft.heap_bytes() + turn.e2e.heap_bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::examples::streamed;
    use crate::record::{Failure, FailureClass};

    #[test]
    fn sessions_end_in_one_way_each_and_late_turns_are_pooled() {
        let mut seen = ByTurn::default();
        let mut settle = |session: u64, turn: u32, turns: u32, outcome: Outcome| {
            let mut record = streamed(session, 0.0, 0.1, 4, 0.01);
            (record.session, record.turn, record.turns) = (Some(session), Some(turn), Some(turns));
            record.exchange.outcome = outcome;
            seen.add(&record, true);
        };
        (0..8).for_each(|turn| settle(0, turn, 8, Outcome::Completed));
        settle(1, 0, 3, Outcome::Completed);
        settle(1, 1, 3, Outcome::Failed(Failure::new(FailureClass::Status, "status 500")));
        settle(1, 2, 3, Outcome::Skipped);
        settle(2, 0, 2, Outcome::Completed);
        settle(3, 0, 2, Outcome::Unresolved);
        settle(4, 0, 1, Outcome::TimedOut);
        assert_eq!(seen.sessions(), SessionCounts { begun: 5, finished: 1, lost: 2 });
        assert_eq!(seen.sessions().unfinished(), 2);
        let requests: Vec<u64> = seen.turns().iter().map(|turn| turn.requests).collect();
        assert_eq!(requests, [5, 2, 1, 1, 1, 3]);
        let mut other = ByTurn::default();
        other.add(&streamed(0, 0.0, 0.1, 4, 0.01), true);
        assert!(other.turns().is_empty(), "a request without a session has no turn");
        other.merge(&seen);
        assert_eq!((other.sessions(), other.turns().len()), (seen.sessions(), 6));
    }
}
