//! Owns `Trace`: recorded requests in order of time, 24 bytes each, their prefix blocks in one pool.

use std::io::BufRead;
use std::path::Path;

use crate::error::Error;
use crate::trace::format::{Format, Parser};
use crate::trace::lines::Lines;
use crate::units::Offset;

/// One recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its instant, from the trace's first.
    pub at: Offset,
    /// Input tokens; may be 0, which a request cannot have.
    pub input_tokens: u32,
    /// Output tokens; 0 often marks a failed request.
    pub output_tokens: u32,
    /// Its prefix blocks in the trace's pool.
    pub blocks: BlockList,
    /// Its line in the file, from 1.
    pub line: u32,
}

/// A row as a format has it: its instant on the file's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawRow {
    pub(crate) at_ns: i64,
    pub(crate) input_tokens: u32,
    pub(crate) output_tokens: u32,
}

/// Where a row's block ids stand in a [`BlockPool`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockList(u32);

/// The prefix block ids of all rows, one list after the other. Equal ids stand for equal text; ids are global to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPool {
    /// Each list behind its length; the empty list comes first.
    words: Vec<u64>,
}

impl Default for BlockPool {
    fn default() -> Self {
        Self { words: vec![0] }
    }
}

impl BlockPool {
    /// Tokens of a block; the last of a request may be partial.
    pub const BLOCK_TOKENS: u32 = 512;

    /// Whether any row has blocks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.len() <= 1
    }

    /// The ids of `list`, which is of this pool.
    #[must_use]
    pub fn ids(&self, list: BlockList) -> &[u64] {
        let start = list.0 as usize;
        let length = self.words.get(start).copied().unwrap_or(0) as usize;
        self.words.get(start + 1..start + 1 + length).unwrap_or(&[])
    }

    /// Adds a list; none where four thousand million ids are held already.
    fn push(&mut self, ids: &[u64]) -> Option<BlockList> {
        if ids.is_empty() {
            return Some(BlockList(0));
        }
        let list = BlockList(u32::try_from(self.words.len()).ok()?);
        self.words.push(ids.len() as u64);
        self.words.extend_from_slice(ids);
        Some(list)
    }
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
    rows: Vec<Row>,
    blocks: BlockPool,
    first_ns: i64,
    out_of_order: u64,
    restart: Option<Restart>,
}

impl Trace {
    /// A backwards jump of more than this is a restart, no disorder.
    const RESTART_NS: i64 = 300 * 1_000_000_000;

    /// Reads `source`, the contents of `path`, as `format` or, without one, as what its first line says it is. The first row that
    /// cannot be read is an error with its line.
    pub fn read(source: impl BufRead, path: &Path, format: Option<Format>) -> Result<Self, Error> {
        let mut lines = Lines::new(source, path);
        let Some((number, first)) = lines.advance()? else {
            return Err(Error::input(path, "is empty; give a trace of at least one request"));
        };
        let refuse = |number: u64, why: String| Error::input_at(path, number, why);
        let found = match format {
            Some(format) => format,
            None => Format::of_first_line(first).map_err(|why| refuse(number, why))?,
        };
        let (parser, is_header) = Parser::new(found, first, format.is_some())
            .map_err(|why| refuse(number, format!("{why}; a {found} trace starts with its header, check --format")))?;
        let mut pending = Pending::new(found);
        if !is_header {
            let first = first.to_owned();
            pending.take(&parser, number, &first).map_err(|why| refuse(number, why))?;
        }
        while let Some((number, line)) = lines.advance()? {
            pending.take(&parser, number, line).map_err(|why| refuse(number, why))?;
        }
        pending.finish().ok_or_else(|| Error::input(path, "has no row; give a trace of at least one request"))
    }

    /// Its format.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Its rows in order of time; at least one as read.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The block ids its rows point to.
    #[must_use]
    pub fn blocks(&self) -> &BlockPool {
        &self.blocks
    }

    /// The instant of its first row on the file's own clock: nanoseconds since 1970 for dates, since the clock's zero otherwise.
    #[must_use]
    pub fn first_ns(&self) -> i64 {
        self.first_ns
    }

    /// Rows that stand behind a later one in the file, and were put into their place.
    #[must_use]
    pub fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    /// The first place where its clock starts again.
    #[must_use]
    pub fn restart(&self) -> Option<Restart> {
        self.restart
    }

    /// Keeps the rows that `keep` keeps, as it changes them.
    pub(crate) fn retain_rows(&mut self, keep: impl FnMut(&mut Row) -> bool) {
        self.rows.retain_mut(keep);
    }

    /// Its rows and their blocks.
    #[must_use]
    pub(crate) fn into_parts(self) -> (Vec<Row>, BlockPool) {
        (self.rows, self.blocks)
    }
}

/// Rows on their way in. Until the first instant is known, `at` counts from the least instant that 64 bits hold.
struct Pending {
    trace: Trace,
    ids: Vec<u64>,
    before_ns: i64,
    latest_ns: i64,
}

impl Pending {
    fn new(format: Format) -> Self {
        let trace = Trace { format, rows: Vec::new(), blocks: BlockPool::default(), first_ns: i64::MAX, out_of_order: 0, restart: None };
        Self { trace, ids: Vec::new(), before_ns: i64::MIN, latest_ns: i64::MIN }
    }

    fn take(&mut self, parser: &Parser, number: u64, line: &str) -> Result<(), String> {
        self.ids.clear();
        let raw = parser.row(line, &mut self.ids)?;
        let trace = &mut self.trace;
        if raw.at_ns < self.latest_ns {
            trace.out_of_order += 1;
        }
        let back_ns = self.before_ns.saturating_sub(raw.at_ns);
        if back_ns > Trace::RESTART_NS && trace.restart.is_none() {
            trace.restart = Some(Restart { line: number, back_s: back_ns as u64 / 1_000_000_000 });
        }
        self.before_ns = raw.at_ns;
        self.latest_ns = self.latest_ns.max(raw.at_ns);
        trace.first_ns = trace.first_ns.min(raw.at_ns);
        trace.rows.push(Row {
            at: Offset::from_nanos(raw.at_ns.abs_diff(i64::MIN)),
            input_tokens: raw.input_tokens,
            output_tokens: raw.output_tokens,
            blocks: trace.blocks.push(&self.ids).ok_or("brings the blocks above 4294967295, more than are read")?,
            line: u32::try_from(number).map_err(|_| "is beyond the last line that is read, 4294967295")?,
        });
        Ok(())
    }

    fn finish(self) -> Option<Trace> {
        let mut trace = self.trace;
        let first = trace.first_ns.abs_diff(i64::MIN);
        for row in &mut trace.rows {
            row.at = Offset::from_nanos(row.at.as_nanos() - first);
        }
        if trace.out_of_order > 0 {
            trace.rows.sort_by_key(|row| row.at);
        }
        (!trace.rows.is_empty()).then_some(trace)
    }
}
