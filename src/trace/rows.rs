//! Owns `Trace`: recorded requests in order of time, 24 bytes each, what only some traces have kept beside them.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::seed::{Seed, exponential};
use crate::trace::format::Format;
use crate::trace::sides::{AnswerTimes, BlockPool, LineRuns, NewSessions, Sessions};
use crate::units::{Offset, Rate};

/// One recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its instant, from the trace's first.
    pub at: Offset,
    /// Input tokens; may be 0, which a request cannot have.
    pub input_tokens: u32,
    /// Output tokens; 0 often marks a failed request.
    pub output_tokens: u32,
    /// Its place in the file, from 0: its blocks, its session and its line are kept under it.
    pub place: u32,
    /// Which copy it is: 0 as recorded, 1 and above as made by a loop or by a rate scale.
    pub copy: u16,
}

/// A row as a format has it: its instant on the file's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawRow {
    pub(crate) at_ns: i64,
    pub(crate) input_tokens: u32,
    pub(crate) output_tokens: u32,
}

/// A jump backwards in time that no disorder of a recorder explains: another recording begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    /// The line after the jump.
    pub line: u64,
    /// How far it goes back.
    pub back_s: u64,
}

/// A recorded trace. Rows stand in order of time, those of one instant in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    format: Format,
    time_unit: &'static str,
    delimiter: char,
    rows: Vec<Row>,
    blocks: BlockPool,
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
    /// A backwards jump of more than this is a restart, no disorder.
    const RESTART_NS: i64 = 300 * 1_000_000_000;
    /// The most rows that are held.
    pub const MOST_ROWS: u64 = 200_000_000;

    /// Its format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The unit its times were read in.
    #[must_use]
    pub fn time_unit(&self) -> &'static str {
        self.time_unit
    }

    /// What separates the fields of its file, where it is a table.
    #[must_use]
    pub fn delimiter(&self) -> char {
        self.delimiter
    }

    /// Its rows in order of time; at least one as read.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The prefix blocks of its rows.
    #[must_use]
    pub fn blocks(&self) -> &BlockPool {
        &self.blocks
    }

    /// The sessions of its rows.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// How long the answers to the turns of sessions took, where that was recorded.
    pub(crate) fn answer_times(&self) -> &AnswerTimes {
        &self.answer_times
    }

    /// The line of `row` in the file, from 1.
    #[must_use]
    pub fn line_of(&self, row: &Row) -> u64 {
        self.lines.of(row.place)
    }

    /// The instant of its first row on the file's own clock: nanoseconds since 1970 for dates, since the clock's zero
    /// otherwise.
    #[must_use]
    pub fn first_ns(&self) -> i64 {
        self.first_ns
    }

    /// Rows that stand behind a later one in the file, and were put into their place.
    #[must_use]
    pub fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// How far behind the latest of those before it such a row stands at most.
    #[must_use]
    pub fn farthest_back(&self) -> Duration {
        Duration::from_nanos(self.farthest_back_ns)
    }

    /// The first place where its clock starts again; none where one segment was asked for.
    #[must_use]
    pub fn restart(&self) -> Option<Restart> {
        self.restart
    }

    /// How many recordings the file holds one after the other.
    #[must_use]
    pub fn segments(&self) -> u32 {
        self.segments
    }

    /// Rows of segments that were not asked for.
    #[must_use]
    pub fn other_segments(&self) -> u64 {
        self.other_segments
    }

    /// Entries of the file that are no requests (spans of tools and agents), passed over.
    #[must_use]
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Whether each session counts from its own start, which the file does not say.
    #[must_use]
    pub fn has_relative_sessions(&self) -> bool {
        self.relative
    }

    /// Lets the sessions of a trace that does not say when begin as a Poisson process of `rate`, the first at 0, in
    /// the order of the file: gaps of seed stream `session_starts`.
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

    /// Its rows, to be thinned, moved and copied; whoever does leaves them sorted ([`sort`]).
    pub(crate) fn rows_mut(&mut self) -> &mut Vec<Row> {
        &mut self.rows
    }

    /// Its rows, their blocks and their sessions.
    #[must_use]
    pub(crate) fn into_parts(self) -> (Vec<Row>, BlockPool, Sessions) {
        (self.rows, self.blocks, self.sessions)
    }
}

/// Puts rows into order of time; those of one instant into the order of the file, copies behind. In place: a trace
/// may be most of a machine's memory.
pub(crate) fn sort(rows: &mut [Row]) {
    if !rows.is_sorted_by_key(|row| row.at) {
        rows.sort_unstable_by_key(|row| (row.at, row.copy, row.place));
    }
}

/// Rows on their way in. Until the first instant is known, `at` counts from the least instant that 64 bits hold.
pub(crate) struct Pending {
    trace: Trace,
    new_sessions: NewSessions,
    /// The line that is being read.
    pub(crate) number: u64,
    before_ns: i64,
    latest_ns: i64,
    wanted_segment: Option<u32>,
    /// How long the answer took of the row that comes next.
    answered_in_ns: Option<i64>,
}

impl Pending {
    /// The longest span of a trace, thirty years in seconds: more is a broken time, and a few times over more than 64
    /// bits of nanoseconds.
    const MOST_SPAN_S: f64 = 30.0 * 31_557_600.0;

    pub(super) fn new(format: Format, time_unit: &'static str, wanted_segment: Option<u32>) -> Self {
        let trace = Trace {
            format,
            time_unit,
            delimiter: ',',
            rows: Vec::new(),
            blocks: BlockPool::default(),
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
        }
    }

    /// A trace of `rows`, each with its blocks and its session; none where there are none, or a row cannot have its
    /// blocks.
    pub(crate) fn of(format: Format, block_tokens: u32, rows: Vec<(RawRow, Vec<u64>, String)>) -> Option<Trace> {
        let mut pending = Self::new(format, format.time_unit(), None);
        pending.block_tokens(block_tokens).ok()?;
        for (number, (row, ids, session)) in (1..).zip(rows) {
            pending.number = number;
            pending.push(row, &ids, Some(&session)).ok()?;
        }
        pending.finish(None, Path::new("")).ok()
    }

    /// The fields of its table have `delimiter` between them.
    pub(super) fn separated_by(&mut self, delimiter: char) {
        self.trace.delimiter = delimiter;
    }

    /// The answer of the row that is pushed next took so long, where that is known.
    pub(crate) fn answered_in(&mut self, ns: Option<i64>) {
        self.answered_in_ns = ns;
    }

    /// Takes a row, its prefix blocks and the name of its session.
    pub(crate) fn push(&mut self, raw: RawRow, ids: &[u64], session: Option<&str>) -> Result<(), String> {
        let answered_in_ns = self.answered_in_ns.take();
        let trace = &mut self.trace;
        let back_ns = self.before_ns.saturating_sub(raw.at_ns);
        // Dates and sessions of their own have no clock that starts again.
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
            return Err(format!("is row {} of the trace, more than are read; split the file", Trace::MOST_ROWS + 1));
        }
        trace.blocks.push(place, ids, raw.input_tokens)?;
        trace.lines.push(place, self.number);
        trace.answer_times.push(place, answered_in_ns.filter(|_| session.is_some()));
        self.new_sessions.push(place, session);
        let at = Offset::from_nanos(raw.at_ns.abs_diff(i64::MIN));
        trace.rows.push(Row { at, input_tokens: raw.input_tokens, output_tokens: raw.output_tokens, place, copy: 0 });
        Ok(())
    }

    /// Takes note of an entry that is no request.
    pub(crate) fn pass_over(&mut self) {
        self.trace.passed_over += 1;
    }

    /// Blocks have `tokens` tokens.
    pub(crate) fn block_tokens(&mut self, tokens: u32) -> Result<(), String> {
        self.trace.blocks.sized(tokens)
    }

    /// Rows count from the start of their session.
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
                "holds {} recordings and no {wanted}. one; give the option segment 1 to {}",
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
                format!(" ({} entries are no requests)", trace.passed_over)
            } else {
                String::new()
            };
            return Err(Error::input(path, format!("has no row{others}; give a trace of at least one request")));
        }
        Ok(trace)
    }
}
