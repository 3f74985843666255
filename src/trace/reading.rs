//! Owns `Reading`: what the user says about a trace file before it is read.

use crate::trace::columns::Columns;
use crate::trace::format::{Format, TimeUnit};

/// What the user says about a trace file. By default nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The format of the file; `None`: the format is recognised from the first line.
    pub format: Option<Format>,
    /// The columns of a `csv` trace or the keys of a `jsonl` trace.
    pub columns: Option<Columns>,
    /// The unit of the times of a `csv` or `jsonl` trace.
    pub time_unit: Option<TimeUnit>,
    /// The separator of the fields of a table; `None`: a comma, or else the separator with which the first line is a
    /// known header.
    pub delimiter: Option<char>,
    /// Which recording to take when one file holds several, from 1. `None`: all are read, but a replay refuses a file
    /// that holds several.
    pub segment: Option<u32>,
}

impl From<Format> for Reading {
    fn from(format: Format) -> Self {
        Self { format: Some(format), ..Self::default() }
    }
}
