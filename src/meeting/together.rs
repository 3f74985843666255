//! Owns `Meeting`: how shards come together, agree on a start, and leave their results.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{RunClock, wall_now};
use crate::error::Error;
use crate::meeting::announcement::Announcement;
use crate::meeting::place::Place;
use crate::meeting::shared_clock::SharedClock;
use crate::units::{Shard, seconds};

/// The file with the start.
const START: &str = "start.json";
/// The folder with the results, one folder for each shard.
const RESULTS: &str = "results";
/// Time between two looks at the place.
const LOOK: Duration = Duration::from_millis(200);
/// Time between two signs of life of a waiting shard.
const BEAT: Duration = Duration::from_secs(1);
/// A shard without a sign of life for this long, by the clock of the place, is gone.
const GONE: Duration = Duration::from_secs(5);
/// The start is this long after the last shard has come: every shard has looked several times, and has time to open its
/// connections.
const LEAD: Duration = Duration::from_secs(2);
/// Clocks that differ by more than this, in seconds, cannot agree on a start.
const MOST_APART_S: f64 = 1.0;

/// The agreed start.
#[derive(Debug, Serialize, Deserialize)]
struct Start {
    /// The origin of the load, on the clock of each machine; RFC 3339.
    start: String,
    /// The shard that wrote it.
    agreed_by: Shard,
}

/// The meeting of one shard with the others.
#[derive(Debug)]
pub(crate) struct Meeting {
    place: Place,
    mine: Announcement,
    patience: Duration,
}

impl Meeting {
    /// Comes to the folder `root`, as the shard that `mine` describes (its clock is read here), and waits at most
    /// `patience` for others.
    pub(crate) fn come(root: &Path, mine: Announcement, patience: Duration) -> Result<Self, Error> {
        let own = format!("{:04}-{}-{}", mine.shard.number(), mine.host, mine.process);
        let place = Place::new(root, own.replace('/', "_"));
        place.make("shards")?;
        place.make(RESULTS)?;
        let clock = SharedClock::read(&place)?;
        if libm::fabs(clock.offset_s) > MOST_APART_S {
            let (apart, way) =
                (seconds(libm::fabs(clock.offset_s)), if clock.offset_s < 0.0 { "ahead of" } else { "behind" });
            let why = format!("this machine's clock is {apart} {way} that of the meeting place; set it (NTP)");
            return Err(Error::input(root, why));
        }
        Ok(Self { place, mine: Announcement { clock, ..mine }, patience })
    }

    /// This machine's clock against that of the place.
    pub(crate) fn clock(&self) -> SharedClock {
        self.mine.clock
    }

    /// Announces this shard, waits until all have come, and agrees with them on the start. Dropping the future leaves
    /// the announcement; [`Meeting::go`] takes it back.
    pub(crate) async fn agree(&self) -> Result<Timestamp, Error> {
        let shard = self.mine.shard;
        if let Some(Start { start, .. }) = self.place.get(START)? {
            let why = format!(
                "the shards there agreed on {start} without this process, which came too late or is a second start of \
                 shard {shard}; meet in an empty folder, or report what was sent with the option \
                 partial"
            );
            return Err(Error::input(self.place.path(START), why));
        }
        self.announce()?;
        let clock = RunClock::starting_in(Duration::ZERO);
        let (mut beat_at, until) = (clock.now(), clock.now().plus(self.patience));
        loop {
            if let Some(Start { start, .. }) = self.place.get(START)? {
                return start.parse().map_err(|_| {
                    let why = format!("`{start}` is no start; meet in an empty folder");
                    Error::input(self.place.path(START), why)
                });
            }
            let now = clock.now();
            if now >= beat_at {
                self.place.touch(&Announcement::file(shard))?;
                beat_at = now.plus(BEAT);
            }
            let missing = self.missing()?;
            if missing.is_empty() {
                let start = Timestamp::try_from(wall_now() + LEAD)
                    .map_err(|why| Error::Internal(format!("the start is no time: {why}")))?;
                // Another shard may have been first; all read what stands there.
                self.place.put_new(START, &Start { start: start.to_string(), agreed_by: shard })?;
                continue;
            }
            if now >= until {
                self.go();
                let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
                let why = format!(
                    "shard {} did not come within {}; look at its log, or wait longer with the option meet-timeout",
                    missing.join(", "),
                    seconds(self.patience.as_secs_f64())
                );
                return Err(Error::input(self.place.path("shards"), why));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Puts the announcement of this shard there. Refused if another process is there for this shard.
    fn announce(&self) -> Result<(), Error> {
        let file = Announcement::file(self.mine.shard);
        if self.place.put_new(&file, &self.mine)? {
            return Ok(());
        }
        let there: Option<Announcement> = self.place.get(&file)?;
        match there {
            Some(other) if !self.is_gone(&file, self.place.now()?) => {
                let why = format!(
                    "process {} on {} is there as shard {}, too; give each process a shard of its own",
                    other.process, other.host, other.shard
                );
                Err(Error::input(self.place.path(&file), why))
            }
            // What is left of a process that ended while it waited.
            _ => self.place.put(&file, &self.mine),
        }
    }

    /// Whether the process that announced itself in `file` has given no sign of life for [`GONE`]; `now` is a time of
    /// the place.
    fn is_gone(&self, file: &str, now: SystemTime) -> bool {
        self.place.written(file).is_none_or(|at| now.duration_since(at).is_ok_and(|age| age > GONE))
    }

    /// The shards that have not come. Refuses a shard that does not fit.
    fn missing(&self) -> Result<Vec<Shard>, Error> {
        let of = self.mine.shard.of();
        // The last sign of life of this shard is a time of the place, and needs no write of its own.
        let now = self.place.written(&Announcement::file(self.mine.shard));
        let mut missing = Vec::new();
        for shard in (1..=of).filter_map(|number| Shard::new(number, of).ok()) {
            let file = Announcement::file(shard);
            let Some(other) = self.place.get::<Announcement>(&file)? else {
                missing.push(shard);
                continue;
            };
            if let Some(why) = self.mine.refused_by(&other) {
                self.go();
                return Err(Error::input(self.place.path(&file), format!("{why}; start all shards alike")));
            }
            if now.is_some_and(|now| self.is_gone(&file, now)) {
                missing.push(shard);
            }
        }
        Ok(missing)
    }

    /// Takes the announcement back.
    pub(crate) fn go(&self) {
        self.place.remove(&Announcement::file(self.mine.shard));
    }

    /// Leaves the files of `folder` as the result of this shard.
    pub(crate) fn leave(&self, folder: &Path) -> Result<(), Error> {
        let name = format!("{RESULTS}/{:04}", self.mine.shard.number());
        let part = format!("{name}.part");
        self.place.make(&part)?;
        let files = fs::read_dir(folder).map_err(|why| Error::output(folder, why.to_string()))?;
        for file in files.filter_map(Result::ok).filter(|file| file.path().is_file()) {
            let into = self.place.path(&part).join(file.file_name());
            fs::copy(file.path(), &into).map_err(|why| self.place.error(&part, &why))?;
        }
        fs::rename(self.place.path(&part), self.place.path(&name)).map_err(|why| self.place.error(&name, &why))
    }

    /// Waits until every shard has left its result, at most `patience`; returns the folders of those that have.
    pub(crate) async fn results(&self, patience: Duration) -> Vec<PathBuf> {
        let clock = RunClock::starting_in(Duration::ZERO);
        let until = clock.now().plus(patience);
        loop {
            let found = results_in(self.place.path("").as_path());
            if found.len() >= self.mine.shard.of() as usize || clock.now() >= until {
                return found.into_values().collect();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The folder of the merged result.
    pub(crate) fn merged(&self) -> PathBuf {
        self.place.path("merged")
    }
}

/// Whether shards meet, or have met, in `root`.
pub(crate) fn is_meeting_place(root: &Path) -> bool {
    root.join("shards").is_dir() && root.join(RESULTS).is_dir()
}

/// The results that shards have left at the meeting place in `root`, by the number of the shard.
pub(crate) fn results_in(root: &Path) -> BTreeMap<u32, PathBuf> {
    let folders = fs::read_dir(root.join(RESULTS)).into_iter().flatten().filter_map(Result::ok);
    let numbered = folders.filter_map(|folder| {
        let number = folder.file_name().to_str()?.parse().ok()?;
        folder.path().is_dir().then(|| (number, folder.path()))
    });
    numbered.collect()
}
