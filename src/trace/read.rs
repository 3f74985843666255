//! Owns the reading of a trace from a file, entry by entry.

use std::io::BufRead;
use std::path::Path;

use crate::error::Error;
use crate::trace::lines::Lines;
use crate::trace::opened::opened_with;
use crate::trace::reading::Reading;
use crate::trace::rows::{Pending, Trace};
use crate::trace::table::with_commas;

impl Trace {
    /// Reads `source`, the contents of the file `path`, compressed (gzip) or not. `reading` gives the format; where it
    /// gives none, the format is recognised from the first line. Fails at the first row that cannot be read, with the
    /// line of that row.
    pub fn read(source: impl BufRead, path: &Path, reading: &Reading) -> Result<Self, Error> {
        let mut lines = Lines::new(source, path)?;
        let Some((number, first)) = lines.advance()? else {
            return Err(Error::input(path, "is empty; give a trace of at least one request"));
        };
        let refuse = |number: u64, why: String| Error::input_at(path, number, why);
        let first = first.to_owned();
        let (mut opened, delimiter) = opened_with(&first, reading).map_err(|why| refuse(number, why))?;
        lines.separated_by(delimiter);
        let mut pending = Pending::new(opened.format, opened.time_unit, reading.segment);
        if !opened.is_header {
            pending.number = number;
            opened.parser.take(&first, &mut pending).map_err(|why| refuse(number, why))?;
        }
        pending.separated_by(delimiter);
        drop(first);
        while let Some((number, line)) = lines.advance()? {
            pending.number = number;
            let taken = if delimiter == ',' {
                opened.parser.take(line, &mut pending)
            } else {
                opened.parser.take(&with_commas(line, delimiter), &mut pending)
            };
            taken.map_err(|why| refuse(number, why))?;
        }
        pending.finish(opened.parser.time_unit(), path)
    }
}
