//! Owns `Place`: files in a folder that several machines see (NFS, Lustre, a volume), written so that nobody reads half
//! of one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    root: PathBuf,
    /// What tells the temporary files of this process from those of others.
    own: String,
}

impl Place {
    /// The place in the folder `root`; `own` is a name that no other process has.
    pub(crate) fn new(root: &Path, own: String) -> Self {
        Self { root: root.to_owned(), own }
    }

    /// The path of `name`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The error of a failed access to `name`.
    pub(crate) fn error(&self, name: &str, why: &io::Error) -> Error {
        let why = format!("{why}; is the meeting place still there, with room, and writable from this machine?");
        Error::output(self.path(name), why)
    }

    /// Creates the folder `name` and those above it.
    pub(crate) fn make(&self, name: &str) -> Result<(), Error> {
        fs::create_dir_all(self.path(name)).map_err(|why| self.error(name, &why))
    }

    /// Writes `name` unless it exists. Returns whether it was written.
    pub(crate) fn put_new<T: Serialize>(&self, name: &str, value: &T) -> Result<bool, Error> {
        let part = self.part(name, value)?;
        // A link fails if its name exists, on NFS too; a rename would replace it.
        let linked = fs::hard_link(&part, self.path(name));
        _ = fs::remove_file(&part);
        match linked {
            Ok(()) => Ok(true),
            Err(why) if why.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(why) => Err(self.error(name, &why)),
        }
    }

    /// Writes `name`, in place of an earlier one.
    pub(crate) fn put<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Error> {
        let part = self.part(name, value)?;
        fs::rename(&part, self.path(name)).map_err(|why| self.error(name, &why))
    }

    fn part<T: Serialize>(&self, name: &str, value: &T) -> Result<PathBuf, Error> {
        let part = self.path(&format!("{name}.{}.part", self.own));
        let text = serde_json::to_vec_pretty(value).map_err(|why| Error::Internal(why.to_string()))?;
        let written = File::create(&part).and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()));
        written.map_err(|why| {
            _ = fs::remove_file(&part);
            self.error(name, &why)
        })?;
        Ok(part)
    }

    /// The content of `name`; `None` if it does not exist.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        match fs::read(self.path(name)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|why| {
                let why = format!("is no file of a meeting of this version ({why}); meet in an empty folder");
                Error::input(self.path(name), why)
            }),
            // A place that is gone is no place without the file.
            Err(why) if why.kind() == ErrorKind::NotFound && self.root.is_dir() => Ok(None),
            Err(why) => Err(self.error(name, &why)),
        }
    }

    /// Removes `name`, if it is there.
    pub(crate) fn remove(&self, name: &str) {
        _ = fs::remove_file(self.path(name));
    }

    /// Marks `name` as alive: its time becomes the place's now.
    pub(crate) fn touch(&self, name: &str) -> Result<(), Error> {
        // A byte more, because only a write takes the time of the place. JSON allows for it.
        let touched = OpenOptions::new().append(true).open(self.path(name)).and_then(|mut file| file.write_all(b"\n"));
        touched.map_err(|why| self.error(name, &why))
    }

    /// The time at which `name` was written, by the clock of the place; `None` if it does not exist.
    pub(crate) fn written(&self, name: &str) -> Option<SystemTime> {
        fs::metadata(self.path(name)).and_then(|about| about.modified()).ok()
    }

    /// The time of the place: that of a file that is written now.
    pub(crate) fn now(&self) -> Result<SystemTime, Error> {
        let name = format!("clock.{}.part", self.own);
        let path = self.path(&name);
        let found = File::create(&path)
            .and_then(|mut file| file.write_all(b"now").and_then(|()| file.sync_all()))
            .and_then(|()| fs::metadata(&path)?.modified());
        _ = fs::remove_file(&path);
        found.map_err(|why| self.error(&name, &why))
    }
}
