//! Owns the filing of records as they settle, during the load. An error is reported once, when it happens, and the load
//! continues.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::play::{Look, Observer};
use crate::record::{Header, Outcome, Record, SpoolWriter, Writer};
use crate::results::failed_request::{FAILURES, FailedRequest};
use crate::results::files::create;
use crate::results::folder::{Folder, RECORDS, SPOOL};
use crate::results::losses::{Losses, MOST_FAILURE_BYTES};
use crate::units::{Offset, visible_json};
use crate::workload::Plan;

/// The interval at which filed records are flushed to the system, even while nothing settles. A killed run loses at
/// most the records of this interval.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// What is kept in addition to the records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    /// Whether the texts of answers are kept until a tokenizer has counted them.
    pub(crate) texts: bool,
    /// Whether failed requests are kept with their prompts.
    pub(crate) failures: bool,
}

/// A file that can be checked for deletion.
pub(crate) trait Sink: Write + Seek {
    /// Whether the file was deleted while it was written.
    fn is_gone(&self) -> bool;
}

impl Sink for BufWriter<File> {
    fn is_gone(&self) -> bool {
        self.get_ref().metadata().is_ok_and(|about| about.nlink() == 0)
    }
}

/// Files records as they settle, during the load.
#[derive(Debug)]
pub(crate) struct Filing<S: Sink = BufWriter<File>> {
    writer: Option<Writer<S>>,
    records_path: PathBuf,
    spool: Option<SpoolWriter<S>>,
    failures: Failures<S>,
    losses: Losses,
    /// Whether a file is incomplete, because writing failed.
    broken: bool,
}

/// The file of failed requests. It is created with the first failed request.
#[derive(Debug)]
struct Failures<S> {
    kept: bool,
    sink: Option<S>,
    path: PathBuf,
    open: fn(&Path) -> io::Result<S>,
    bytes: u64,
    most_bytes: u64,
    left_out: u64,
}

fn opened(path: &Path) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(1 << 18, create(path)?))
}

impl Filing {
    /// Opens `records.jsonl`, and the spool if texts must be counted. `failures.jsonl` is created with the first
    /// failure.
    pub(crate) fn open(folder: &Folder, header: &Header, kept: Kept) -> Result<Self, Error> {
        Self::open_with(folder, header, kept, opened)
    }
}

impl<S: Sink> Filing<S> {
    fn open_with(
        folder: &Folder,
        header: &Header,
        kept: Kept,
        open: fn(&Path) -> io::Result<S>,
    ) -> Result<Self, Error> {
        let records_path = folder.file(RECORDS);
        let writer = open(&records_path)
            .and_then(|sink| Writer::new(sink, header))
            .and_then(|mut writer| writer.flush().map(|()| writer))
            .map_err(|why| Error::output(&records_path, format!("{why}; check the option out")))?;
        let spool_path = folder.file(SPOOL);
        let spool = kept.texts.then(|| open(&spool_path)).transpose();
        let spool = spool.map_err(|why| Error::output(&spool_path, format!("{why}; check the option out")))?;
        Ok(Self {
            writer: Some(writer),
            records_path,
            spool: spool.map(SpoolWriter::new),
            failures: Failures {
                kept: kept.failures,
                sink: None,
                path: folder.file(FAILURES),
                open,
                bytes: 0,
                most_bytes: MOST_FAILURE_BYTES,
                left_out: 0,
            },
            losses: folder.losses(),
            broken: false,
        })
    }

    /// Files `record`. The prompt of a failed request is generated again from `plan`.
    pub(crate) fn file(&mut self, record: &Record, plan: &Plan) {
        if let Some(writer) = &mut self.writer
            && let Err(why) =
                writer.write(record).and_then(|()| self.spool.as_mut().map_or(Ok(()), |spool| spool.write(record)))
        {
            self.give_up_records(&why.to_string());
        }
        if matches!(record.exchange.outcome, Outcome::Failed(_) | Outcome::TimedOut)
            && let Err(why) = self.failures.file(record, plan)
        {
            self.give_up_failures(&why);
        }
    }

    /// Flushes the buffers to the system, so that a killed run leaves these records.
    pub(crate) fn flush(&mut self) {
        if let Some(writer) = &mut self.writer {
            match writer.flush() {
                Err(why) => self.give_up_records(&why.to_string()),
                Ok(()) if writer.sink().is_gone() => self.give_up_records("the file was deleted"),
                Ok(()) => {}
            }
        }
        if let Some(Err(why)) = self.failures.sink.as_mut().map(Write::flush) {
            self.give_up_failures(&why);
        }
    }

    fn give_up_records(&mut self, why: &str) {
        let text = format!(
            "{why}; the records end here, but the load continues, and its result is printed. Is there room on the disk?"
        );
        self.losses.note(&Error::output(&self.records_path, text));
        (self.writer, self.broken) = (None, true);
    }

    fn give_up_failures(&mut self, why: &io::Error) {
        self.losses.note(&Error::output(
            &self.failures.path,
            format!("{why}; this file ends here, but the load continues. Is there room on the disk?"),
        ));
        (self.failures.sink, self.failures.kept, self.broken) = (None, false, true);
    }

    /// Completes the files. Returns whether all of them are complete.
    pub(crate) fn finish(mut self, header: &Header) -> bool {
        self.flush();
        if let Some(writer) = self.writer.take()
            && let Err(why) = writer.finish(header)
        {
            self.give_up_records(&why.to_string());
        }
        if let Some(spool) = self.spool.take()
            && !self.broken
            && let Err(why) = spool.finish()
        {
            self.give_up_records(&why.to_string());
        }
        if let Err(why) = self.failures.finish() {
            self.give_up_failures(&why);
        }
        self.losses.note_left_out(self.failures.left_out);
        !self.broken
    }
}

/// The observer that files settled records, and flushes them once a second. The owner of the filing completes it.
pub(crate) struct Filed {
    filing: Rc<RefCell<Option<Filing>>>,
    plan: Arc<Plan>,
    flushed_at: Offset,
}

impl Filed {
    pub(crate) fn new(filing: &Rc<RefCell<Option<Filing>>>, plan: &Arc<Plan>) -> Self {
        Self { filing: Rc::clone(filing), plan: Arc::clone(plan), flushed_at: Offset::ZERO }
    }
}

impl Observer for Filed {
    fn settled(&mut self, record: &Record) {
        if let Some(filing) = self.filing.borrow_mut().as_mut() {
            filing.file(record, &self.plan);
        }
    }

    fn tick(&mut self, look: &Look<'_>) {
        let now = look.counts.elapsed;
        if now.since(self.flushed_at) >= FLUSH_EVERY {
            self.flushed_at = now;
            if let Some(filing) = self.filing.borrow_mut().as_mut() {
                filing.flush();
            }
        }
    }
}

impl<S: Write> Failures<S> {
    fn file(&mut self, record: &Record, plan: &Plan) -> io::Result<()> {
        if !self.kept {
            return Ok(());
        }
        if self.bytes >= self.most_bytes {
            self.left_out += 1;
            return Ok(());
        }
        let failure = if let Outcome::Failed(failure) = &record.exchange.outcome { Some(failure) } else { None };
        let response = record.exchange.failed_response.as_deref();
        let (spec, is_whole) = plan.spec_without_answers(record.id);
        let prompt = spec.prompt();
        let line = FailedRequest {
            id: record.id,
            scheduled_s: record.scheduled.as_secs(),
            outcome: record.exchange.outcome.name().into(),
            failure: failure.map(|failure| failure.class.name().into()),
            status: record.exchange.status,
            error: failure.map(|failure| (&*failure.text).into()),
            headers: response.map(|response| {
                response.headers.iter().map(|(name, value)| ((&**name).into(), (&**value).into())).collect()
            }),
            body: response.map(|response| (&*response.body).into()),
            target: (&*record.target).into(),
            model: (&*record.model).into(),
            prompt,
            left_out: (!is_whole).then_some("the conversation before it, with the server's answers".into()),
        };
        self.line(&serde_json::to_string(&line)?)
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        let text = visible_json(text);
        if self.bytes + text.len() as u64 + 1 > self.most_bytes.saturating_add(1 << 10) {
            self.bytes = self.most_bytes;
            self.left_out += 1;
            return Ok(());
        }
        let sink = match &mut self.sink {
            Some(sink) => sink,
            none => none.insert((self.open)(&self.path)?),
        };
        sink.write_all(text.as_bytes())?;
        sink.write_all(b"\n")?;
        self.bytes += text.len() as u64 + 1;
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.left_out > 0
            && let Some(sink) = &mut self.sink
        {
            writeln!(
                sink,
                "{{\"left_out\":{},\"why\":\"this file ends at {} bytes\"}}",
                self.left_out, self.most_bytes
            )?;
        }
        self.sink.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Detail, Exchange, Failure, FailureClass, Origin};
    use crate::results::folder::Replace;
    use crate::schedule::{Extent, Process, Timeline};
    use crate::seed::Seed;
    use crate::units::{Offset, Rate, Window};
    use crate::workload::{Load, Workload};

    /// A disk with room for 3 000 bytes in each file.
    struct Small(io::Cursor<Vec<u8>>);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.position() + bytes.len() as u64 > 3_000 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Small {
        fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    impl Sink for Small {
        fn is_gone(&self) -> bool {
            false
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the form of what opens a file")]
    fn small(_: &Path) -> io::Result<Small> {
        Ok(Small(io::Cursor::new(Vec::new())))
    }

    fn plan() -> Plan {
        let none = std::time::Duration::ZERO;
        let timeline = Timeline::new(
            Process::Even,
            "10/s".parse::<Rate>().unwrap(),
            Extent::Requests(9),
            none,
            none,
            Seed::new(1),
        );
        Plan::new(Load::Open(timeline), Workload::default(), Seed::new(1), None)
    }

    fn header() -> Header {
        let window = Window { start: Offset::ZERO, end: Offset::from_secs(1.0) };
        let (load_end, detail) = (window.end, Detail::Full);
        Header {
            plan_fingerprint: None,
            window,
            load_end,
            drain_end: None,
            not_due: None,
            streamed: true,
            detail,
            shard: None,
        }
    }

    fn failed(id: u64) -> Record {
        Record {
            id,
            class: "default".into(),
            session: None,
            turn: None,
            turns: None,
            origin: Origin::Planned,
            scheduled: Offset::ZERO,
            asked_input_tokens: 1,
            asked_output_tokens: 1,
            cancel_after: None,
            target: "t".into(),
            model: "m\u{1b}[31m\u{9b}".into(),
            exchange: Exchange {
                outcome: Outcome::Failed(Failure::new(FailureClass::Status, "503: no\nerror: forged")),
                ..Exchange::default()
            },
        }
    }

    #[test]
    fn a_full_disk_is_named_once_and_the_load_goes_on() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::claim(&place.path().join("out"), Replace::Never).unwrap();
        let mut filing = Filing::open_with(&folder, &header(), Kept { texts: true, failures: true }, small).unwrap();
        let plan = plan();
        for id in 0..50 {
            filing.file(&failed(id % 9), &plan);
            filing.flush();
        }
        let first = folder.losses().first().unwrap();
        assert!(first.contains(".jsonl") && first.contains("the load continues"), "{first}");
        assert!(!filing.finish(&header()) && folder.losses().any());
        assert_eq!(folder.losses().first(), Some(first), "named once");
    }

    #[test]
    fn failures_end_at_a_size_and_say_how_many_are_left_out() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::claim(&place.path().join("out"), Replace::Never).unwrap();
        let mut filing = Filing::open(&folder, &header(), Kept { texts: false, failures: true }).unwrap();
        filing.failures.most_bytes = 4_000;
        let plan = plan();
        for id in 0..200 {
            filing.file(&failed(id % 9), &plan);
        }
        assert!(filing.finish(&header()) && !folder.losses().any());
        let text = std::fs::read_to_string(folder.file(FAILURES)).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let left_out = lines.last().unwrap()["left_out"].as_u64().unwrap();
        assert_eq!(lines.len() as u64 - 1 + left_out, 200);
        assert!(text.len() < 6_000 && left_out > 100, "{} bytes, {left_out} left out", text.len());
        assert!(folder.losses().left_out().unwrap().contains(&left_out.to_string()));
        assert!(
            !text.contains(|c| c != '\n' && crate::units::is_hidden(c)) && lines[0]["model"] == "m\u{1b}[31m\u{9b}"
        );
    }

    #[test]
    fn a_file_that_was_taken_away_is_named() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::claim(&place.path().join("out"), Replace::Never).unwrap();
        let mut filing = Filing::open(&folder, &header(), Kept { texts: false, failures: true }).unwrap();
        filing.file(&failed(1), &plan());
        std::fs::remove_dir_all(folder.path()).unwrap();
        filing.flush();
        let first = folder.losses().first().unwrap();
        assert!(first.contains("was deleted"), "{first}");
        assert!(!filing.finish(&header()));
    }
}
