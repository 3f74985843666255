//! Owns the result folder: claimed before the load, so that a bad path fails in the first second.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::play::Trial;
use crate::record::{Detail, Header};
use crate::results::files::{Limit, Lock, create, create_folder, create_out, read_bytes, read_text};
use crate::results::known::{hidden, json_text};
use crate::results::losses::Losses;
use crate::results::model::{Report, Tool};
use crate::results::spec::RunSpec;
use crate::workload::Plan;

/// The result.
pub(crate) const RESULT: &str = "result.json";
/// The configuration that repeats it.
const CONFIG: &str = "config.yaml";
/// Failed requests with their prompts.
const FAILURES: &str = "failures.jsonl";
/// The records file.
pub(crate) const RECORDS: &str = "records.jsonl";
/// The texts of answers, while a tokenizer has still to count them.
pub(crate) const SPOOL: &str = ".answers.spool";

/// Where the loads of a sweep have their folders.
const POINTS: &str = "points";

/// The folder of load number `place` (from 0) of a sweep, inside that of its result: `points/01` and so on.
pub(crate) fn point_folder(place: usize) -> PathBuf {
    Path::new(POINTS).join(format!("{:02}", place + 1))
}

/// The header of the records of a load that is about to begin.
pub(crate) fn header_before(plan: &Plan, streamed: bool, detail: Detail) -> Header {
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
pub(crate) fn header_after(before: &Header, trial: &Trial, plan_fingerprint: String) -> Header {
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

/// What becomes of a result that a folder holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replace {
    /// It stays, and the folder is refused.
    Never,
    /// It was asked for with `--force`: it gives way.
    Asked,
    /// It goes on.
    Resumed,
}

/// Files of a result.
const OURS: [&str; 5] = [RESULT, CONFIG, RECORDS, FAILURES, SPOOL];
/// Files that are there while another is written.
const PARTS: [&str; 4] = [".result.json.part", ".config.yaml.part", ".records.jsonl.part", ".tonnage-proof"];

/// A folder that can be written into, by this process alone.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    losses: Losses,
    /// None inside of a folder that is locked.
    lock: Option<Lock>,
}

impl Folder {
    /// Makes `path`, locks it and proves that it takes files. What is there and is of no result of ours is never
    /// touched; a result gives way only when that was asked for.
    pub(crate) fn claim(path: &Path, replace: Replace) -> Result<Self, Error> {
        create_out(path)?;
        let folder = Self { path: path.to_owned(), losses: Losses::default(), lock: Some(Lock::take(path)?) };
        folder.respect(replace)?;
        folder.prove()?;
        Ok(folder)
    }

    fn prove(&self) -> Result<(), Error> {
        let refuse = |why: io::Error| Error::output(&self.path, format!("{why}; check the option out"));
        let proof = self.file(".tonnage-proof");
        _ = fs::remove_file(&proof);
        create(&proof).map_err(refuse)?;
        fs::remove_file(&proof).map_err(refuse)
    }

    /// Refuses a folder with files of our names that are not ours, or with a result that must not be replaced.
    fn respect(&self, replace: Replace) -> Result<(), Error> {
        let there = |name: &str| fs::symlink_metadata(self.file(name)).ok();
        let foreign = |name: &str, why: &str| {
            Err(Error::output(
                self.file(name),
                format!("{why}, and is not overwritten; name another folder with the option out, or move it away"),
            ))
        };
        for name in OURS.into_iter().chain([POINTS]) {
            let plain = there(name).is_none_or(|about| if name == POINTS { about.is_dir() } else { about.is_file() });
            if !plain {
                return foreign(name, "is a link or no file of a result");
            }
        }
        let Some(saved) = Saved::of(&self.file(RESULT)) else {
            return match OURS.into_iter().find(|name| there(name).is_some()) {
                Some(name) => foreign(name, "is of no result of tonnage"),
                None => Ok(()),
            };
        };
        if replace == Replace::Resumed {
            return Ok(());
        }
        if there(CONFIG).is_some() && !saved.has_config(&self.file(CONFIG)) {
            return foreign(CONFIG, "is not as the result beside it left it");
        }
        if replace == Replace::Never {
            let why = format!(
                "it holds the result of {}; give the option force to replace it, or name another folder with the \
                 option out",
                saved.started
            );
            return Err(Error::output(&self.path, why));
        }
        Ok(())
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What could not be written into it.
    pub(crate) fn losses(&self) -> Losses {
        self.losses.clone()
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether it holds the result of an earlier run.
    pub(crate) fn holds_result(&self) -> bool {
        self.file(RESULT).exists()
    }

    /// Takes away what an earlier run left, so that no file of this folder is another run's.
    pub(crate) fn clear(&self) -> Result<(), Error> {
        for place in 0.. {
            let point = self.inner(point_folder(place));
            if fs::symlink_metadata(&point.path).is_err() {
                break;
            }
            point.clear_point()?;
            point.abandon();
        }
        self.inner(POINTS).abandon();
        OURS.into_iter().chain(PARTS).try_for_each(|name| self.remove(name))
    }

    /// A folder inside, under the lock of this one.
    fn inner(&self, path: impl AsRef<Path>) -> Self {
        Self { path: self.path.join(path), losses: self.losses.clone(), lock: None }
    }

    /// The folder of load number `place` (from 0) of a sweep, emptied of what was left of it.
    pub(crate) fn point(&self, place: usize) -> Result<Self, Error> {
        let folder = self.inner(point_folder(place));
        create_folder(&folder.path).map_err(|why| Error::output(&folder.path, format!("{why}; is there room?")))?;
        folder.clear_point()?;
        Ok(folder)
    }

    /// Takes away what a load left in the folder of its records. A link that leads elsewhere is not followed.
    fn clear_point(&self) -> Result<(), Error> {
        if !fs::symlink_metadata(&self.path).is_ok_and(|about| about.is_dir()) {
            return Err(Error::output(
                &self.path,
                "is a link or no folder of a result; name another folder with the option out, or move it away",
            ));
        }
        [RECORDS, FAILURES].into_iter().try_for_each(|name| self.remove(name))
    }

    /// Takes a file away, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => {
                Err(Error::output(path, format!("{why}; remove it by hand")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a whole file: all of it or, if that fails, none; on the disk when this returns.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let (path, part) = (self.file(name), self.file(&format!(".{name}.part")));
        _ = fs::remove_file(&part);
        let written =
            create(&part).and_then(|mut file| file.write_all(hidden(text).as_bytes()).and_then(|()| file.sync_all()));
        written.and_then(|()| fs::rename(&part, &path)).map_err(|why| {
            _ = fs::remove_file(&part);
            Error::output(path, format!("{why}; is there room on the disk?"))
        })
    }

    /// Takes the folder away again if nothing has been written into it.
    pub(crate) fn abandon(mut self) {
        self.lock = None;
        // What is not empty stays, and so it should.
        _ = fs::remove_dir(&self.path);
    }

    /// Writes the result and the configuration that repeats it. The result comes first: it says whose the other files
    /// are.
    pub(crate) fn write_result(&self, report: &Report, config: &str) -> Result<(), Error> {
        self.write(RESULT, &json_of(report)?)?;
        self.write(CONFIG, config)
    }

    /// The same in the middle of a load: what cannot be written is taken note of, and the load goes on.
    pub(crate) fn keep_result(&self, report: &Report, config: &str) {
        if !self.losses.any()
            && let Err(error) = self.write_result(report, config)
        {
            self.losses.note(&error);
        }
    }
}

/// What is looked at of a result that is there.
#[derive(Deserialize)]
struct Saved {
    #[serde(rename = "schema")]
    _schema: u32,
    tool: Tool,
    started: String,
    config: RunSpec,
}

impl Saved {
    /// The result in `path`; none where there is none of ours.
    fn of(path: &Path) -> Option<Self> {
        let bytes = read_bytes(path, Limit::RESULT, "check the option out").ok()?;
        serde_json::from_slice(&bytes).ok().filter(|saved: &Self| saved.tool.name == env!("CARGO_PKG_NAME"))
    }

    /// Whether `path` is the configuration that was written with it.
    fn has_config(&self, path: &Path) -> bool {
        let text = read_text(path, Limit::CONFIG, "check the option out").unwrap_or_default();
        serde_saphyr::from_str::<RunSpec>(&text).is_ok_and(|config| config == self.config)
    }
}

/// `result.json` as text.
pub(crate) fn json_of(report: &Report) -> Result<String, Error> {
    json_text(report, "the result")
}
