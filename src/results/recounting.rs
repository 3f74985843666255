//! Owns the second pass over the records of a run with a tokenizer, which counts the answers, rewrites the records
//! and folds them again.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::metrics::{Frame, Objectives, Summary};
use crate::record::{AnswerText, Detail, Header, Reader, Record, SpoolReader, Writer};
use crate::results::files::create;
use crate::results::folder::{Folder, RECORDS, SPOOL};
use crate::workload::Tokenizer;

/// The records while they are rewritten.
const PART: &str = ".records.jsonl.part";
/// Records held at a time.
const BATCH: usize = 512;

/// What the second pass needs to know.
pub(crate) struct Counting {
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) objectives: Arc<Objectives>,
    /// What is to be kept of each record in the end.
    pub(crate) detail: Option<Detail>,
}

/// How the second pass ended.
pub(crate) enum Recounted {
    /// Everything is counted: the records folded again.
    All(Box<Summary>),
    /// A signal ended it: the records stand as they were.
    Interrupted,
}

impl Counting {
    /// What is left to do once [`Counting::pass`] has ended: the counted records take the place of the others, and the
    /// spool is taken away.
    pub(crate) fn settle(
        detail: Option<Detail>,
        folder: &Folder,
        summary: Result<Option<Summary>, Error>,
    ) -> Result<Recounted, Error> {
        folder.remove(SPOOL)?;
        let Some(summary) = summary? else {
            folder.remove(PART)?;
            return Ok(Recounted::Interrupted);
        };
        match detail {
            Some(_) => {
                let records = folder.file(RECORDS);
                fs::rename(folder.file(PART), &records)
                    .map_err(|why| Error::output(&records, format!("{why}; is there room?")))?;
            }
            None => [RECORDS, PART].into_iter().try_for_each(|name| folder.remove(name))?,
        }
        Ok(Recounted::All(Box::new(summary)))
    }

    /// Counts the spooled answers of the records in `folder`, and writes the counted records beside them: all of them
    /// or, where `stop` ends the pass, none. `heard` is told how many have been counted.
    pub(crate) fn pass(&self, folder: &Path, stop: &AtomicBool, heard: &dyn Fn(u64)) -> Result<Option<Summary>, Error> {
        let (records, spool, part) = (&folder.join(RECORDS), &folder.join(SPOOL), &folder.join(PART));
        let open = |path: &Path| {
            File::open(path).map_err(|why| Error::input(path, format!("cannot be read again: {why}; run again")))
        };
        let refuse = |why: std::io::Error| Error::output(part, format!("{why}; is there room?"));
        let mut reader = Reader::new(BufReader::with_capacity(1 << 18, open(records)?), records)?;
        let mut texts = SpoolReader::new(BufReader::with_capacity(1 << 18, open(spool)?));
        let header = Header { detail: self.detail.unwrap_or(Detail::Compact), ..reader.header().clone() };
        _ = fs::remove_file(part);
        let file = create(part).map_err(refuse)?;
        let mut writer = Writer::new(BufWriter::with_capacity(1 << 18, file), &header).map_err(refuse)?;
        let mut summary = Summary::new(Frame::from(&header), Arc::clone(&self.objectives));
        let mut counted = 0;
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            for record in reader.by_ref().take(BATCH) {
                let record = record?;
                let text = texts
                    .next(record.id)
                    .map_err(|why| Error::input(spool, format!("cannot be read again: {why}; run again")))?;
                batch.push((record, text));
            }
            if batch.is_empty() {
                break;
            }
            self.count(&mut batch);
            for (record, _) in &batch {
                summary.add(record);
                writer.write(record).map_err(refuse)?;
            }
            counted += batch.len() as u64;
            heard(counted);
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
        }
        writer.finish(&header).map_err(refuse)?;
        Ok(Some(summary))
    }

    /// Counts a batch on all cores.
    fn count(&self, batch: &mut [(Record, Option<AnswerText>)]) {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let share = batch.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            for share in batch.chunks_mut(share) {
                scope.spawn(|| {
                    for (record, text) in share {
                        if let Some(text) = text {
                            fill(record, text, &self.tokenizer);
                        }
                    }
                });
            }
        });
    }
}

/// Fills in what only a tokenizer knows: the tokens of the whole text and, where the server did not count as it went,
/// those that each event completed.
fn fill(record: &mut Record, text: &AnswerText, tokenizer: &Tokenizer) {
    let exchange = &mut record.exchange;
    let whole = String::from_utf8_lossy(&text.bytes);
    // A replacement character is as long as half a surrogate pair, but not as every broken byte: then ends no longer
    // fit.
    let fits = whole.len() == text.bytes.len() && text.event_ends.len() == exchange.events as usize;
    if exchange.event_tokens.is_empty() && exchange.events > 0 && fits {
        let counts = tokenizer.count_by_piece(&whole, &text.event_ends);
        exchange.counted_output_tokens = Some(counts.iter().sum());
        exchange.first_event_tokens =
            exchange.first_event_tokens.or(counts.first().copied().filter(|count| *count > 1));
        exchange.event_tokens = counts;
    } else {
        exchange.counted_output_tokens = Some(tokenizer.count(&whole));
    }
}
