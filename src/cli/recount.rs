//! Owns `--tokenizer` after the load: the second pass, which counts the answers, rewrites the records and folds them
//! again.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::cli::files::create;
use crate::cli::output::{Folder, RECORDS, SPOOL};
use crate::cli::signals::Signals;
use crate::error::Error;
use crate::metrics::{Frame, Objectives, Summary};
use crate::record::{AnswerText, Detail, Header, Reader, Record, SpoolReader, Writer};
use crate::units::count;
use crate::workload::Tokenizer;

/// Records held at a time.
const BATCH: usize = 512;

/// What the second pass needs to know.
pub(super) struct Counting {
    pub(super) tokenizer: Arc<Tokenizer>,
    pub(super) objectives: Arc<Objectives>,
    /// What is to be kept of each record in the end.
    pub(super) detail: Option<Detail>,
    pub(super) hidden: bool,
}

/// How the second pass ended.
pub(super) enum Recounted {
    /// Everything is counted: the records folded again.
    All(Box<Summary>),
    /// A signal ended it: the records stand as they were.
    Interrupted,
}

impl Counting {
    /// Counts the spooled answers of the records in `folder` and writes the counts into them: all of them or, if that
    /// fails, none. The spool is taken away; a signal ends the pass.
    pub(super) async fn recount(self, folder: &Folder) -> Result<Recounted, Error> {
        let mut signals = Signals::listen()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (records, spool, part) = (folder.file(RECORDS), folder.file(SPOOL), folder.file(".records.jsonl.part"));
        let detail = self.detail;
        let mut counting = {
            let (stop, records, part) = (Arc::clone(&stop), records.clone(), part.clone());
            tokio::task::spawn_blocking(move || self.pass(&records, &spool, &part, &stop))
        };
        let summary = loop {
            tokio::select! {
                done = &mut counting => break done.map_err(|why| Error::Internal(format!("counting the answers failed: \
                    {why}")))?,
                () = signals.next() => stop.store(true, Ordering::Relaxed),
            }
        };
        folder.remove(SPOOL)?;
        let Some(summary) = summary? else {
            folder.remove(".records.jsonl.part")?;
            return Ok(Recounted::Interrupted);
        };
        match detail {
            Some(_) => {
                fs::rename(&part, &records).map_err(|why| Error::output(&records, format!("{why}; is there room?")))?;
            }
            None => [RECORDS, ".records.jsonl.part"].into_iter().try_for_each(|name| folder.remove(name))?,
        }
        Ok(Recounted::All(Box::new(summary)))
    }

    fn pass(&self, records: &Path, spool: &Path, part: &Path, stop: &AtomicBool) -> Result<Option<Summary>, Error> {
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
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if self.hidden {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
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
            bar.set_message(format!("{} answers counted", count(counted)));
            bar.tick();
            if stop.load(Ordering::Relaxed) {
                bar.finish_and_clear();
                return Ok(None);
            }
        }
        bar.finish_and_clear();
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
