//! Owns `Arranged`: the turns of recorded sessions, with the think time that was recorded before each.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::schedule::TimeScale;
use crate::trace::{Pauses, Row};
use crate::workload::LaterTurns;

/// The later turns of the sessions of a trace.
///
/// Ids below `planned` are requests with a planned instant, in order of time: the first turn of each session, and
/// requests without a session. The later turns follow, session after session in the order of the first turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arranged {
    planned: u64,
    /// For each planned request, the number of later turns before its own later turns; then the number of all later
    /// turns.
    starts: Vec<u32>,
    /// The think time before each later turn, in nanoseconds of the run's clock.
    think_ns: Vec<u64>,
}

impl Arranged {
    /// Puts `rows` into the order of their ids. `pauses` says which turns are first; `session_of` distinguishes
    /// copies. Think times are divided by `scale`, like instants.
    pub(super) fn new(
        rows: &mut Vec<Row>,
        pauses: &Pauses,
        scale: TimeScale,
        session_of: impl Fn(&Row) -> Option<u64>,
    ) -> Self {
        let is_first = |row: &Row| pauses.turn(row.place) == 0;
        let mut later: Vec<Row> = rows.extract_if(.., |row| !is_first(row)).collect();
        let firsts = rows.iter().zip(0u32..).filter_map(|(row, place)| Some((session_of(row)?, place)));
        let place_of: HashMap<u64, u32> = firsts.collect();
        let begun_by = |row: &Row| session_of(row).and_then(|session| place_of.get(&session).copied()).unwrap_or(0);
        later.sort_by_cached_key(|row| (begun_by(row), pauses.turn(row.place)));
        let mut starts = vec![0; rows.len() + 1];
        for row in &later {
            starts[begun_by(row) as usize + 1] += 1;
        }
        for place in 0..rows.len() {
            starts[place + 1] += starts[place];
        }
        let think_ns = later.iter().map(|row| scale.shortened(pauses.think(row.place)).as_nanos() as u64).collect();
        let planned = rows.len() as u64;
        rows.append(&mut later);
        Self { planned, starts, think_ns }
    }

    /// Number of requests with a planned instant.
    pub(super) const fn planned(&self) -> u64 {
        self.planned
    }

    /// Number of later turns.
    pub(super) fn later(&self) -> u64 {
        self.think_ns.len() as u64
    }

    /// Whether request `id` waits for another request.
    pub(super) const fn is_later(&self, id: u64) -> bool {
        id >= self.planned
    }

    /// The turns after `id` in its session, in their order.
    pub(super) fn after(&self, id: u64) -> LaterTurns {
        let own = self.own(id);
        let first = if self.is_later(id) { id + 1 } else { own.start };
        LaterTurns::new(first, 1, (own.end - first) as u32)
    }

    /// The turn of `id` in its session, from 0.
    pub(super) fn turn(&self, id: u64) -> u32 {
        if self.is_later(id) { (id - self.own(id).start) as u32 + 1 } else { 0 }
    }

    /// The think time before later turn `id`, in nanoseconds.
    pub(super) fn think_ns(&self, id: u64) -> u64 {
        id.checked_sub(self.planned).and_then(|place| self.think_ns.get(place as usize)).copied().unwrap_or(0)
    }

    /// The later turns of the session that `id` belongs to.
    fn own(&self, id: u64) -> std::ops::Range<u64> {
        let first = match id.checked_sub(self.planned) {
            None => id as usize,
            Some(place) => self.starts.partition_point(|start| u64::from(*start) <= place).saturating_sub(1),
        };
        let at = |place: usize| self.planned + u64::from(self.starts.get(place).copied().unwrap_or(0));
        at(first)..at(first + 1)
    }
}
