//! Owns the reading of Vidur's CSV: `arrived_at,num_prefill_tokens,num_decode_tokens`. Times are in seconds, with
//! floating-point noise.

use crate::trace::number::{scaled_decimal, shown};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};
use crate::trace::table::{self, cell_tokens};

/// The columns by which the format is recognised.
pub(crate) const COLUMNS: [&str; 3] = ["arrived_at", "num_prefill_tokens", "num_decode_tokens"];

/// The positions of the columns.
pub(crate) struct Vidur {
    places: [usize; 3],
}

impl Vidur {
    pub(crate) fn new(header: &str) -> Result<Self, String> {
        Ok(Self { places: table::places(header, COLUMNS)? })
    }
}

impl Parser for Vidur {
    fn take(&mut self, line: &str, pending: &mut Pending) -> Result<(), String> {
        let [time, input, output] = table::pick(line, &self.places)?;
        let at_ns = scaled_decimal(time, 9)
            .ok_or_else(|| format!("arrived_at is `{}`, not a number of seconds", shown(time)))?;
        let row = RawRow {
            at_ns,
            input_tokens: cell_tokens(COLUMNS[1], input)?,
            output_tokens: cell_tokens(COLUMNS[2], output)?,
        };
        pending.push(row, &[], None)
    }
}
