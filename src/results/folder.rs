//! Owns the result folder. It is claimed before the load, so a bad path fails in the first second.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;
use crate::play::Trial;
use crate::record::{Detail, Header};
use crate::results::failed_request::FAILURES;
use crate::results::files::{Limit, Lock, create, create_folder, create_out, read_bytes, read_text};
use crate::results::known::{hidden, json_text};
use crate::results::losses::Losses;
use crate::results::model::{Report, Tool};
use crate::results::spec::RunSpec;
use crate::workload::Plan;

/// The file of the result.
pub(crate) const RESULT: &str = "result.json";
/// The file of the configuration that repeats the run.
const CONFIG: &str = "config.yaml";
/// The records file.
pub(crate) const RECORDS: &str = "records.jsonl";
/// The file of what servers and host said during the load.
pub(crate) const SERVER_METRICS: &str = "server_metrics.jsonl";
/// The file of answer texts that a tokenizer has still to count.
pub(crate) const SPOOL: &str = ".answers.spool";

/// The folder that holds one folder for each load of a sweep or a search.
const POINTS: &str = "points";

/// The path of load number `place` (from 0) of a sweep, relative to the result folder: `points/01` and so on.
pub(crate) fn point_folder(place: usize) -> PathBuf {
    Path::new(POINTS).join(format!("{:02}", place + 1))
}

/// The records header of a load that is about to begin.
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

/// The records header of a load that has ended.
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

/// What to do with a result that a folder already holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replace {
    /// Keep it and refuse the folder.
    Never,
    /// Replace it: the user gave `--force`.
    Asked,
    /// Resume it.
    Resumed,
}

/// Pages made of a result, by `report --to`.
pub(crate) const PAGES: [&str; 3] = ["report.html", "report.md", "report.csv"];
/// The files of a result.
const OURS: [&str; 9] = [RESULT, CONFIG, RECORDS, FAILURES, SERVER_METRICS, SPOOL, PAGES[0], PAGES[1], PAGES[2]];
/// Temporary files that exist while another file is written.
const PARTS: [&str; 4] = [".result.json.part", ".config.yaml.part", ".records.jsonl.part", ".tonnage-proof"];

/// A writable folder, locked for this process.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    losses: Losses,
    /// `None` for a folder inside a locked folder.
    lock: Option<Lock>,
}

impl Folder {
    /// Creates `path`, locks it and proves that files can be written into it. Files that do not belong to a result of
    /// tonnage are never touched. A result is replaced only if `replace` says so.
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

    /// Refuses a folder that holds a result which must not be replaced, or foreign files with the names of our files.
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
                return foreign(name, "is a link, or not a file of a result");
            }
        }
        let Some(saved) = Saved::of(&self.file(RESULT)) else {
            return match OURS.into_iter().find(|name| there(name).is_some()) {
                Some(name) => foreign(name, "does not belong to a result of tonnage"),
                None => Ok(()),
            };
        };
        if replace == Replace::Resumed {
            return Ok(());
        }
        if there(CONFIG).is_some() && !saved.has_config(&self.file(CONFIG)) {
            return foreign(CONFIG, "differs from the configuration of the result beside it");
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

    /// The path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The files that could not be written into the folder.
    pub(crate) fn losses(&self) -> Losses {
        self.losses.clone()
    }

    /// The path of the file `name` in the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether the folder holds the result of an earlier run.
    pub(crate) fn holds_result(&self) -> bool {
        self.file(RESULT).exists()
    }

    /// Removes the files of an earlier run, so that all files of this folder belong to one run.
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

    /// A folder inside this one, which shares its lock.
    fn inner(&self, path: impl AsRef<Path>) -> Self {
        Self { path: self.path.join(path), losses: self.losses.clone(), lock: None }
    }

    /// The folder of load number `place` (from 0) of a sweep or a search, created and cleared.
    pub(crate) fn point(&self, place: usize) -> Result<Self, Error> {
        let folder = self.inner(point_folder(place));
        create_folder(&folder.path).map_err(|why| Error::output(&folder.path, format!("{why}; is there room?")))?;
        folder.clear_point()?;
        Ok(folder)
    }

    /// The folder of load number `place`, which [`Folder::point`] has made; `None` if it has not.
    pub(crate) fn existing_point(&self, place: usize) -> Option<Self> {
        let folder = self.inner(point_folder(place));
        folder.path.is_dir().then_some(folder)
    }

    /// Removes the files of an earlier load from this folder. Refuses a link, which could lead elsewhere.
    fn clear_point(&self) -> Result<(), Error> {
        if !fs::symlink_metadata(&self.path).is_ok_and(|about| about.is_dir()) {
            return Err(Error::output(
                &self.path,
                "is a link, or not a folder of a result; name another folder with the option out, or move it away",
            ));
        }
        [RECORDS, FAILURES, SERVER_METRICS].into_iter().try_for_each(|name| self.remove(name))
    }

    /// Removes the file `name`, if it exists.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => {
                Err(Error::output(path, format!("{why}; remove it by hand")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a whole file atomically. The file is synced to disk when this returns. On an error, no new file is left.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        write_whole(&self.path, name, text)
    }

    /// Removes the folder if it is empty.
    pub(crate) fn abandon(mut self) {
        self.lock = None;
        // This fails for a folder that is not empty, as intended.
        _ = fs::remove_dir(&self.path);
    }

    /// Writes the result and the configuration that repeats the run. The result comes first, because it identifies the
    /// run of the other files. A page of an earlier state of the result is removed.
    pub(crate) fn write_result(&self, report: &Report, config: &str) -> Result<(), Error> {
        self.write(RESULT, &json_of(report)?)?;
        PAGES.into_iter().try_for_each(|name| self.remove(name))?;
        self.write(CONFIG, config)
    }

    /// Writes the result like [`Folder::write_result`], in the middle of a load. A failure is noted, and the load
    /// continues.
    pub(crate) fn keep_result(&self, report: &Report, config: &str) {
        if !self.losses.any()
            && let Err(error) = self.write_result(report, config)
        {
            self.losses.note(&error);
        }
    }
}

/// Writes the whole file `name` in `folder` atomically.
fn write_whole(folder: &Path, name: &str, text: &str) -> Result<(), Error> {
    let (path, part) = (folder.join(name), folder.join(format!(".{name}.part")));
    _ = fs::remove_file(&part);
    let written =
        create(&part).and_then(|mut file| file.write_all(hidden(text).as_bytes()).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&part, &path)).map_err(|why| {
        _ = fs::remove_file(&part);
        Error::output(path, format!("{why}; is there room on the disk?"))
    })
}

/// Writes a page of a result into `folder`, which is created if it is missing, and returns its path. A page that is
/// there already is replaced; a link or a folder of that name is refused.
pub(crate) fn write_page(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let path = page_path(folder, name)?;
    write_whole(folder, name, text)?;
    Ok(path)
}

/// The path of the page `name` in `folder`, which is made where it does not exist. Refuses a link and a folder.
pub(super) fn page_path(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    create_out(folder)?;
    let path = folder.join(name);
    if fs::symlink_metadata(&path).is_ok_and(|about| !about.is_file()) {
        return Err(Error::output(
            &path,
            "is a link or a folder; move it away, or name another folder with the option out",
        ));
    }
    Ok(path)
}

/// The keys of an existing result that are checked.
#[derive(Deserialize)]
struct Saved {
    #[serde(rename = "schema")]
    _schema: u32,
    tool: Tool,
    started: String,
    config: RunSpec,
}

impl Saved {
    /// The result in `path`; `None` if there is no result of tonnage.
    fn of(path: &Path) -> Option<Self> {
        let bytes = read_bytes(path, Limit::RESULT, "check the option out").ok()?;
        serde_json::from_slice(&bytes).ok().filter(|saved: &Self| saved.tool.name == env!("CARGO_PKG_NAME"))
    }

    /// Whether `path` holds the configuration that was written with this result.
    fn has_config(&self, path: &Path) -> bool {
        let text = read_text(path, Limit::CONFIG, "check the option out").unwrap_or_default();
        serde_saphyr::from_str::<RunSpec>(&text).is_ok_and(|config| config == self.config)
    }
}

/// The text of `result.json`.
pub(crate) fn json_of(report: &Report) -> Result<String, Error> {
    json_text(report, "the result")
}
