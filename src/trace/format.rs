//! Owns `Format`: the formats that are read, and how a file is told to be one of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::trace::azure::{self, Azure};
use crate::trace::burstgpt::{self, BurstGpt};
use crate::trace::mooncake::{self, Mooncake};
use crate::trace::number::shown;
use crate::trace::rows::RawRow;
use crate::trace::table::has_columns;

/// The format of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// CSV by Microsoft: dates with up to nine digits, context and generated tokens.
    Azure,
    /// CSV by HPMLL: seconds, request and response tokens.
    BurstGpt,
    /// JSONL by Moonshot: milliseconds, lengths, prefix blocks of 512 tokens.
    Mooncake,
}

impl Format {
    /// Every format that is read.
    pub const ALL: [Self; 3] = [Self::Azure, Self::BurstGpt, Self::Mooncake];

    /// How people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Azure => "azure",
            Self::BurstGpt => "burstgpt",
            Self::Mooncake => "mooncake",
        }
    }

    /// The unit its times are written in.
    #[must_use]
    pub const fn time_unit(self) -> &'static str {
        match self {
            Self::Azure => "dates",
            Self::BurstGpt => "seconds",
            Self::Mooncake => "milliseconds",
        }
    }

    /// The format of a file by its first line: by its columns or keys, never by the size of a number.
    pub(crate) fn of_first_line(line: &str) -> Result<Self, String> {
        if line.starts_with('{') {
            return mooncake::recognise(line).map(|()| Self::Mooncake);
        }
        if has_columns(line, &azure::COLUMNS) {
            Ok(Self::Azure)
        } else if has_columns(line, &burstgpt::COLUMNS) {
            Ok(Self::BurstGpt)
        } else {
            Err(format!(
                "`{}` is the header of no trace that is read; accepted is azure ({}), burstgpt ({}) or mooncake (JSON lines)",
                shown(line),
                azure::COLUMNS.join(", "),
                burstgpt::COLUMNS.join(", ")
            ))
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Format {
    type Err = Refusal;

    /// Reads `azure`, `burstgpt`, `mooncake`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == text.trim())
            .ok_or_else(|| Refusal::new(format!("`{text}` is not a format that is read"), "accepted is azure, burstgpt or mooncake"))
    }
}

/// Reads the rows of one file, its header seen.
pub(crate) enum Parser {
    Azure(Azure),
    BurstGpt(BurstGpt),
    Mooncake(Mooncake),
}

impl Parser {
    /// The parser of `format` for a file that starts with `line`; whether that line is a header, and no row.
    pub(crate) fn new(format: Format, line: &str, named: bool) -> Result<(Self, bool), String> {
        Ok(match format {
            Format::Azure => (Self::Azure(Azure::new(line)?), true),
            Format::BurstGpt => (Self::BurstGpt(BurstGpt::new(line)?), true),
            Format::Mooncake => (Self::Mooncake(Mooncake { named }), false),
        })
    }

    /// One row; its block ids are put into `blocks`, which is empty.
    pub(crate) fn row(&self, line: &str, blocks: &mut Vec<u64>) -> Result<RawRow, String> {
        match self {
            Self::Azure(azure) => azure.row(line),
            Self::BurstGpt(burstgpt) => burstgpt.row(line),
            Self::Mooncake(mooncake) => mooncake.row(line, blocks),
        }
    }
}
