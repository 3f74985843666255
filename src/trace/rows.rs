//! Owns `Trace`: recorded requests in order of time, 24 bytes each. Optional properties of rows are stored beside them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::seed::{Seed, exponential};
use crate::trace::format::Format;
use crate::trace::sides::{AnswerTimes, BlockPool, Bodies, LineRuns, NewSessions, Sessions};
use crate::units::{Offset, Rate};

/// One recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The instant of the request, counted from the first request of the trace.
    pub at: Offset,
    /// Input tokens. A row may have 0, but a request cannot.
    pub input_tokens: u32,
    /// Output tokens. 0 often marks a failed request.
    pub output_tokens: u32,
    /// The place of the row in the file, from 0. It is the key to the row's blocks, session and line.
    pub place: u32,
    /// The number of the copy: 0 for the recorded row, 1 and above for copies made by a loop or a rate scale.
    pub copy: u16,
}

/// A row as it is in the file, with its instant on the file's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawRow {
    /// The instant, in nanoseconds on the file's clock.
    pub(crate) at_ns: i64,
    pub(crate) input_tokens: u32,
    pub(crate) output_tokens: u32,
}

/// A request of a pool of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolRow {
    /// The instant, in nanoseconds from the start of the pool.
    pub(crate) at_ns: i64,
    pub(crate) input_tokens: u32,
    pub(crate) output_tokens: u32,
}

/// A row of a recording that is not read from a file.
pub(crate) struct MadeUp {
    pub(crate) row: RawRow,
    pub(crate) ids: Vec<u64>,
    pub(crate) session: String,
    pub(crate) body: Option<Arc<str>>,
}

/// A jump backwards in time that is too large for rows out of order: another recording begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// The line after the jump.
    pub line: u64,
    /// How far the time goes back, in seconds.
    pub back_s: u64,
}

/// A recorded trace. Rows are in order of time; rows of one instant are in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    format: Format,
    time_unit: &'static str,
    delimiter: char,
    rows: Vec<Row>,
    blocks: BlockPool,
    bodies: Bodies,
    sessions: Sessions,
    answer_times: AnswerTimes,
    lines: LineRuns,
    first_ns: i64,
    out_of_order: u64,
    farthest_back_ns: u64,
    restart: Option<Restart>,
    segments: u32,
    other_segments: u64,
    passed_over: u64,
    relative: bool,
}

impl Trace {
    /// A backwards jump of more than this many nanoseconds (5 minutes) is a restart and not rows out of order.
    const RESTART_NS: i64 = 300 * 1_000_000_000;
    /// Maximum number of rows in a trace.
    pub const MOST_ROWS: u64 = 200_000_000;

    /// The format of the trace.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The unit in which the times were read.
    #[must_use]
    pub fn time_unit(&self) -> &'static str {
        self.time_unit
    }

    /// The separator of the fields in the file, when the file is a table.
    #[must_use]
    pub fn delimiter(&self) -> char {
        self.delimiter
    }

    /// The rows in order of time. A trace just read has at least one.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The prefix blocks of the rows.
    #[must_use]
    pub fn blocks(&self) -> &BlockPool {
        &self.blocks
    }

    /// The request bodies of the rows.
    #[must_use]
    pub fn bodies(&self) -> &Bodies {
        &self.bodies
    }

    /// The sessions of the rows.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The response times of the turns of sessions, where they were recorded.
    pub(crate) fn answer_times(&self) -> &AnswerTimes {
        &self.answer_times
    }

    /// The line of `row` in the file, from 1.
    #[must_use]
    pub fn line_of(&self, row: &Row) -> u64 {
        self.lines.of(row.place)
    }

    /// The instant of the first row on the file's own clock, in nanoseconds: since 1970 for dates, otherwise since the
    /// zero of the clock.
    #[must_use]
    pub fn first_ns(&self) -> i64 {
        self.first_ns
    }

    /// Number of rows that came after a later row in the file. They were sorted.
    #[must_use]
    pub fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// The largest distance in time of a row out of order from the latest row before it in the file.
    #[must_use]
    pub fn farthest_back(&self) -> Duration {
        Duration::from_nanos(self.farthest_back_ns)
    }

    /// The first place where the clock starts again; `None` when there is none or one segment was asked for.
    #[must_use]
    pub fn restart(&self) -> Option<Restart> {
        self.restart
    }

    /// Number of recordings that the file holds, one after another.
    #[must_use]
    pub fn segments(&self) -> u32 {
        self.segments
    }

    /// Number of rows in segments that were not asked for.
    #[must_use]
    pub fn other_segments(&self) -> u64 {
        self.other_segments
    }

    /// Number of skipped entries that are not requests (spans of tools and agents).
    #[must_use]
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Whether the times of each session count from the start of the session, which the file does not give.
    #[must_use]
    pub fn has_relative_sessions(&self) -> bool {
        self.relative
    }

    /// The trace with session starts drawn as a Poisson process of `rate`, for a trace that does not give them. The
    /// first session starts at 0, and sessions start in the order of the file. The gaps come from the seed stream
    /// `session_starts`.
    #[must_use]
    pub fn with_session_starts(mut self, rate: Rate, seed: Seed) -> Self {
        let mut generator = seed.stream("session_starts").sequence();
        let mut reached_s = 0.0;
        let starts: Vec<Offset> = (0..self.sessions.number())
            .map(|number| {
                if number > 0 {
                    reached_s += exponential(&mut generator) / rate.per_s();
                }
                Offset::from_secs(reached_s)
            })
            .collect();
        for row in &mut self.rows {
            let start = self
                .sessions
                .of(row.place)
                .and_then(|number| starts.get(number as usize))
                .copied()
                .unwrap_or(Offset::ZERO);
            row.at = row.at.plus(start.since(Offset::ZERO));
        }
        self.relative = false;
        sort(&mut self.rows);
        self
    }

    /// The trace of the requests of a pool, in order of time, with instants counted from `start`; `None` when there are
    /// none.
    pub(crate) fn of_pool(mut rows: Vec<PoolRow>, start: Offset) -> Option<Self> {
        rows.sort_by_key(|row| row.at_ns);
        let mut trace = Pending::of_pool(rows)?;
        let before_ns = u64::try_from(trace.first_ns).unwrap_or(0).saturating_sub(start.as_nanos());
        for row in &mut trace.rows {
            row.at = Offset::from_nanos(row.at.as_nanos() + before_ns);
        }
        Some(trace)
    }

    /// The rows, for thinning, moving and copying. The caller must leave them sorted ([`sort`]).
    pub(crate) fn rows_mut(&mut self) -> &mut Vec<Row> {
        &mut self.rows
    }

    /// The rows, for changes, beside their bodies.
    pub(crate) fn rows_and_bodies(&mut self) -> (&mut Vec<Row>, &Bodies) {
        (&mut self.rows, &self.bodies)
    }

    /// The rows, their blocks, their bodies and their sessions.
    #[must_use]
    pub(crate) fn into_parts(self) -> (Vec<Row>, BlockPool, Bodies, Sessions) {
        (self.rows, self.blocks, self.bodies, self.sessions)
    }
}

/// Sorts rows by time, then by number of the copy, then by place in the file. Sorts in place, because a trace may take
/// most of the memory of a machine.
pub(crate) fn sort(rows: &mut [Row]) {
    if !rows.is_sorted_by_key(|row| row.at) {
        rows.sort_unstable_by_key(|row| (row.at, row.copy, row.place));
    }
}

/// A trace while it is read. Until the first instant is known, `at` counts from the smallest 64-bit instant.
pub(crate) struct Pending {
    trace: Trace,
    new_sessions: NewSessions,
    /// The line that is now read, from 1.
    pub(crate) number: u64,
    before_ns: i64,
    latest_ns: i64,
    wanted_segment: Option<u32>,
    /// The response time of the next row, in nanoseconds.
    answered_in_ns: Option<i64>,
    /// The body of the next row, and whether the row has headers of its own.
    body: (Option<Arc<str>>, bool),
}

impl Pending {
    /// Maximum span of a trace, in seconds (30 years). A longer span means a wrong time, and about 10 times as much
    /// would overflow 64 bits of nanoseconds.
    const MOST_SPAN_S: f64 = 30.0 * 31_557_600.0;

    pub(super) fn new(format: Format, time_unit: &'static str, wanted_segment: Option<u32>) -> Self {
        let trace = Trace {
            format,
            time_unit,
            delimiter: ',',
            rows: Vec::new(),
            blocks: BlockPool::default(),
            bodies: Bodies::default(),
            sessions: Sessions::default(),
            answer_times: AnswerTimes::default(),
            lines: LineRuns::default(),
            first_ns: i64::MAX,
            out_of_order: 0,
            farthest_back_ns: 0,
            restart: None,
            segments: 1,
            other_segments: 0,
            passed_over: 0,
            relative: false,
        };
        Self {
            trace,
            new_sessions: NewSessions::default(),
            number: 0,
            before_ns: i64::MIN,
            latest_ns: i64::MIN,
            wanted_segment,
            answered_in_ns: None,
            body: (None, false),
        }
    }

    /// A trace of the requests of a pool; `None` when there are none.
    fn of_pool(rows: Vec<PoolRow>) -> Option<Trace> {
        let mut pending = Self::new(Format::ServeGen, Format::ServeGen.time_unit(), None);
        for PoolRow { at_ns, input_tokens, output_tokens } in rows {
            pending.push(RawRow { at_ns, input_tokens, output_tokens }, &[], None).ok()?;
        }
        pending.finish(None, Path::new("")).ok()
    }

    /// A trace of `rows`. `None` when there are no rows, or a row cannot have its
    /// blocks.
    pub(crate) fn of(format: Format, block_tokens: u32, rows: Vec<MadeUp>) -> Option<Trace> {
        let mut pending = Self::new(format, format.time_unit(), None);
        pending.block_tokens(block_tokens).ok()?;
        for (number, MadeUp { row, ids, session, body }) in (1..).zip(rows) {
            pending.number = number;
            pending.with_body(body, false);
            pending.push(row, &ids, Some(&session)).ok()?;
        }
        pending.finish(None, Path::new("")).ok()
    }

    /// Stores the separator of the fields of the table.
    pub(super) fn separated_by(&mut self, delimiter: char) {
        self.trace.delimiter = delimiter;
    }

    /// Sets the response time of the next row pushed, in nanoseconds; `None` when it is unknown.
    pub(crate) fn answered_in(&mut self, ns: Option<i64>) {
        self.answered_in_ns = ns;
    }

    /// Sets the body of the next row pushed, and whether that row has headers of its own, which are not kept.
    pub(crate) fn with_body(&mut self, body: Option<Arc<str>>, has_headers: bool) {
        self.body = (body, has_headers);
    }

    /// Stores a row, its prefix blocks and the name of its session. Refused when there are too many rows or blocks.
    pub(crate) fn push(&mut self, raw: RawRow, ids: &[u64], session: Option<&str>) -> Result<(), String> {
        let answered_in_ns = self.answered_in_ns.take();
        let (body, has_headers) = std::mem::take(&mut self.body);
        let trace = &mut self.trace;
        let back_ns = self.before_ns.saturating_sub(raw.at_ns);
        // A clock of dates, and the clocks of relative sessions, cannot start again.
        if back_ns > Trace::RESTART_NS && !trace.relative && trace.format.has_own_clock() {
            trace.segments += 1;
            self.latest_ns = i64::MIN;
            if trace.restart.is_none() && self.wanted_segment.is_none() {
                trace.restart = Some(Restart { line: self.number, back_s: back_ns as u64 / 1_000_000_000 });
            }
        }
        self.before_ns = raw.at_ns;
        if self.wanted_segment.is_some_and(|wanted| wanted != trace.segments) {
            trace.other_segments += 1;
            return Ok(());
        }
        if raw.at_ns < self.latest_ns && !trace.relative {
            trace.out_of_order += 1;
            trace.farthest_back_ns = trace.farthest_back_ns.max(self.latest_ns.abs_diff(raw.at_ns));
        }
        self.latest_ns = self.latest_ns.max(raw.at_ns);
        trace.first_ns = trace.first_ns.min(raw.at_ns);
        let place = trace.rows.len() as u32;
        if u64::from(place) >= Trace::MOST_ROWS {
            return Err(format!("is row {} of the trace, above the maximum; split the file", Trace::MOST_ROWS + 1));
        }
        trace.blocks.push(place, ids, raw.input_tokens)?;
        trace.bodies.push(place, body, has_headers);
        trace.lines.push(place, self.number);
        trace.answer_times.push(place, answered_in_ns.filter(|_| session.is_some()));
        self.new_sessions.push(place, session);
        let at = Offset::from_nanos(raw.at_ns.abs_diff(i64::MIN));
        trace.rows.push(Row { at, input_tokens: raw.input_tokens, output_tokens: raw.output_tokens, place, copy: 0 });
        Ok(())
    }

    /// Counts an entry that is not a request.
    pub(crate) fn pass_over(&mut self) {
        self.trace.passed_over += 1;
    }

    /// Sets the block size to `tokens`.
    pub(crate) fn block_tokens(&mut self, tokens: u32) -> Result<(), String> {
        self.trace.blocks.sized(tokens)
    }

    /// States that the times of rows count from the start of their session.
    pub(crate) fn relative(&mut self) {
        self.trace.relative = true;
    }

    /// The number of the session `name`, from 0.
    pub(crate) fn session(&mut self, name: &str) -> u32 {
        self.new_sessions.number(name)
    }

    pub(super) fn finish(self, time_unit: Option<&'static str>, path: &Path) -> Result<Trace, Error> {
        let mut trace = self.trace;
        trace.sessions = self.new_sessions.finish();
        trace.time_unit = time_unit.unwrap_or(trace.time_unit);
        if let Some(wanted) = self.wanted_segment.filter(|wanted| *wanted > trace.segments) {
            let why = format!(
                "holds {} recordings, but not number {wanted}; give the option segment 1 to {}",
                trace.segments, trace.segments
            );
            return Err(Error::input(path, why));
        }
        let first = trace.first_ns.abs_diff(i64::MIN);
        for row in &mut trace.rows {
            row.at = Offset::from_nanos(row.at.as_nanos() - first);
        }
        sort(&mut trace.rows);
        let span_s = trace.rows.last().map_or(0.0, |row| row.at.as_secs());
        if span_s > Self::MOST_SPAN_S {
            let why = format!(
                "spans {:.0} years; a time is wrong, or its unit (read as {})",
                span_s / 31_557_600.0,
                trace.time_unit
            );
            return Err(Error::input(path, why));
        }
        if trace.rows.is_empty() {
            let others = if trace.passed_over > 0 {
                format!(" ({} entries are not requests)", trace.passed_over)
            } else {
                String::new()
            };
            return Err(Error::input(path, format!("has no row{others}; give a trace of at least one request")));
        }
        Ok(trace)
    }
}
