//! Owns the second pass over the records of a run with a tokenizer. It counts the answers, rewrites the records and
//! folds them again.

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

/// The temporary file of the rewritten records.
const PART: &str = ".records.jsonl.part";
/// The number of records in memory at a time. A batch is counted on all cores.
const BATCH: usize = 512;

/// The input of the second pass.
pub(crate) struct Counting {
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) objectives: Arc<Objectives>,
    /// The detail of the rewritten records; `None`: no records are kept.
    pub(crate) detail: Option<Detail>,
}

/// How the second pass ended.
pub(crate) enum Recounted {
    /// All answers are counted. Holds the summary of the counted records.
    All(Box<Summary>),
    /// A signal ended the pass: the records are unchanged.
    Interrupted,
}

impl Counting {
    /// Finishes after [`Counting::pass`]: the counted records replace the others, and the spool is removed.
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

    /// Counts the spooled answers of the records in `folder`, and writes the counted records beside them. Returns the
    /// summary of the counted records, or `None` if `stop` ended the pass. Calls `heard` with the number of records
    /// counted so far.
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

    /// Counts the answers of a batch on all cores.
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

/// Fills in the counts of the tokenizer: the tokens of the whole text and, if the server sent no running count, the
/// tokens that each event completed.
fn fill(record: &mut Record, text: &AnswerText, tokenizer: &Tokenizer) {
    let exchange = &mut record.exchange;
    let whole = String::from_utf8_lossy(&text.bytes);
    // Invalid UTF-8 becomes replacement characters of another length. The ends of the events then no longer fit.
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
