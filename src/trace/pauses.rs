//! Owns `Pauses`: the recorded order of the turns of each session, and the think time before each turn.

use std::fmt;
use std::time::Duration;

use crate::error::Refusal;
use crate::trace::Trace;
use crate::units::{Offset, count};

/// When the later turns of a session are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Think {
    /// At their recorded instants, whatever happened to the previous turn (open loop).
    #[default]
    Recorded,
    /// When the previous turn has completed and the think time has passed (released).
    AfterCompletion,
}

impl Think {
    /// The name that users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::AfterCompletion => "after-completion",
        }
    }
}

impl std::str::FromStr for Think {
    type Err = Refusal;

    /// Reads `recorded`, `after-completion`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        [Self::Recorded, Self::AfterCompletion].into_iter().find(|think| think.name() == text.trim()).ok_or_else(|| {
            Refusal::new(format!("`{text}` is not a way to time turns"), "accepted is recorded or after-completion")
        })
    }
}

impl fmt::Display for Think {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// For each row, by its place, the turn in its session and the think time before that turn. With these a session can
/// be sent turn after turn, whatever changes the instants of its rows.
///
/// The think time is the recorded time from the end of the previous turn to the start of this turn. When the trace does
/// not say when responses ended, it is the whole time between the two starts, the only pause that was recorded. The
/// session then lasts longer than the recorded one, by the time of its responses. A turn that began before the previous
/// turn ended (parallel agents) follows it at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pauses {
    /// The pause of each row, by place.
    rows: Vec<Pause>,
    /// Number of turns that wait for a previous turn.
    later: u64,
    /// Number of think times between two starts, because the end of a response is unknown.
    from_starts: u64,
    /// Number of turns that began before the previous turn ended.
    overlapping: u64,
    /// Number of think times cut to `cap`.
    cut: u64,
    /// Maximum think time.
    cap: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Pause {
    turn: u32,
    think: Duration,
}

impl Pauses {
    /// The pauses of the rows taken from a trace, before rows are copied or moved. No pause is longer than `cap`.
    #[must_use]
    pub fn of(trace: &Trace, cap: Option<Duration>) -> Self {
        let sessions = trace.sessions();
        let places = trace.rows().iter().map(|row| row.place as usize + 1).max().unwrap_or(0);
        let mut pauses = Self { rows: vec![Pause::default(); places], cap, ..Self::default() };
        let mut reached: Vec<Option<(Pause, Offset, Option<Duration>)>> = vec![None; sessions.number() as usize];
        for row in trace.rows() {
            let Some(session) = sessions.of(row.place) else { continue };
            let before = &mut reached[session as usize];
            let pause = before.map_or_else(Pause::default, |(before, began, took)| {
                let think = pauses.think_between(row.at.since(began), took);
                Pause { turn: before.turn + 1, think }
            });
            pauses.rows[row.place as usize] = pause;
            *before = Some((pause, row.at, trace.answer_times().of(row.place)));
        }
        pauses
    }

    /// The pause between two turns that began `gap` apart, when the first had the response time `took`. Counts the
    /// pause by how it was found.
    fn think_between(&mut self, gap: Duration, took: Option<Duration>) -> Duration {
        self.later += 1;
        self.from_starts += u64::from(took.is_none());
        self.overlapping += u64::from(took.is_some_and(|took| took > gap));
        let think = gap.saturating_sub(took.unwrap_or_default());
        let cap = self.cap.unwrap_or(Duration::MAX);
        self.cut += u64::from(think > cap);
        think.min(cap)
    }

    /// The turn of the row at `place` in its session, from 0; 0 without a session.
    pub(crate) fn turn(&self, place: u32) -> u32 {
        self.rows.get(place as usize).map_or(0, |pause| pause.turn)
    }

    /// The think time before the row at `place`; 0 when it has no previous turn.
    pub(crate) fn think(&self, place: u32) -> Duration {
        self.rows.get(place as usize).map_or(Duration::ZERO, |pause| pause.think)
    }

    /// The number of turns that wait for a previous turn.
    #[must_use]
    pub fn later(&self) -> u64 {
        self.later
    }

    /// A sentence that says how the think times were found.
    #[must_use]
    pub fn sentence(&self) -> String {
        let from_ends = self.later - self.from_starts;
        let rest = match (from_ends, self.from_starts) {
            (_, 0) => "between its answer's end and their start".to_owned(),
            (0, _) => "between both starts, as the trace does not say when answers ended: sessions last longer by \
                their answers"
                .to_owned(),
            (ends, starts) => format!(
                "between its answer's end and their start ({}), or between both starts where no end is recorded ({})",
                count(ends),
                count(starts)
            ),
        };
        let mut text = format!(
            "think {}: later turns wait for the turn before, then think for the recorded time {rest}",
            Think::AfterCompletion
        );
        if self.overlapping > 0 {
            text.extend([
                "; ",
                &count(self.overlapping),
                " began before the turn before had ended and follow it at once",
            ]);
        }
        if self.cut > 0 {
            text.extend(["; ", &count(self.cut), " think times are cut to the option gap-cap"]);
        }
        text
    }
}
