//! Owns `Recording`: the lengths, prefix blocks and sessions of a trace, row by row, their provenance, and their
//! replay.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::schedule::{Recorded, TimeScale, Timeline};
use crate::trace::{BlockPool, Bodies, Format, Pauses, Row, Selection, Sessions, natural_length};
use crate::units::{Offset, Window, is_unsaid};
use crate::workload::{Arranged, Dropped, Removal, Turns};

/// Where recorded requests come from, and which were taken: rows + copies = scheduled + all dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The file, as named.
    pub file: String,
    /// The format of the file.
    pub format: Format,
    /// The unit in which the file's times were read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub time_unit: String,
    /// Rows read.
    pub rows: u64,
    /// From the first row read to the last, in seconds of trace time.
    pub span_s: Offset,
    /// Rows planned as requests, `released` ones included.
    pub scheduled: u64,
    /// Later turns of sessions among `scheduled`; each is released when the previous turn has completed. 0 if all
    /// turns are at recorded instants.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub released: u64,
    /// Rows left out, by reason.
    pub dropped: Dropped,
    /// Rows with 0 input or output tokens, planned with 1.
    pub raised: u64,
    /// Rows that were out of order in the file, and were sorted.
    pub out_of_order: u64,
    /// The largest time by which a row in the file came after a later row, in seconds of trace time.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub farthest_back_s: Offset,
    /// The speed-up: recorded instants are divided by this factor.
    pub time_scale: f64,
    /// The span of trace time that was taken; `None` for the whole trace.
    pub window: Option<Window>,
    /// Copies added by a loop or by a rate scale.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub copies: u64,
    /// Sessions planned.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub sessions: u64,
    /// The changes made to the rows, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

/// The requests of a trace: its rows (at least one, 24 bytes each), their blocks and sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    rows: Vec<Row>,
    blocks: BlockPool,
    #[serde(default)]
    bodies: Bodies,
    sessions: Sessions,
    turns: Order,
    provenance: Provenance,
}

/// When the turns of a session are sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Order {
    /// All turns at recorded instants. Holds the turn of each row in its session; empty without sessions.
    Recorded(Vec<u32>),
    /// Each turn after the end of the previous turn.
    AfterCompletion(Box<Turns>),
}

impl Recording {
    /// Adds a sentence about a change made to the rows.
    pub fn note(&mut self, change: String) {
        self.provenance.changes.push(change);
    }

    /// Where the recording comes from.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Number of requests; at least one.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Input and output tokens of request `id`.
    #[must_use]
    pub(crate) fn tokens(&self, id: u64) -> (u32, u32) {
        let row = self.row(id);
        (row.input_tokens, row.output_tokens)
    }

    /// The prefix blocks of request `id`. The last block is partial if it ends the prompt. Each copy has its own ids:
    /// prefixes repeat within a copy as recorded, but never between copies. Otherwise copies would cause cache hits
    /// that the trace does not have.
    #[must_use]
    pub fn blocks(&self, id: u64) -> impl ExactSizeIterator<Item = u64> {
        let row = self.row(id);
        let apart = u64::from(row.copy) << 48;
        self.blocks.ids(row.place).iter().map(move |id| id.wrapping_add(apart))
    }

    /// The body of request `id`, if the trace has it.
    #[must_use]
    pub fn body(&self, id: u64) -> Option<&str> {
        self.bodies.of(self.row(id).place)
    }

    /// The number of requests with a body of the trace.
    #[must_use]
    pub fn with_body(&self) -> u64 {
        self.rows.iter().filter(|row| self.bodies.of(row.place).is_some()).count() as u64
    }

    /// Tokens of a prefix block.
    #[must_use]
    pub(crate) fn block_tokens(&self) -> u32 {
        self.blocks.block_tokens()
    }

    /// The session of request `id` and its turn in the session, from 0. A copy has another session than its original.
    #[must_use]
    pub(crate) fn session(&self, id: u64) -> Option<(u64, u32)> {
        let session = session_of(&self.sessions, self.row(id))?;
        let turn = match &self.turns {
            Order::Recorded(turns) => turns.get((id % self.requests()) as usize).copied().unwrap_or(0),
            Order::AfterCompletion(turns) => turns.turn(id),
        };
        Some((session, turn))
    }

    /// The turns that wait for each other; `None` if all turns are at recorded instants.
    #[must_use]
    pub fn turns(&self) -> Option<&Turns> {
        match &self.turns {
            Order::Recorded(_) => None,
            Order::AfterCompletion(turns) => Some(turns),
        }
    }

    /// Whether any request has prefix blocks.
    #[must_use]
    pub(crate) fn has_blocks(&self) -> bool {
        !self.blocks.is_empty() && self.rows.iter().any(|row| !self.blocks.ids(row.place).is_empty())
    }

    /// Row `id`; after the last row the first follows again.
    fn row(&self, id: u64) -> &Row {
        &self.rows[(id % self.requests()) as usize]
    }
}

fn session_of(sessions: &Sessions, row: &Row) -> Option<u64> {
    sessions.of(row.place).map(|session| u64::from(row.copy) * u64::from(sessions.number()) + u64::from(session))
}

/// The timeline and the requests of a selection from the trace in `file`, `scale` times as fast, with every turn at
/// its recorded instant. `None` if the selection is empty.
#[must_use]
pub fn replay(selection: Selection, scale: TimeScale, file: &str) -> Option<(Timeline, Recording)> {
    let recorded = Recorded::new(selection.trace.rows().iter().map(|row| row.at), selection.length, scale)?;
    let (mut provenance, rows, blocks, bodies, sessions) = taken(selection, scale, file);
    let mut turns = Vec::new();
    if sessions.number() > 0 {
        let mut reached: HashMap<u64, u32> = HashMap::new();
        turns.extend(rows.iter().map(|row| {
            let Some(session) = session_of(&sessions, row) else { return 0 };
            let next = reached.entry(session).or_default();
            std::mem::replace(next, *next + 1)
        }));
        provenance.sessions = reached.len() as u64;
    }
    Some((
        Timeline::recorded(recorded),
        Recording { rows, blocks, bodies, sessions, turns: Order::Recorded(turns), provenance },
    ))
}

/// Like [`replay`], but only the first turn of each session is at its recorded instant. Each later turn waits for the
/// end of the previous turn, and then for its pause in `pauses`. The window is that of all rows.
#[must_use]
pub fn replay_after_completion(
    selection: Selection,
    scale: TimeScale,
    file: &str,
    pauses: &Pauses,
) -> Option<(Timeline, Recording)> {
    let length = selection.length.unwrap_or_else(|| natural_length(selection.trace.rows()));
    let (mut provenance, mut rows, blocks, bodies, sessions) = taken(selection, scale, file);
    let turns = Arranged::new(&mut rows, pauses, scale, |row| session_of(&sessions, row));
    let planned = &rows[..turns.planned() as usize];
    let recorded = Recorded::new(planned.iter().map(|row| row.at), Some(length), scale)?;
    provenance.sessions = planned.iter().filter(|row| sessions.of(row.place).is_some()).count() as u64;
    provenance.released = turns.later();
    provenance.changes.push(pauses.sentence());
    if provenance.window.is_some() {
        provenance.changes.push(
            "of each session, only the turns recorded inside the window are taken; the first of them starts it"
                .to_owned(),
        );
    }
    Some((
        Timeline::recorded(recorded),
        Recording {
            rows,
            blocks,
            bodies,
            sessions,
            turns: Order::AfterCompletion(Box::new(Turns::Arranged(turns))),
            provenance,
        },
    ))
}

/// The provenance of a selection, and its rows, blocks, bodies and sessions.
type Taken = (Provenance, Vec<Row>, BlockPool, Bodies, Sessions);

fn taken(selection: Selection, scale: TimeScale, file: &str) -> Taken {
    let Selection { trace, window, read, read_span, dropped, raised, copies, length: _, changes } = selection;
    let provenance = Provenance {
        file: file.to_owned(),
        format: trace.format(),
        time_unit: trace.time_unit().to_owned(),
        rows: read,
        span_s: read_span,
        scheduled: trace.rows().len() as u64,
        released: 0,
        dropped: dropped.into_iter().map(|(reason, rows)| (Removal::Row(reason), rows)).collect(),
        raised,
        out_of_order: trace.out_of_order(),
        farthest_back_s: trace.farthest_back().into(),
        time_scale: scale.factor(),
        window,
        copies,
        sessions: 0,
        changes,
    };
    let (rows, blocks, bodies, sessions) = trace.into_parts();
    (provenance, rows, blocks, bodies, sessions)
}
