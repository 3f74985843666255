//! Owns `server_metrics.jsonl`: what servers and host said during one load, filed while the load runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::clock::RunClock;
use crate::error::Error;
use crate::figures::TrialView;
use crate::play::{Look, Observer, Segment};
use crate::results::files::create;
use crate::results::folder::{Folder, SERVER_METRICS};
use crate::results::losses::Losses;
use crate::scrape::{Reading, Scraper};
use crate::telemetry::{Scraped, ServerSeries};
use crate::units::Offset;

/// The first line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// The names of the sources, by their numbers in the lines below.
    sources: Vec<String>,
}

/// The readings of one load, shared by the observer that collects them and the verb that shows them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerReadings(Rc<RefCell<ServerSeries>>);

impl ServerReadings {
    /// Gives `trial` the figures of its window.
    pub(crate) fn put_into(&self, trial: &mut TrialView) {
        put(&self.0.borrow(), trial);
    }
}

fn put(series: &ServerSeries, trial: &mut TrialView) {
    trial.server = series.over(trial.window, trial.throughput.output_tokens_per_s);
}

/// Gives a trial that was made from the records at `records` the figures that stand in the file beside them, if there
/// is one.
pub(super) fn put_from_file(records: &Path, trial: &mut TrialView) {
    if let Some(series) = series_in(&records.with_file_name(SERVER_METRICS)) {
        put(&series, trial);
    }
}

/// The series of a file. A line that was cut off ends it.
fn series_in(path: &Path) -> Option<ServerSeries> {
    let mut lines = BufReader::new(File::open(path).ok()?).lines().map_while(Result::ok);
    let head: Head = serde_json::from_str(&lines.next()?).ok()?;
    let mut series = ServerSeries::new(head.sources);
    lines.map_while(|line| serde_json::from_str(&line).ok()).for_each(|reading: Scraped| series.push(reading));
    Some(series)
}

/// The observer that takes the readings of one load from a scraper, and files them.
pub(crate) struct ServerFiled {
    scraper: Rc<Scraper>,
    readings: ServerReadings,
    file: Option<ServerFile>,
    /// The number of the next reading to take; `None` before the load begins.
    next: Option<usize>,
    /// The origin of the load, in seconds of the scraper's clock.
    origin_s: f64,
}

/// The file of one load.
struct ServerFile {
    sink: BufWriter<File>,
    path: PathBuf,
    losses: Losses,
}

impl ServerFiled {
    /// Takes the readings of the next load from `scraper`; into `folder`, if records are kept there.
    pub(crate) fn new(
        scraper: &Rc<Scraper>,
        readings: &ServerReadings,
        folder: Option<&Folder>,
    ) -> Result<Self, Error> {
        let file = folder.map(|folder| ServerFile::open(folder, scraper.sources())).transpose()?;
        *readings.0.borrow_mut() = ServerSeries::new(scraper.sources().to_vec());
        Ok(Self { scraper: Rc::clone(scraper), readings: readings.clone(), file, next: None, origin_s: 0.0 })
    }

    fn take(&mut self) {
        let Some(from) = self.next else { return };
        let new = self.scraper.since(from);
        self.next = Some(from + new.len());
        for Reading { at, round, source, values } in new {
            let (values, failure) = match values {
                Ok(values) => (values, None),
                Err(failure) => (BTreeMap::new(), Some(failure)),
            };
            let reading = Scraped { at_s: to_micros(at.as_secs() - self.origin_s), round, source, values, failure };
            if let Some(file) = &mut self.file
                && !file.write(&reading)
            {
                self.file = None;
            }
            self.readings.0.borrow_mut().push(reading);
        }
    }
}

/// `seconds` with six digits after the point: a page takes longer than a microsecond to answer.
fn to_micros(seconds: f64) -> f64 {
    libm::round(seconds * 1e6) / 1e6
}

impl ServerFile {
    fn open(folder: &Folder, sources: &[String]) -> Result<Self, Error> {
        let path = folder.file(SERVER_METRICS);
        let head = serde_json::to_string(&Head { sources: sources.to_vec() })
            .map_err(|why| Error::Internal(format!("the sources cannot be written: {why}")))?;
        let opened = create(&path).and_then(|file| {
            let mut sink = BufWriter::new(file);
            writeln!(sink, "{head}").map(|()| sink)
        });
        let sink = opened.map_err(|why| Error::output(&path, format!("{why}; check the option out")))?;
        Ok(Self { sink, path, losses: folder.losses() })
    }

    /// Returns whether the reading is written. A failure is noted, and the load continues.
    fn write(&mut self, reading: &Scraped) -> bool {
        let written = serde_json::to_string(reading)
            .map_err(std::io::Error::other)
            // Flushed line by line, once a second: a killed run leaves what was read.
            .and_then(|line| writeln!(self.sink, "{line}").and_then(|()| self.sink.flush()));
        if let Err(why) = &written {
            let text = format!("{why}; this file ends here, but the load continues. Is there room on the disk?");
            self.losses.note(&Error::output(&self.path, text));
        }
        written.is_ok()
    }
}

impl Observer for ServerFiled {
    fn begins(&mut self, _segment: &Segment, clock: RunClock) {
        self.origin_s = self.scraper.clock().instant_of(&clock, Offset::ZERO).as_secs();
        // With the readings of the last round before the load: its first instants lie between two readings.
        self.next = Some(self.scraper.count().saturating_sub(self.scraper.sources().len()));
    }

    fn tick(&mut self, _look: &Look<'_>) {
        self.take();
    }
}

impl Drop for ServerFiled {
    fn drop(&mut self) {
        self.take();
    }
}
