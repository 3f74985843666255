//! Owns `Format` and `Reading`: the formats that are read, what can be said of a file, and the parser that follows
//! from both.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::trace::aibrix::AiBrix;
use crate::trace::azure::Azure;
use crate::trace::bailian::Bailian;
use crate::trace::burstgpt::BurstGpt;
use crate::trace::generic::{Columns, GenericCsv, GenericJson};
use crate::trace::litellm::LiteLlm;
use crate::trace::mooncake::Mooncake;
use crate::trace::otel::Otel;
use crate::trace::ragpulse::RagPulse;
use crate::trace::recognise::format_of;
use crate::trace::rows::Pending;
use crate::trace::table::{DELIMITERS, with_commas};
use crate::trace::vidur::Vidur;
use crate::trace::weka::Weka;

/// The format of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// CSV by Microsoft: dates with up to nine digits, context and generated tokens.
    Azure,
    /// CSV by HPMLL: seconds, request and response tokens, sessions in its third version.
    BurstGpt,
    /// JSONL by Moonshot: milliseconds, lengths, prefix blocks of 512 tokens.
    Mooncake,
    /// JSONL by Alibaba (Qwen): seconds, lengths, prefix blocks of 16 tokens, conversations.
    Bailian,
    /// JSONL of retrieval: whole seconds as text, lengths, sessions.
    RagPulse,
    /// JSON of agents' conversations: seconds from each one's start, lengths, prefix blocks of 64 tokens.
    Weka,
    /// JSONL workloads: milliseconds, each with its requests.
    AiBrix,
    /// CSV: seconds, prefill and decode tokens.
    Vidur,
    /// Spans of generative requests: nanoseconds or dates, token usage, conversations.
    Otel,
    /// Logs of a proxy: seconds since 1970 or dates, token usage, sessions.
    LiteLlm,
    /// CSV with columns that are named.
    Csv,
    /// JSONL with keys that are named.
    Jsonl,
}

impl Format {
    /// Every format that is read.
    pub const ALL: [Self; 12] = [
        Self::Azure,
        Self::BurstGpt,
        Self::Mooncake,
        Self::Bailian,
        Self::RagPulse,
        Self::Weka,
        Self::AiBrix,
        Self::Vidur,
        Self::Otel,
        Self::LiteLlm,
        Self::Csv,
        Self::Jsonl,
    ];

    /// How people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Azure => "azure",
            Self::BurstGpt => "burstgpt",
            Self::Mooncake => "mooncake",
            Self::Bailian => "bailian",
            Self::RagPulse => "ragpulse",
            Self::Weka => "weka",
            Self::AiBrix => "aibrix",
            Self::Vidur => "vidur",
            Self::Otel => "otel",
            Self::LiteLlm => "litellm",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// The unit its times are written in; for `csv` and `jsonl` the one that is used where none is named.
    pub(crate) const fn time_unit(self) -> &'static str {
        match self {
            Self::Azure => "dates",
            Self::BurstGpt | Self::Bailian | Self::RagPulse | Self::Vidur => "seconds",
            Self::Weka => "seconds from each session's start",
            Self::Mooncake | Self::AiBrix => "milliseconds",
            Self::Otel => "nanoseconds since 1970 or dates",
            Self::LiteLlm => "seconds since 1970 or dates",
            Self::Csv | Self::Jsonl => TimeUnit::Nanoseconds.plural(),
        }
    }

    /// Whether its times count from a zero of the recording, so that a jump backwards is another recording.
    pub(crate) const fn has_own_clock(self) -> bool {
        !matches!(self, Self::Otel | Self::LiteLlm | Self::Weka)
    }

    const fn is_generic(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = Refusal;

    /// Reads the name of a format.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|format| format.name() == text.trim()).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|format| format.name()).collect();
            Refusal::new(format!("`{text}` is not a format that is read"), format!("accepted is {}", names.join(", ")))
        })
    }
}

/// The unit of the times of a `csv` or `jsonl` trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// `s`
    Seconds,
    /// `ms`
    Milliseconds,
    /// `us`
    Microseconds,
    /// `ns`
    Nanoseconds,
    /// `date`: a date and time, without a zone UTC.
    Date,
}

impl TimeUnit {
    /// Every unit.
    pub(crate) const ALL: [Self; 5] =
        [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds, Self::Date];

    /// How people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
            Self::Date => "date",
        }
    }

    /// What its times are called.
    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
            Self::Date => "dates",
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for TimeUnit {
    type Err = Refusal;

    /// Reads `s`, `ms`, `us`, `ns`, `date`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL
            .into_iter()
            .find(|unit| unit.name() == text.trim())
            .ok_or_else(|| Refusal::new(format!("`{text}` is not a unit of time"), "accepted is s, ms, us, ns or date"))
    }
}

/// What is said of a file beforehand; nothing, by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its format; none: what its first line says.
    pub format: Option<Format>,
    /// The columns or keys of a `csv` or `jsonl` trace.
    pub columns: Option<Columns>,
    /// The unit of its times.
    pub time_unit: Option<TimeUnit>,
    /// What separates the fields of a table; none: a comma, or else what makes its first line a header that is known.
    pub delimiter: Option<char>,
    /// Which of several recordings in one file to take, from 1; none: a file of several is read, and a replay refuses
    /// it.
    pub segment: Option<u32>,
}

impl From<Format> for Reading {
    fn from(format: Format) -> Self {
        Self { format: Some(format), ..Self::default() }
    }
}

/// Turns an entry of a file into rows.
pub(crate) trait Parser {
    /// Takes the rows of one entry.
    fn take(&mut self, text: &str, pending: &mut Pending) -> Result<(), String>;

    /// The unit that its times have turned out to have, where the format leaves it open.
    fn time_unit(&self) -> Option<&'static str> {
        None
    }
}

/// A file whose first line has been seen.
pub(crate) struct Opened {
    pub(crate) format: Format,
    pub(crate) time_unit: &'static str,
    pub(crate) parser: Box<dyn Parser>,
    /// Whether the first line is a header, and no row.
    pub(crate) is_header: bool,
}

/// The parser of a file that starts with `line`, and what separates the fields of its tables. A comma is tried first:
/// another character is taken only where the line then is a header, and with commas it is none.
pub(crate) fn opened_with(line: &str, reading: &Reading) -> Result<(Opened, char), String> {
    if line.starts_with(['{', '[']) {
        if reading.delimiter.is_some() {
            return Err("is JSON, whose fields nothing separates; drop --delimiter".to_owned());
        }
        return parser_of(line, reading).map(|opened| (opened, ','));
    }
    if let Some(delimiter) = reading.delimiter {
        return parser_of(&with_commas(line, delimiter), reading).map(|opened| (opened, delimiter));
    }
    let refused = match parser_of(line, reading) {
        Ok(opened) => return Ok((opened, ',')),
        Err(why) => why,
    };
    let others = DELIMITERS.into_iter().filter(|delimiter| *delimiter != ',' && line.contains(*delimiter));
    let mut opened =
        others.filter_map(|delimiter| Some((parser_of(&with_commas(line, delimiter), reading).ok()?, delimiter)));
    opened.next().ok_or(refused)
}

/// The parser of a file that starts with `line`, of which `reading` is known.
pub(crate) fn parser_of(line: &str, reading: &Reading) -> Result<Opened, String> {
    let asks_columns = reading.columns.is_some() || reading.time_unit.is_some();
    let format = match reading.format {
        Some(format) => format,
        None if asks_columns => {
            if line.starts_with('{') {
                Format::Jsonl
            } else {
                Format::Csv
            }
        }
        None => format_of(line)?,
    };
    if asks_columns && !format.is_generic() {
        return Err(format!(
            "is read as {format}, whose columns and unit of time are known ({}); drop --columns and --time-unit, or \
             say --format csv or jsonl",
            format.time_unit()
        ));
    }
    let named = reading.format.is_some();
    let parser = parser(format, line, reading, named).map_err(|why| {
        if named && !format.is_generic() {
            format!("{why}; a {format} trace starts with its header, check --format")
        } else {
            why
        }
    })?;
    let is_header = match format {
        Format::Azure | Format::BurstGpt | Format::Vidur | Format::Csv => true,
        Format::LiteLlm => !line.starts_with('{'),
        _ => false,
    };
    Ok(Opened { format, time_unit: format.time_unit(), parser, is_header })
}

fn parser(format: Format, line: &str, reading: &Reading, named: bool) -> Result<Box<dyn Parser>, String> {
    Ok(match format {
        Format::Azure => Box::new(Azure::new(line)?),
        Format::BurstGpt => Box::new(BurstGpt::new(line)?),
        Format::Mooncake => Box::new(Mooncake { named }),
        Format::Bailian => Box::new(Bailian::default()),
        Format::RagPulse => Box::new(RagPulse),
        Format::Weka => Box::new(Weka),
        Format::AiBrix => Box::new(AiBrix),
        Format::Vidur => Box::new(Vidur::new(line)?),
        Format::Otel => Box::new(Otel),
        Format::LiteLlm => Box::new(LiteLlm::new(line)?),
        Format::Csv => Box::new(GenericCsv::new(line, reading.columns.as_ref(), reading.time_unit)?),
        Format::Jsonl => Box::new(GenericJson::new(line, reading.columns.as_ref(), reading.time_unit)?),
    })
}
