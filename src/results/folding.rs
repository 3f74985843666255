//! Owns the folding of a records file into a summary: every record exactly once.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::error::Error;
use crate::metrics::Summary;
use crate::record::{Reader, Record};

/// Opens a records file.
pub(super) fn open(path: &Path) -> Result<Reader<BufReader<File>>, Error> {
    let file = File::open(path)
        .map_err(|why| Error::input(path, format!("cannot be opened: {why}; check its permissions")))?;
    Reader::new(BufReader::with_capacity(1 << 18, file), path)
}

/// The advice for records that do not belong to the run.
pub(super) const RESTORE: &str = "restore the file from a copy, or move it away to see the saved figures";

/// Folds all records into `summary`, and passes each to `also`. Refuses a request that occurs twice.
pub(super) fn fold(
    reader: impl Iterator<Item = Result<Record, Error>>,
    path: &Path,
    summary: &mut Summary,
    mut also: impl FnMut(&Record) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut ids = Ids::default();
    // The header is line 1.
    for (line, record) in (2..).zip(reader) {
        let record = record?;
        if !ids.is_new(record.id) {
            return Err(Error::input_at(
                path,
                line,
                format!("request {} occurs here a second time; {RESTORE}", record.id),
            ));
        }
        also(&record)?;
        summary.add(&record);
    }
    Ok(())
}

/// The ids seen so far, as a sparse bit set: one entry for 4 096 neighbouring ids.
#[derive(Default)]
struct Ids(HashMap<u64, [u64; 64]>);

impl Ids {
    fn is_new(&mut self, id: u64) -> bool {
        let word = &mut self.0.entry(id >> 12).or_insert([0; 64])[(id >> 6) as usize & 63];
        let bit = 1 << (id & 63);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// The records before an incomplete last line, which a killed run leaves.
pub(super) fn whole(reader: &mut Reader<BufReader<File>>) -> impl Iterator<Item = Result<Record, Error>> {
    std::iter::from_fn(move || match reader.next() {
        Some(Err(_)) if reader.truncated() => None,
        next => next,
    })
}
