//! Owns `Reading`: what is said beforehand of a file that holds a trace.

use crate::trace::columns::Columns;
use crate::trace::format::{Format, TimeUnit};

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
