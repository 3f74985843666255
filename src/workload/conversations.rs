//! Owns `Conversations`: sessions of a law, or of the conversations of a data set, with a drawn think time before each
//! later turn.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::seed::{Seed, Stream};
use crate::workload::dataset::Order;
use crate::workload::{LaterTurns, LengthSpec, Replies, ThinkLaw};

/// The law of sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionSpec {
    /// The law of the number of turns; `None`: those of the conversations of a data set.
    turns: Option<LengthSpec>,
    think: ThinkLaw,
    replies: Replies,
    /// Whether the think times are those of the data set, and not of `think`.
    #[serde(default)]
    recorded_think: bool,
}

impl SessionSpec {
    /// The largest number of turns of a session.
    pub const MOST_TURNS: u32 = 1_000;

    /// Sessions of as many turns as `turns` draws, at most 1 000, with a think time of `think` before each later turn.
    /// Refused if a turn number that the law names is larger.
    pub fn new(turns: LengthSpec, think: ThinkLaw) -> Result<Self, Refusal> {
        match turns.bounds().map(|(_, most)| most).filter(|most| *most > Self::MOST_TURNS) {
            Some(most) => Err(Refusal::new(
                format!("a session of {most} turns is out of range"),
                format!("accepted is 1 to {} turns, as in 8 or 2..10", Self::MOST_TURNS),
            )),
            None => Ok(Self { turns: Some(turns), think, replies: Replies::Real, recorded_think: false }),
        }
    }

    /// Sessions of the turns of a data set's conversations, with a think time of `think` before each later turn.
    #[must_use]
    pub const fn of_data(think: ThinkLaw) -> Self {
        Self { turns: None, think, replies: Replies::Real, recorded_think: false }
    }

    /// The same with the think times that the rows of the data set give.
    #[must_use]
    pub fn thinking_as_recorded(self) -> Self {
        Self { recorded_think: true, ..self }
    }

    /// The same with the answers of `replies` in the conversation that later turns carry.
    #[must_use]
    pub fn answered_by(self, replies: Replies) -> Self {
        Self { replies, ..self }
    }

    /// Which answers later turns carry.
    #[must_use]
    pub fn replies(&self) -> Replies {
        self.replies
    }

    /// The laws in one sentence, which differs between any two specs that make different sessions with one seed.
    #[must_use]
    pub fn sentence(&self) -> String {
        let turns = self.turns.as_ref().map_or_else(|| "the data set's".to_owned(), LengthSpec::to_string);
        let think = if self.recorded_think { "the data set's times".to_owned() } else { self.think.to_string() };
        format!(
            "{turns} turns, {think} between an answer and the next turn, which carries the conversation with {} \
             answers",
            self.replies
        )
    }
}

/// Sessions of a law, drawn from a seed (streams `turns`, at the session's number, and `think_times`, at the turn's
/// id).
///
/// The session of arrival i has the number i, and its first turn the id i. Turn t of session i has the id t × 10⁹ + i:
/// a plan has at most 10⁹ arrivals.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversations {
    spec: SessionSpec,
    turns: Stream,
    think_times: Stream,
    /// For a data set: which conversation a session takes, and the row of the first turn of each conversation (and at
    /// last the number of rows).
    rows: Option<(Order, Arc<[u32]>)>,
    /// The think time before each row in nanoseconds, if the data set gives them.
    thinks: Option<Arc<[u64]>>,
}

/// The distance between the ids of two successive turns of a session.
const STRIDE: u64 = 1_000_000_000;

impl Conversations {
    pub(super) fn new(
        spec: SessionSpec,
        rows: Option<(Order, Arc<[u32]>)>,
        thinks: Option<Arc<[u64]>>,
        seed: Seed,
    ) -> Self {
        Self { spec, rows, thinks, turns: seed.stream("turns"), think_times: seed.stream("think_times") }
    }

    /// The session of request `id`.
    pub(super) const fn session(id: u64) -> u64 {
        id % STRIDE
    }

    /// The turn of request `id` in its session, from 0.
    #[expect(clippy::unused_self, reason = "the turns of a trace need their own arrangement")]
    pub(super) const fn turn(&self, id: u64) -> u32 {
        (id / STRIDE) as u32
    }

    /// Whether any session may have a second turn.
    pub(super) fn any_later(&self) -> bool {
        self.spec.turns.as_ref().is_none_or(|turns| turns.bounds().map(|(_, most)| most) != Some(1))
    }

    /// Number of turns of the session of request `id`; at least 1.
    pub(super) fn turns(&self, id: u64) -> u32 {
        let turns = match &self.spec.turns {
            Some(turns) => turns.tokens(&self.turns, Self::session(id)),
            None => self.rows_of(id).map_or(1, |rows| rows.end - rows.start),
        };
        turns.clamp(1, SessionSpec::MOST_TURNS)
    }

    /// The row of request `id` in a data set of conversations, if there is one.
    pub(super) fn row(&self, id: u64) -> Option<usize> {
        let rows = self.rows_of(id)?;
        Some((rows.start + self.turn(id)) as usize).filter(|row| *row < rows.end as usize)
    }

    /// The rows of the conversation of request `id`.
    fn rows_of(&self, id: u64) -> Option<Range<u32>> {
        let (order, starts) = self.rows.as_ref()?;
        let place = order.row(Self::session(id));
        Some(*starts.get(place)?..*starts.get(place + 1)?)
    }

    /// The turns after `id` in its session, in their order.
    pub(super) fn after(&self, id: u64) -> LaterTurns {
        LaterTurns::new(id + STRIDE, STRIDE, self.turns(id).saturating_sub(self.turn(id) + 1))
    }

    /// The turns before `id` in its session, in their order.
    pub(super) fn before(&self, id: u64) -> LaterTurns {
        LaterTurns::new(Self::session(id), STRIDE, self.turn(id))
    }

    /// The think time before later turn `id`, in nanoseconds.
    pub(super) fn think_ns(&self, id: u64) -> u64 {
        let recorded = self.thinks.as_ref().filter(|_| self.spec.recorded_think);
        let recorded = recorded.and_then(|thinks| self.row(id).and_then(|row| thinks.get(row)));
        recorded.copied().unwrap_or_else(|| self.spec.think.draw_ns(&self.think_times, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_pure_function_of_seed_and_number() {
        let of = |seed| {
            let spec = SessionSpec::new("1..5".parse().unwrap(), "exp:2s".parse().unwrap()).unwrap();
            Conversations::new(spec, None, None, Seed::new(seed))
        };
        let turns = of(1);
        let drawn: Vec<u32> = (0..400).map(|session| turns.turns(session)).collect();
        assert_eq!(drawn, (0..400).map(|session| of(1).turns(session)).collect::<Vec<_>>());
        assert_ne!(drawn, (0..400).map(|session| of(2).turns(session)).collect::<Vec<_>>());
        assert!((1..=5).all(|number| drawn.contains(&number)));
        for session in 0..20 {
            let later: Vec<u64> = turns.after(session).collect();
            assert_eq!(later.len() as u32 + 1, turns.turns(session));
            for (place, id) in (1..).zip(&later) {
                assert_eq!(
                    (turns.turn(*id), Conversations::session(*id), turns.turns(*id)),
                    (place, session, turns.turns(session))
                );
                assert_eq!(turns.before(*id).collect::<Vec<_>>(), [&[session], &later[..place as usize - 1]].concat());
            }
        }
    }

    #[test]
    fn a_session_has_at_most_a_thousand_turns() {
        let of = |turns: &str| SessionSpec::new(turns.parse().unwrap(), "0s".parse().unwrap());
        for turns in ["1001", "1..2000"] {
            assert!(of(turns).is_err(), "{turns}");
        }
        let long = Conversations::new(of("lognormal:900,3").unwrap(), None, None, Seed::new(1));
        assert_eq!((0..500).map(|session| long.turns(session)).max(), Some(1_000));
    }
}
