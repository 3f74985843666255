//! Owns the result folder: claimed before the load, so that a bad path fails in the first second.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Error;
use crate::metrics::Trial;
use crate::record::{Detail, Header, Outcome, Record, SpoolWriter, Writer};
use crate::report::Report;
use crate::workload::Plan;

/// The records file.
pub(super) const RECORDS: &str = "records.jsonl";
/// The texts of answers, while a tokenizer has still to count them.
pub(super) const SPOOL: &str = ".answers.spool";

/// Where the loads of a sweep have their folders.
const POINTS: &str = "points";

/// The folder of load number `place` (from 0) of a sweep, inside that of its result: `points/01` and so on.
pub(super) fn point_folder(place: usize) -> PathBuf {
    Path::new(POINTS).join(format!("{:02}", place + 1))
}

/// The header of the records of a load that is about to begin.
pub(super) fn header_before(plan: &Plan, streamed: bool, detail: Detail) -> Header {
    let spans = plan.spans();
    Header {
        plan_fingerprint: None,
        window: spans.window,
        load_end: spans.cooldown.end,
        drain_end: None,
        not_due: None,
        streamed,
        detail,
        shard: plan.shard(),
    }
}

/// The same once the load has been decided.
pub(super) fn header_after(before: &Header, trial: &Trial, plan_fingerprint: String) -> Header {
    let frame = trial.summary.frame();
    Header {
        plan_fingerprint: Some(plan_fingerprint),
        window: frame.window,
        load_end: frame.load_end,
        drain_end: Some(trial.drain_end),
        not_due: Some(trial.not_due),
        ..*before
    }
}

/// A folder that can be written into.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes `path` and proves that it takes files.
    pub(super) fn claim(path: &Path) -> Result<Self, Error> {
        let refuse = |why: io::Error| Error::output(path, format!("{why}; check --out"));
        fs::create_dir_all(path).map_err(refuse)?;
        let proof = path.join(".tonnage-proof");
        File::create(&proof).map_err(refuse)?;
        fs::remove_file(&proof).map_err(refuse)?;
        Ok(Self { path: path.to_owned() })
    }

    /// The folder's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether it holds the result of an earlier run.
    pub(super) fn holds_result(&self) -> bool {
        self.file("result.json").exists()
    }

    /// Takes away what an earlier run left, so that no file of this folder is another run's.
    pub(super) fn clear(&self) -> Result<(), Error> {
        for place in 0.. {
            let point = Self { path: self.path.join(point_folder(place)) };
            if !point.path.exists() {
                break;
            }
            point.clear()?;
            point.abandon();
        }
        Self { path: self.file(POINTS) }.abandon();
        ["result.json", RECORDS, "config.yaml", "failures.jsonl", SPOOL].into_iter().try_for_each(|name| self.remove(name))
    }

    /// The folder of load number `place` (from 0) of a sweep, emptied of what was left of it.
    pub(super) fn point(&self, place: usize) -> Result<Self, Error> {
        let folder = Self::claim(&self.path.join(point_folder(place)))?;
        folder.clear()?;
        Ok(folder)
    }

    /// Takes a file away, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(Error::output(path, format!("{why}; remove it by hand"))),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a whole file: all of it or, if that fails, none; on the disk when this returns.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let (path, part) = (self.file(name), self.file(&format!(".{name}.part")));
        let written = File::create(&part).and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        written.and_then(|()| fs::rename(&part, &path)).map_err(|why| Error::output(path, format!("{why}; is there room?")))
    }

    /// Takes the folder away again if nothing has been written into it.
    pub(super) fn abandon(self) {
        // What is not empty stays, and so it should.
        _ = fs::remove_dir(&self.path);
    }

    /// Writes the result and the configuration that repeats it.
    pub(super) fn write_result(&self, report: &Report, config: &str) -> Result<(), Error> {
        self.write("config.yaml", config)?;
        self.write("result.json", &json_of(report)?)
    }
}

/// `result.json` as text.
pub(super) fn json_of(report: &Report) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(report).map_err(|why| Error::Internal(format!("the result is no JSON: {why}")))?;
    Ok(text + "\n")
}

/// A failed request, for those who want to repeat it.
#[derive(Serialize)]
struct FailedLine<'a> {
    id: u64,
    scheduled_s: f64,
    outcome: &'a str,
    failure: Option<&'a str>,
    status: Option<u16>,
    error: Option<&'a str>,
    target: &'a str,
    model: &'a str,
    prompt: &'a str,
}

/// What is kept beside the records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    /// The texts of answers, until they are counted.
    pub(super) texts: bool,
    /// Failed requests with their prompts.
    pub(super) failures: bool,
}

/// Files records as they settle. It runs beside the load and cannot slow it; what goes wrong is kept until asked for.
#[derive(Debug)]
pub(super) struct Filing {
    writer: Option<Writer<BufWriter<File>>>,
    records_path: PathBuf,
    spool: Option<SpoolWriter<BufWriter<File>>>,
    keeps_failures: bool,
    failures: Option<BufWriter<File>>,
    failures_path: PathBuf,
    error: Option<Error>,
}

impl Filing {
    /// Opens `records.jsonl`, and the spool where texts have to be counted. `failures.jsonl` follows with the first failure.
    pub(super) fn open(folder: &Folder, header: &Header, kept: Kept) -> Result<Self, Error> {
        let records_path = folder.file(RECORDS);
        let writer = File::create(&records_path)
            .and_then(|file| Writer::new(BufWriter::with_capacity(1 << 18, file), header))
            .and_then(|mut writer| writer.flush().map(|()| writer))
            .map_err(|why| Error::output(&records_path, format!("{why}; check --out")))?;
        let spool_path = folder.file(SPOOL);
        let spool = kept.texts.then(|| File::create(&spool_path)).transpose();
        let spool = spool.map_err(|why| Error::output(&spool_path, format!("{why}; check --out")))?;
        Ok(Self {
            writer: Some(writer),
            records_path,
            spool: spool.map(|file| SpoolWriter::new(BufWriter::with_capacity(1 << 18, file))),
            keeps_failures: kept.failures,
            failures: None,
            failures_path: folder.file("failures.jsonl"),
            error: None,
        })
    }

    /// Files `record`; the prompt of a failed one is made again from `plan`.
    pub(super) fn file(&mut self, record: &Record, plan: &Plan) {
        if let Some(writer) = &mut self.writer
            && let Err(why) = writer.write(record).and_then(|()| self.spool.as_mut().map_or(Ok(()), |spool| spool.write(record)))
        {
            self.error = Some(Error::output(&self.records_path, format!("{why}; the records end here, is there room?")));
            self.writer = None;
        }
        if self.keeps_failures
            && matches!(record.exchange.outcome, Outcome::Failed(_) | Outcome::TimedOut)
            && self.error.is_none()
            && let Err(why) = self.file_failure(record, plan)
        {
            self.error = Some(Error::output(&self.failures_path, format!("{why}; is there room?")));
        }
    }

    /// Hands what is buffered to the system: what a killed run leaves behind.
    pub(super) fn flush(&mut self) {
        if let Some(writer) = &mut self.writer
            && let Err(why) = writer.flush()
        {
            self.error = Some(Error::output(&self.records_path, format!("{why}; the records end here, is there room?")));
            self.writer = None;
        }
        if let Some(failures) = &mut self.failures
            && self.error.is_none()
            && let Err(why) = failures.flush()
        {
            self.error = Some(Error::output(&self.failures_path, format!("{why}; is there room?")));
        }
    }

    fn file_failure(&mut self, record: &Record, plan: &Plan) -> io::Result<()> {
        let sink = match &mut self.failures {
            Some(sink) => sink,
            none => none.insert(BufWriter::new(File::create(&self.failures_path)?)),
        };
        let failure = if let Outcome::Failed(failure) = &record.exchange.outcome { Some(failure) } else { None };
        let line = FailedLine {
            id: record.id,
            scheduled_s: record.scheduled.as_secs(),
            outcome: record.exchange.outcome.name(),
            failure: failure.map(|failure| failure.class.name()),
            status: record.exchange.status,
            error: failure.map(|failure| &*failure.text),
            target: &record.target,
            model: &record.model,
            prompt: &plan.spec(record.id).prompt,
        };
        serde_json::to_writer(&mut *sink, &line)?;
        sink.write_all(b"\n")
    }

    /// Completes the files.
    pub(super) fn finish(self, header: &Header) -> Result<(), Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some(writer) = self.writer {
            writer.finish(header).map_err(|why| Error::output(&self.records_path, format!("{why}; is there room?")))?;
        }
        if let Some(spool) = self.spool {
            spool.finish().map_err(|why| Error::output(&self.records_path, format!("{why}; is there room?")))?;
        }
        match self.failures {
            Some(mut failures) => failures.flush().map_err(|why| Error::output(&self.failures_path, format!("{why}; is there room?"))),
            None => Ok(()),
        }
    }
}
