//! Owns the reading of Azure's CSV: `TIMESTAMP,ContextTokens,GeneratedTokens`, times as dates. The files of 2023 and
//! 2024 have these columns only; the file of 2025 has another column between them.

use crate::trace::number::{date_ns, shown};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};
use crate::trace::table::{self, cell_tokens};

/// The columns by which the format is recognised.
pub(crate) const COLUMNS: [&str; 3] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];

/// The positions of the columns.
pub(crate) struct Azure {
    places: [usize; 3],
}

impl Azure {
    pub(crate) fn new(header: &str) -> Result<Self, String> {
        Ok(Self { places: table::places(header, COLUMNS)? })
    }
}

impl Parser for Azure {
    fn take(&mut self, line: &str, pending: &mut Pending) -> Result<(), String> {
        let [time, input, output] = table::pick(line, &self.places)?;
        let at_ns = date_ns(time).ok_or_else(|| {
            format!("TIMESTAMP is `{}`, not a date and time such as 2023-11-16 18:17:03.9799600", shown(time))
        })?;
        let row = RawRow {
            at_ns,
            input_tokens: cell_tokens(COLUMNS[1], input)?,
            output_tokens: cell_tokens(COLUMNS[2], output)?,
        };
        pending.push(row, &[], None)
    }
}
