//! Owns the folding of a records file: every record once.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::error::Error;
use crate::metrics::Summary;
use crate::record::{Reader, Record};

/// What a records file holds, opened.
pub(super) fn open(path: &Path) -> Result<Reader<BufReader<File>>, Error> {
    let file =
        File::open(path).map_err(|why| Error::input(path, format!("cannot be opened: {why}; check its rights")))?;
    Reader::new(BufReader::with_capacity(1 << 18, file), path)
}

/// What to do about records that are not those of the run.
pub(super) const RESTORE: &str = "restore the file from a copy, or move it away to be shown the saved figures";

/// Folds all records, and shows each to `also`; refuses a request that stands there twice.
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
                format!("request {} stands here a second time; {RESTORE}", record.id),
            ));
        }
        also(&record)?;
        summary.add(&record);
    }
    Ok(())
}

/// Numbers seen, a bit each where they lie close together.
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

/// The records up to a last line cut short, as a killed run leaves it.
pub(super) fn whole(reader: &mut Reader<BufReader<File>>) -> impl Iterator<Item = Result<Record, Error>> {
    std::iter::from_fn(move || match reader.next() {
        Some(Err(_)) if reader.truncated() => None,
        next => next,
    })
}
