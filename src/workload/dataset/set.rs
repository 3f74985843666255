//! Owns `DataSet`: the rows of a file, held once, with their lengths.

use std::path::Path;
use std::sync::Arc;

use super::columns::DataColumns;
use super::decode::decode;
use super::fault::Fault;
use super::format::DataFormat;
use super::row::{DataRow, Said};
use super::table::delimiter_of;
use super::values::{conversations, nested, sessions, values};
use super::{agentic, bodies, chats, fields, lines, plain, sharegpt, trie};
use crate::error::Error;
use crate::workload::{Message, Tokenizer, estimate_text};

/// How a data set is read.
#[derive(Debug, Clone, Default)]
pub struct DataReading {
    /// The format; `None`: recognised.
    pub format: Option<DataFormat>,
    /// The columns of a table, or the keys of objects.
    pub columns: DataColumns,
    /// Whether answers are streamed, which whole bodies must ask for themselves; `None`: not checked.
    pub streamed: Option<bool>,
    /// Whether conversations are read whole, turn by turn; else each gives one request.
    pub sessions: bool,
}

/// The lengths of one row, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::workload) struct RowLengths {
    /// Input tokens.
    pub(in crate::workload) input: u32,
    /// Output tokens; `None` if the row gives none.
    pub(in crate::workload) output: Option<u32>,
}

/// The rows of a data set. Shared read-only by all threads.
#[derive(Debug)]
pub struct DataSet {
    file: String,
    format: DataFormat,
    recognised: bool,
    delimiter: Option<char>,
    rows: Vec<DataRow>,
    /// If rows are the turns of conversations: the row of the first turn of each, and at last the number of rows.
    starts: Option<Arc<[u32]>>,
    left_out: u64,
    digest: String,
}

impl PartialEq for DataSet {
    /// Whether both send the same.
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl DataSet {
    /// Reads the bytes of the file `path`. Refused with the line of the first row that cannot be used.
    pub fn read(bytes: Vec<u8>, path: &Path, reading: &DataReading) -> Result<Self, Error> {
        Self::rows_of(bytes, path, reading).map_err(|Fault { line, why }| Error::input_at(path, line, why)).and_then(
            |set| {
                let most = u32::MAX as usize;
                match set.rows.len() {
                    0 if set.left_out > 0 => {
                        Err(Error::input(path, "has conversations, and none with a question; check its roles"))
                    }
                    0 => Err(Error::input(path, "holds no prompt; check the file")),
                    rows if rows > most => Err(Error::input(path, "has more than 4 294 967 295 rows; split it")),
                    _ => Ok(set),
                }
            },
        )
    }

    fn rows_of(bytes: Vec<u8>, path: &Path, reading: &DataReading) -> Result<Self, Fault> {
        let text = decode(bytes)?;
        let by_name = reading.format.or_else(|| DataFormat::of_name(path)).map(|format| match format {
            DataFormat::Text if reading.format.is_none() && lines::are_of_kinds(&text) => DataFormat::Lines,
            format => format,
        });
        let looks_like_json = text.trim_start().starts_with(['{', '[']);
        let format = by_name.or_else(|| (!looks_like_json && !is_named_json(path)).then_some(DataFormat::Text));
        let values = match format {
            Some(format) if !format.is_json() => Vec::new(),
            _ => values(&text)?,
        };
        let format = format
            .unwrap_or_else(|| values.first().map_or(DataFormat::Jsonl, |(_, first)| DataFormat::of_value(first)));
        let has_columns = matches!(format, DataFormat::Csv | DataFormat::Jsonl | DataFormat::Pairs);
        if !reading.columns.is_empty() && !has_columns {
            let why = format!("is read as {format}, which has no columns; drop the option dataset-columns");
            return Err(Fault::new(1, why));
        }
        let delimiter = (format == DataFormat::Csv).then(|| delimiter_of(&text));
        let mut starts = None;
        let mut whole = |(rows, first, left_out): (Vec<DataRow>, Vec<u32>, u64)| {
            starts = Some(first.into());
            (rows, left_out)
        };
        let (rows, left_out) = match format {
            DataFormat::ShareGpt if reading.sessions => whole(sessions(&values, sharegpt::session)?),
            DataFormat::Messages if reading.sessions => whole(sessions(&values, chats::session)?),
            DataFormat::Agentic if reading.sessions => whole(sessions(&nested(&text, &values)?, agentic::session)?),
            DataFormat::Trie => whole(sessions(&values, trie::session)?),
            DataFormat::Text => (plain::read(&text), 0),
            DataFormat::Lines => lines::read(&text, reading.streamed)?,
            DataFormat::Agentic => conversations(&nested(&text, &values)?, agentic::first)?,
            DataFormat::Csv => (fields::of_table(&text, delimiter.unwrap_or(','), &reading.columns)?, 0),
            DataFormat::Jsonl | DataFormat::Pairs => {
                (fields::of_objects(&values, &reading.columns, format == DataFormat::Pairs)?, 0)
            }
            DataFormat::ShareGpt => conversations(&values, sharegpt::conversation)?,
            DataFormat::Messages => conversations(&values, chats::conversation)?,
            DataFormat::Bodies => (bodies::read(&values, reading.streamed)?, 0),
        };
        let mut hasher = blake3::Hasher::new_derive_key("tonnage 2026 data set");
        for row in &rows {
            row.hash(&mut hasher);
        }
        if let Some(starts) = &starts {
            let starts: &Arc<[u32]> = starts;
            hasher.update(b"conversations");
            starts.iter().for_each(|start| _ = hasher.update(&start.to_le_bytes()));
        }
        Ok(Self {
            file: path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            format,
            recognised: reading.format.is_none(),
            delimiter,
            rows,
            starts,
            left_out,
            digest: hasher.finalize().to_hex()[..32].to_owned(),
        })
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The number of conversations, if rows are the turns of conversations; else the number of rows. Arrivals take one
    /// each.
    #[must_use]
    pub fn units(&self) -> usize {
        self.starts.as_ref().map_or(self.rows.len(), |starts| starts.len() - 1)
    }

    /// If rows are the turns of conversations: the row of the first turn of each, and at last the number of rows.
    pub(in crate::workload) fn starts(&self) -> Option<&Arc<[u32]>> {
        self.starts.as_ref()
    }

    /// Whether there is no row, which a data set that was read never is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The format.
    #[must_use]
    pub fn format(&self) -> DataFormat {
        self.format
    }

    /// 32 hexadecimal digits, which differ between any two data sets that send different requests.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether every row gives the length of its answer.
    #[must_use]
    pub fn has_output_lengths(&self) -> bool {
        self.rows.iter().all(|row| row.output_tokens.is_some() || row.answer.is_some())
    }

    /// The number of rows that are whole request bodies.
    #[must_use]
    pub fn bodies(&self) -> usize {
        self.rows.iter().filter(|row| row.is_body()).count()
    }

    /// The time before each row in nanoseconds, if the rows give times: 0 for the first turns of sessions.
    pub(in crate::workload) fn thinks(&self) -> Option<Arc<[u64]>> {
        let any = self.rows.iter().any(|row| row.think_ns.is_some());
        any.then(|| self.rows.iter().map(|row| row.think_ns.unwrap_or(0)).collect())
    }

    /// Whether any row has a message of the system.
    #[must_use]
    pub fn has_system(&self) -> bool {
        self.rows.iter().any(DataRow::has_system)
    }

    /// The name of the file, its rows and how it was read, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let separated = match self.delimiter {
            None | Some(',') => String::new(),
            Some('\t') => ", separated by tabs".to_owned(),
            Some(other) => format!(", separated by `{other}`"),
        };
        let left_out = match self.left_out {
            0 => String::new(),
            number => format!("; {} conversations without a question were left out", crate::units::count(number)),
        };
        let how = if self.recognised { " (recognised)" } else { "" };
        let counted = |number: usize, what: &str| {
            format!("{} {what}{}", crate::units::count(number as u64), if number == 1 { "" } else { "s" })
        };
        let rows = match &self.starts {
            None => counted(self.rows.len(), "row"),
            Some(_) => format!(
                "{} with {}, in the format",
                counted(self.units(), "conversation"),
                counted(self.rows.len(), "turn")
            ),
        };
        let of = if self.starts.is_some() { "" } else { " of" };
        format!("data set {}: {rows}{of} {}{how}{separated}{left_out}", self.file, self.format)
    }

    /// The messages of each row with its number from 1, those of the turns before it in its conversation left out; none
    /// for bodies and for later turns.
    pub(crate) fn conversations(&self) -> impl Iterator<Item = (usize, &[Message])> {
        let is_first =
            |place: usize| self.starts.as_ref().is_none_or(|starts| starts.binary_search(&(place as u32)).is_ok());
        let rows = self.rows.iter().enumerate().filter(move |(place, _)| is_first(*place));
        rows.filter_map(|(place, row)| Some((place + 1, row.said_messages()?)))
    }

    pub(in crate::workload) fn row(&self, place: usize) -> Option<&DataRow> {
        self.rows.get(place)
    }

    /// The lengths of all rows: as `tokenizer` counts them on all cores, or estimated without one.
    pub(in crate::workload) fn lengths(&self, tokenizer: Option<&Tokenizer>) -> Arc<[RowLengths]> {
        let of = |(place, row): (usize, &DataRow)| {
            let count = |text: &str| tokenizer.map_or_else(|| estimate_text(text), |tokenizer| tokenizer.count(text));
            let answered = || row.answer.as_deref().map(|answer| count(answer).max(1));
            let is_later = self.starts.as_ref().is_some_and(|starts| starts.binary_search(&(place as u32)).is_err());
            let templated = tokenizer.filter(|tokenizer| tokenizer.template().is_some());
            let input = match (&row.said, templated.zip(row.said_messages())) {
                (Said::Length(tokens), _) => *tokens,
                (_, Some((tokenizer, messages))) => tokenizer.count_messages(messages, is_later),
                (_, None) => count(&row.counted_text()),
            };
            RowLengths { input: input.max(1), output: row.output_tokens.or_else(answered) }
        };
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        if tokenizer.is_none() || threads == 1 {
            return self.rows.iter().enumerate().map(of).collect();
        }
        let share = self.rows.len().div_ceil(threads).max(1);
        let count = |part: usize| {
            let rows = self.rows.iter().enumerate().skip(part * share).take(share);
            rows.map(of).collect::<Vec<_>>()
        };
        let count = &count;
        std::thread::scope(|scope| {
            let parts = 0..self.rows.len().div_ceil(share);
            let counting: Vec<_> = parts.map(|part| (part, scope.spawn(move || count(part)))).collect();
            // The counts of a thread that panicked are made again here.
            counting.into_iter().flat_map(|(part, thread)| thread.join().unwrap_or_else(|_| count(part))).collect()
        })
    }
}

/// Whether the name of `path` says that it holds JSON.
fn is_named_json(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name).to_owned();
    [".json", ".jsonl", ".ndjson"].iter().any(|ending| name.ends_with(ending))
}
