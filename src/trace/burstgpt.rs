//! Owns the reading of `BurstGPT`'s CSV: times in seconds since a local midnight, columns by name (6 columns in version
//! 1, 8 in version 3).

use crate::trace::number::{scaled_decimal, shown};
use crate::trace::parser::Parser;
use crate::trace::rows::{Pending, RawRow};
use crate::trace::table::{self, cell_tokens};

/// The columns by which the format is recognised.
pub(crate) const COLUMNS: [&str; 3] = ["Timestamp", "Request tokens", "Response tokens"];

/// The positions of the columns.
pub(crate) struct BurstGpt {
    places: [usize; 3],
    /// The position of the session column; version 3 only.
    session: Option<usize>,
    /// The position of the response time column; version 3 only.
    elapsed: Option<usize>,
}

impl BurstGpt {
    pub(crate) fn new(header: &str) -> Result<Self, String> {
        let column = |name| table::column(header, name);
        Ok(Self {
            places: table::places(header, COLUMNS)?,
            session: column("Session ID")?,
            elapsed: column("Elapsed time")?,
        })
    }
}

impl Parser for BurstGpt {
    fn take(&mut self, line: &str, pending: &mut Pending) -> Result<(), String> {
        let [time, input, output] = table::pick(line, &self.places)?;
        let at_ns = scaled_decimal(time, 9)
            .ok_or_else(|| format!("Timestamp is `{}`, not a number of seconds", shown(time)))?;
        let row = RawRow {
            at_ns,
            input_tokens: cell_tokens(COLUMNS[1], input)?,
            output_tokens: cell_tokens(COLUMNS[2], output)?,
        };
        // Requests made through the API have no session.
        let field = |place: Option<usize>| place.map(|place| table::pick(line, &[place])).transpose();
        let session = field(self.session)?.map(|[session]| session).filter(|session| !session.is_empty());
        if session.is_some() {
            pending.answered_in(field(self.elapsed)?.and_then(|[elapsed]| scaled_decimal(elapsed, 9)));
        }
        pending.push(row, &[], session)
    }
}
