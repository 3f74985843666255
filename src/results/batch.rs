//! Owns `BatchJournal`, the file `batch.json`: the batches that were run into a folder, their cells, and what became of
//! each cell.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::results::files::{Limit, Lock, create_out, read_bytes};
use crate::results::folder::write_page;
use crate::results::host::tool;
use crate::results::known::json_text;
use crate::results::model::Tool;

/// The file of the journal.
pub(crate) const JOURNAL: &str = "batch.json";
/// The schema number that this version writes.
const JOURNAL_SCHEMA: u32 = 1;

/// All batches that were run into one folder, the earliest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BatchJournal {
    schema: u32,
    tool: Tool,
    /// The batches.
    pub(crate) batches: Vec<Batch>,
}

/// One batch: the cells of a matrix, run one after another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// When it began, RFC 3339.
    pub(crate) started: String,
    /// The same instant as the name of a folder: `20260102T030405Z`.
    pub(crate) stamp: String,
    /// The file of the matrix, as it was named.
    pub(crate) file: String,
    /// Why it ended before its last cell; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stopped: Option<String>,
    /// Its cells, in order.
    pub(crate) cells: Vec<BatchCell>,
}

/// One cell of a matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BatchCell {
    /// The name, different from that of every other cell of the batch.
    pub(crate) name: String,
    /// The verb that runs it: `run`, `sweep` or `search`.
    pub(crate) verb: String,
    /// The value of each axis, where the matrix has the axis.
    #[serde(flatten)]
    pub(crate) axes: CellAxes,
    /// The folder of its result, relative to the folder of the journal.
    pub(crate) folder: PathBuf,
    /// Hash of its options, without secrets. A cell with other options is another cell.
    pub(crate) options_digest: String,
    /// About how long it takes, in seconds; absent if that is not known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) about_s: Option<f64>,
    /// What became of it.
    pub(crate) state: CellState,
}

/// The value of each axis of a matrix, as named there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct CellAxes {
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// The target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    /// The input and output lengths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lengths: Option<String>,
    /// The load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) load: Option<String>,
    /// The law of the arrivals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<String>,
}

/// What became of a cell.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CellState {
    /// It has not begun.
    #[default]
    Waiting,
    /// It has begun. If its batch is no longer running, the cell was cut off.
    Begun,
    /// Its process has ended.
    Ended {
        /// The exit code; absent if a signal ended the process.
        exit_code: Option<u8>,
        /// Why there is no result, or no whole result; absent if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// How long it took, in seconds.
        took_s: f64,
    },
}

impl CellState {
    /// Whether the cell has a whole result, whatever its verdict: it is not run again.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Ended { exit_code: Some(0 | 1 | 4), .. })
    }
}

/// The folder of batches, locked for this process, with its journal.
#[derive(Debug)]
pub(crate) struct BatchFolder {
    path: PathBuf,
    /// The journal as it is on disk after [`BatchFolder::save`].
    pub(crate) journal: BatchJournal,
    _lock: Lock,
}

impl BatchFolder {
    /// Whether `path` holds a journal.
    pub(crate) fn is_begun(path: &Path) -> bool {
        path.join(JOURNAL).is_file()
    }

    /// Creates `path`, locks it, and reads its journal. Refuses a journal that is not readable.
    pub(crate) fn claim(path: &Path) -> Result<Self, Error> {
        create_out(path)?;
        let lock = Lock::take(path)?;
        let journal = read_journal(path)?.unwrap_or_else(|| BatchJournal {
            schema: JOURNAL_SCHEMA,
            tool: tool(),
            batches: Vec::new(),
        });
        Ok(Self { path: path.to_owned(), journal, _lock: lock })
    }

    /// The path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the journal atomically, synced to disk.
    pub(crate) fn save(&self) -> Result<(), Error> {
        write_page(&self.path, JOURNAL, &json_text(&self.journal, "the journal of the batch")?).map(drop)
    }
}

/// The journal in `folder`; `None` if there is none.
pub(crate) fn read_journal(folder: &Path) -> Result<Option<BatchJournal>, Error> {
    let path = folder.join(JOURNAL);
    if !path.exists() {
        return Ok(None);
    }
    let advice = "move it away, or name another folder with the option out";
    let bytes = read_bytes(&path, Limit::RESULT, advice)?;
    let journal: BatchJournal = serde_json::from_slice(&bytes).map_err(|why| {
        Error::input_at(&path, why.line() as u64, format!("is no journal of a batch: {why}; {advice}"))
    })?;
    if journal.schema != JOURNAL_SCHEMA {
        let why = format!("has schema {}, but this version reads schema {JOURNAL_SCHEMA}", journal.schema);
        return Err(Error::input(&path, format!("{why}; use the version that wrote it")));
    }
    Ok(Some(journal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(exit_code: Option<u8>) -> CellState {
        CellState::Ended { exit_code, reason: None, took_s: 1.0 }
    }

    #[test]
    fn a_cell_with_a_verdict_is_done_and_every_other_end_is_not() {
        for code in [Some(0), Some(1), Some(4)] {
            assert!(ended(code).is_done(), "{code:?}");
        }
        for state in [ended(Some(2)), ended(Some(3)), ended(Some(130)), ended(None), CellState::Begun] {
            assert!(!state.is_done(), "{state:?}");
        }
    }

    #[test]
    fn a_journal_is_read_as_it_was_written_and_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let cell = BatchCell {
            name: "512x128 4/s".to_owned(),
            verb: "run".to_owned(),
            axes: CellAxes { lengths: Some("512x128".to_owned()), ..CellAxes::default() },
            folder: "m/20260102T030405Z/01-512x128_4_s".into(),
            options_digest: "ab".to_owned(),
            about_s: Some(20.0),
            state: ended(Some(3)),
        };
        let mut batch = BatchFolder::claim(folder.path()).unwrap();
        assert!(BatchFolder::claim(folder.path()).is_err(), "a second batch in the same folder");
        batch.journal.batches.push(Batch {
            started: "2026-01-02T03:04:05Z".to_owned(),
            stamp: "20260102T030405Z".to_owned(),
            file: "m.yaml".to_owned(),
            stopped: None,
            cells: vec![cell.clone(), BatchCell { state: CellState::Waiting, ..cell.clone() }, cell],
        });
        batch.save().unwrap();
        assert_eq!(read_journal(folder.path()).unwrap().as_ref(), Some(&batch.journal));
        std::fs::write(folder.path().join(JOURNAL), "{}").unwrap();
        assert!(read_journal(folder.path()).unwrap_err().to_string().contains("is no journal of a batch"));
    }
}
