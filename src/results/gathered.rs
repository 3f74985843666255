//! Owns `Gathered`: the results below folders, with the cells of batches, for tables over many results.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::Error;
use crate::results::batch::{Batch, BatchCell, JOURNAL, read_journal};
use crate::results::folder::RESULT;
use crate::results::model::Report;
use crate::results::reading::read;

/// How many folders deep results are looked for.
const DEEPEST: usize = 8;

/// The results below some folders.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Cells of batches in the order of the batches, then other results in the order of their start.
    pub(crate) entries: Vec<Entry>,
    /// The batches, the earliest first.
    pub(crate) batches: Vec<Batch>,
    /// Files that could not be read, one sentence each.
    pub(crate) unreadable: Vec<String>,
}

/// A result, or a cell of a batch that has none.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The folder of the result, as a page in the gathered folder names it.
    pub(crate) folder: PathBuf,
    /// The cell, with the number of its batch in [`Gathered::batches`] and its number in the batch; both from 0.
    pub(crate) cell: Option<(usize, usize, BatchCell)>,
    /// The result, without histograms and single requests.
    pub(crate) report: Option<Report>,
    /// Whether the folder holds a page in HTML.
    pub(crate) has_page: bool,
}

impl Gathered {
    /// The results below each of `folders`. Paths of the entries are relative to `home`; those outside of it are
    /// absolute.
    pub(crate) fn below(folders: &[PathBuf], home: &Path) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut taken = BTreeSet::new();
        let mut others = Vec::new();
        let mut journals = Vec::new();
        for folder in folders {
            if !folder.is_dir() {
                return Err(Error::input(folder, "is not a folder; give a folder with results"));
            }
            walk(folder, 0, &mut journals, &mut others);
        }
        journals.sort();
        journals.dedup();
        let mut batches: Vec<(PathBuf, Batch)> = Vec::new();
        for folder in &journals {
            match read_journal(folder) {
                Ok(journal) => {
                    let all = journal.into_iter().flat_map(|journal| journal.batches);
                    batches.extend(all.map(|batch| (folder.clone(), batch)));
                }
                Err(error) => found.unreadable.push(error.to_string()),
            }
        }
        batches.sort_by(|(_, one), (_, other)| one.started.cmp(&other.started));
        for (number, (folder, batch)) in batches.into_iter().enumerate() {
            for (place, cell) in batch.cells.iter().enumerate() {
                // A journal names folders below its own, and nothing else.
                let inside = cell.folder.components().all(|part| matches!(part, Component::Normal(_)));
                let path = if inside { folder.join(&cell.folder) } else { folder.clone() };
                let report = found.result_in(&path);
                if report.is_some() {
                    taken.insert(path.clone());
                }
                found.entries.push(Entry::at(&path, home, Some((number, place, cell.clone())), report));
            }
            found.batches.push(batch);
        }
        others.sort();
        others.dedup();
        let mut entries: Vec<Entry> = others
            .iter()
            .filter(|path| !taken.contains(*path))
            .filter_map(|path| found.result_in(path).map(|report| Entry::at(path, home, None, Some(report))))
            .collect();
        let started = |entry: &Entry| entry.report.as_ref().map(|report| report.started.clone());
        entries.sort_by_key(started);
        found.entries.append(&mut entries);
        Ok(found)
    }

    /// The result in `folder`, if there is one that can be read.
    fn result_in(&mut self, folder: &Path) -> Option<Report> {
        let path = folder.join(RESULT);
        if !path.is_file() {
            return None;
        }
        match read(&path) {
            Ok(mut report) => {
                for trial in &mut report.trials {
                    trial.histograms.clear();
                    trial.asked_histograms.clear();
                    trial.sampled.clear();
                    trial.blocks.clear();
                    trial.server.iter_mut().for_each(|server| server.points.clear());
                }
                Some(report)
            }
            Err(error) => {
                self.unreadable.push(error.to_string());
                None
            }
        }
    }
}

impl Entry {
    fn at(path: &Path, home: &Path, cell: Option<(usize, usize, BatchCell)>, report: Option<Report>) -> Self {
        let absolute = || std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self {
            folder: path.strip_prefix(home).map_or_else(|_| absolute(), Path::to_owned),
            cell,
            report,
            has_page: path.join("report.html").is_file(),
        }
    }
}

/// Adds the folders below `folder` with a journal to `journals`, and those with a result to `results`. Links are not
/// followed, and the loads of a sweep or a search are part of its result.
fn walk(folder: &Path, depth: usize, journals: &mut Vec<PathBuf>, results: &mut Vec<PathBuf>) {
    if folder.join(JOURNAL).is_file() {
        journals.push(folder.to_owned());
    }
    if folder.join(RESULT).is_file() {
        results.push(folder.to_owned());
        return;
    }
    if depth == DEEPEST {
        return;
    }
    let Ok(inside) = fs::read_dir(folder) else { return };
    for entry in inside.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), depth + 1, journals, results);
        }
    }
}
