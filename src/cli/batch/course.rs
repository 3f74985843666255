//! Owns the course of a batch: which cells are left, each in a process of its own, the command after each, and the
//! journal, which is written before and after each step.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::aggregate::write_pages;
use crate::cli::batch::cells::Cell;
use crate::cli::batch::check::{Checked, config_of};
use crate::cli::batch::child::{Ending, run_cell, run_command};
use crate::cli::batch::matrix::CellVerb;
use crate::cli::exit::Exit;
use crate::cli::signals::{self, Signals};
use crate::cli::terminal::say;
use crate::clock::RunClock;
use crate::error::Error;
use crate::report::{Lang, MatrixCell, cell_answer, render_html_in, worded};
use crate::results::{
    Batch, BatchCell, BatchFolder, CellState, Gathered, PAGES, file_name, files_of, hidden, read, rfc3339, write_page,
};
use crate::units::{count, seconds};

/// The file of what the commands after cells print.
const LOG: &str = "after-command.log";

/// A cell that was checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    pub(super) cell: Cell,
    pub(super) checked: Checked,
}

impl Planned {
    /// The cell as the table of a matrix shows it.
    pub(super) fn about(&self) -> MatrixCell {
        MatrixCell {
            name: self.cell.name.clone(),
            model: self.cell.axes.model.clone(),
            target: self.cell.axes.target.clone(),
            about_s: self.checked.about_s,
            is_assumed: self.checked.is_assumed,
        }
    }
}

/// A batch that is about to be run.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) verb: CellVerb,
    pub(super) cells: Vec<Planned>,
    /// The command after each cell.
    pub(super) after: Option<String>,
    pub(super) quiet: bool,
    /// The command that goes on with the batch.
    pub(super) again: String,
}

impl Course {
    /// Runs the cells that are left, and returns how the batch ends. The last batch of the journal is `resumed`, or a
    /// new one is added.
    pub(super) async fn play(
        &self,
        folder: &mut BatchFolder,
        file: &Path,
        resumed: bool,
        mut signals: Signals,
    ) -> Result<Exit, Error> {
        self.begin(folder, file, resumed)?;
        folder.save()?;
        let clock = RunClock::starting_in(Duration::ZERO);
        let total = self.cells.len();
        // A server that an earlier run of the batch has started may be gone, so the command runs before the first cell.
        let mut before = if resumed { last_ended(folder) } else { None };
        for place in 0..total {
            if batch_of(folder)?.cells[place].state.is_done() {
                continue;
            }
            if let Some(ended) = before
                && let Some(exit) = self.after(folder, ended, Some(place), &mut signals).await?
            {
                return Ok(exit);
            }
            if signals::any() {
                return self.interrupted(folder);
            }
            self.cell(folder, place, clock, &mut signals).await?;
            if signals::any() {
                return self.interrupted(folder);
            }
            before = Some(place);
        }
        if let Some(ended) = before
            && let Some(exit) = self.after(folder, ended, None, &mut signals).await?
        {
            return Ok(exit);
        }
        Ok(exit_of(batch_of(folder)?))
    }

    /// Adds a batch to the journal, or takes up its last one.
    fn begin(&self, folder: &mut BatchFolder, file: &Path, resumed: bool) -> Result<(), Error> {
        let wall = RunClock::starting_in(Duration::ZERO).wall();
        let stamp = jiff::Timestamp::try_from(wall).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let mut batch = Batch {
            started: rfc3339(wall),
            stamp: stamp.strftime("%Y%m%dT%H%M%S%.3fZ").to_string(),
            file: file.display().to_string(),
            stopped: None,
            cells: Vec::new(),
        };
        let last = folder.journal.batches.last();
        if !resumed {
            if let Some(left) = last.map(left_in).filter(|left| *left > 0) {
                self.say(&format!(
                    "the last batch in {} has {} without a result; --resume goes on with it, and this one begins anew",
                    folder.path().display(),
                    cells(left)
                ));
            }
            batch.cells = self.cells_in(&batch.stamp);
            folder.journal.batches.push(batch);
            return Ok(());
        }
        let Some(last) = folder.journal.batches.last_mut() else {
            let why = format!("no batch has begun in {}", folder.path().display());
            return Err(Error::usage("--resume", why, "drop it, or name the folder with --out"));
        };
        let planned = self.cells_in(&last.stamp);
        let taken = taken_up(last, planned);
        for line in &taken.said {
            self.say(line);
        }
        (last.cells, last.stopped) = (taken.cells, None);
        let (left, all) = (left_in(last), last.cells.len() as u64);
        self.say(&if left == 0 {
            format!("the batch had finished: each of its {} has a result", cells(all))
        } else {
            format!("{} of {} are left", count(left), cells(all))
        });
        Ok(())
    }

    /// The cells as a new batch begun at `stamp` has them.
    fn cells_in(&self, stamp: &str) -> Vec<BatchCell> {
        let cell = |(place, Planned { cell, checked }): (usize, &Planned)| {
            let model = file_name(&hidden(cell.axes.model.as_deref().unwrap_or("model")));
            let name = format!("{:02}-{}", place + 1, file_name(&hidden(&cell.name)));
            BatchCell {
                name: hidden(&cell.name),
                verb: self.verb.name().to_owned(),
                axes: cell.axes.clone(),
                folder: PathBuf::from(if model.is_empty() { "model" } else { &model }).join(stamp).join(name),
                options_digest: checked.digest.clone(),
                about_s: checked.about_s,
                state: CellState::Waiting,
            }
        };
        self.cells.iter().enumerate().map(cell).collect()
    }

    /// Runs the cell at `place` to its end, whatever that is.
    async fn cell(
        &self,
        folder: &mut BatchFolder,
        place: usize,
        clock: RunClock,
        signals: &mut Signals,
    ) -> Result<(), Error> {
        let Planned { cell, checked } = &self.cells[place];
        let path = folder.path().join(&batch_of(folder)?.cells[place].folder);
        batch_of_mut(folder)?.cells[place].state = CellState::Begun;
        folder.save()?;
        let begun = clock.now();
        let name = format!("cell {} of {}: {}", place + 1, self.cells.len(), cell.name);
        let left_s: f64 = self.left_s(batch_of(folder)?, place + 1);
        let bar = self.bar();
        if bar.is_hidden() {
            self.say(&format!("{name}: {}", about(checked)));
        }
        let tick = || {
            let took_s = clock.now().secs_since(begun);
            let left_s = left_s + (checked.about_s.unwrap_or(0.0) - took_s).max(0.0);
            bar.set_message(format!("{name} · {took_s:.0} s, {} · {} left in all", about(checked), seconds(left_s)));
            bar.tick();
        };
        let ending = run_cell(self.verb.name(), &config_of(cell)?, &path, signals, tick).await?;
        bar.finish_and_clear();
        let took_s = clock.now().secs_since(begun);
        let state = state_of(&ending, took_s);
        let ended = if state.is_done() {
            page(&path)
        } else {
            let code = ending.code.map_or_else(|| "killed".to_owned(), |code| format!("exit code {code}"));
            format!("{code}: {}", ending.said)
        };
        self.say(&format!("{name}: {ended} ({})", seconds(took_s)));
        batch_of_mut(folder)?.cells[place].state = state;
        folder.save()?;
        // The index of a long batch can be looked at while it runs. At its end, a failure to write it is an error.
        let written = Gathered::below(&[folder.path().to_owned()], folder.path())
            .and_then(|gathered| write_pages(&gathered, folder.path()));
        if let Err(error) = written {
            self.say(&format!("the index is not up to date: {error}"));
        }
        Ok(())
    }

    /// Runs the command after the cell at `ended`, before the one at `next`. Returns how the batch ends if the command
    /// failed or was interrupted.
    async fn after(
        &self,
        folder: &mut BatchFolder,
        ended: usize,
        next: Option<usize>,
        signals: &mut Signals,
    ) -> Result<Option<Exit>, Error> {
        let Some(command) = &self.after else { return Ok(None) };
        let names = names_of(folder, batch_of(folder)?, ended, next);
        let log = folder.path().join(LOG);
        let Ending { code, said } = run_command(command, &names, &log, signals).await?;
        if signals::any() {
            return self.interrupted(folder).map(Some);
        }
        if code == Some(0) {
            return Ok(None);
        }
        let name = &batch_of(folder)?.cells[ended].name;
        let code = code.map_or_else(|| "was killed".to_owned(), |code| format!("ended with exit code {code}"));
        let why = format!("the command after cell `{name}` {code}: {said}");
        batch_of_mut(folder)?.stopped = Some(why.clone());
        folder.save()?;
        let left = left_in(batch_of(folder)?);
        if left > 0 {
            let instead = "the next cell would load the wrong server, so the batch stops (end the command in `|| true` \
                to go on all the same)";
            say(&format!("error: {why}; {instead}; {} left: {}", cells_are(left), self.again));
        } else {
            say(&format!("error: {why}"));
        }
        Ok(Some(Exit::TargetLost))
    }

    /// Ends the batch after a signal, and says how it goes on.
    fn interrupted(&self, folder: &mut BatchFolder) -> Result<Exit, Error> {
        batch_of_mut(folder)?.stopped = Some("interrupted".to_owned());
        folder.save()?;
        say(&format!("interrupted: {} left; go on with: {}", cells_are(left_in(batch_of(folder)?)), self.again));
        Ok(Exit::Interrupted)
    }

    /// About how long the cells from `place` on take that are not done, in seconds.
    fn left_s(&self, batch: &Batch, place: usize) -> f64 {
        let left = batch.cells.iter().zip(&self.cells).skip(place).filter(|(cell, _)| !cell.state.is_done());
        left.filter_map(|(_, planned)| planned.checked.about_s).sum()
    }

    /// The line on the screen while a cell runs.
    fn bar(&self) -> ProgressBar {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        // The template is a constant of ours. If it were wrong, the default spinner would be used.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            say(line);
        }
    }
}

/// The cell that ended last before the first one that is left.
fn last_ended(folder: &BatchFolder) -> Option<usize> {
    let batch = folder.journal.batches.last()?;
    let first = batch.cells.iter().position(|cell| !cell.state.is_done())?;
    let ended = |cell: &BatchCell| matches!(cell.state, CellState::Ended { .. });
    batch.cells[..first].iter().rposition(ended).or_else(|| batch.cells.iter().rposition(ended))
}

/// Writes the page of the result in `folder`, and returns its answer.
fn page(folder: &Path) -> String {
    let [html, ..] = PAGES;
    let made = read(&files_of(folder).0).and_then(|mut report| {
        worded(&mut report);
        write_page(folder, html, &render_html_in(&report, Lang::English)?)?;
        Ok(cell_answer(&report))
    });
    made.unwrap_or_else(|error| format!("its page is not written: {error}"))
}

fn about(checked: &Checked) -> String {
    checked
        .about_s
        .map_or_else(|| "its length is not known".to_owned(), |about_s| format!("about {}", seconds(about_s)))
}

fn cells(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "cell" } else { "cells" })
}

fn cells_are(number: u64) -> String {
    format!("{} {}", cells(number), if number == 1 { "is" } else { "are" })
}

/// The batch that is run: the last one of the journal.
fn batch_of(folder: &BatchFolder) -> Result<&Batch, Error> {
    folder.journal.batches.last().ok_or_else(|| Error::Internal("a journal without a batch".to_owned()))
}

fn batch_of_mut(folder: &mut BatchFolder) -> Result<&mut Batch, Error> {
    folder.journal.batches.last_mut().ok_or_else(|| Error::Internal("a journal without a batch".to_owned()))
}

/// How many cells of `batch` have no whole result.
fn left_in(batch: &Batch) -> u64 {
    batch.cells.iter().filter(|cell| !cell.state.is_done()).count() as u64
}

/// The state of a cell whose process ended so.
fn state_of(ending: &Ending, took_s: f64) -> CellState {
    let mut state = CellState::Ended { exit_code: ending.code, reason: None, took_s };
    if !state.is_done()
        && let CellState::Ended { reason, .. } = &mut state
    {
        *reason = Some(ending.said.clone());
    }
    state
}

/// How a batch ends whose cells have all been run: the worst that happened to a cell.
fn exit_of(batch: &Batch) -> Exit {
    let code = |cell: &BatchCell| match cell.state {
        CellState::Ended { exit_code, .. } => exit_code,
        CellState::Waiting | CellState::Begun => None,
    };
    let codes: BTreeSet<Option<u8>> = batch.cells.iter().map(code).collect();
    let any = |code: u8| codes.contains(&Some(code));
    if any(2) {
        Exit::Output
    } else if codes.iter().any(|code| !matches!(code, Some(0 | 1 | 4))) {
        Exit::TargetLost
    } else if any(1) {
        Exit::Failed
    } else if any(4) {
        Exit::Inconclusive
    } else {
        Exit::Done
    }
}

/// The names of the cell that ended and of the next one, for the environment of the command between them.
fn names_of(folder: &BatchFolder, batch: &Batch, ended: usize, next: Option<usize>) -> Vec<(String, String)> {
    let mut names = Vec::new();
    for (prefix, cell) in
        [("TONNAGE_", batch.cells.get(ended)), ("TONNAGE_NEXT_", next.and_then(|next| batch.cells.get(next)))]
    {
        let of = |pick: fn(&BatchCell) -> Option<String>| cell.and_then(pick).unwrap_or_default();
        let path = cell.map_or_else(String::new, |cell| folder.path().join(&cell.folder).display().to_string());
        let code = |cell: &BatchCell| match cell.state {
            CellState::Ended { exit_code, .. } => exit_code.map(|code| code.to_string()),
            _ => None,
        };
        for (name, value) in [
            ("CELL", of(|cell| Some(cell.name.clone()))),
            ("MODEL", of(|cell| cell.axes.model.clone())),
            ("TARGET", of(|cell| cell.axes.target.clone())),
            ("LENGTHS", of(|cell| cell.axes.lengths.clone())),
            ("LOAD", of(|cell| cell.axes.load.clone())),
            ("PROCESS", of(|cell| cell.axes.process.clone())),
            ("FOLDER", path),
            ("EXIT_CODE", of(code)),
        ] {
            names.push((format!("{prefix}{name}"), value));
        }
    }
    names
}

/// The cells of a batch that is taken up again, and what to say about them.
#[derive(Debug)]
struct TakenUp {
    cells: Vec<BatchCell>,
    said: Vec<String>,
}

/// The `planned` cells, each with the state and the folder that it has in `batch`, if its options are the same.
fn taken_up(batch: &Batch, planned: Vec<BatchCell>) -> TakenUp {
    let mut said = Vec::new();
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    let cells: Vec<BatchCell> = planned
        .into_iter()
        .map(|cell| match batch.cells.iter().find(|other| other.name == cell.name) {
            Some(other) if other.options_digest == cell.options_digest && other.verb == cell.verb => {
                folders.insert(other.folder.clone());
                BatchCell { state: other.state.clone(), folder: other.folder.clone(), ..cell }
            }
            Some(_) => {
                said.push(format!("cell `{}` has other options than before, so it is run again", cell.name));
                cell
            }
            None => {
                said.push(format!("cell `{}` is new", cell.name));
                cell
            }
        })
        .collect();
    for gone in batch.cells.iter().filter(|gone| cells.iter().all(|cell| cell.name != gone.name)) {
        said.push(format!(
            "cell `{}` is no longer in the file; its result stays in {}",
            gone.name,
            gone.folder.display()
        ));
    }
    TakenUp { cells, said }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::CellAxes;

    fn cell(name: &str, digest: &str, exit_code: Option<u8>) -> BatchCell {
        BatchCell {
            name: name.to_owned(),
            verb: "run".to_owned(),
            axes: CellAxes::default(),
            folder: PathBuf::from("m/then").join(name),
            options_digest: digest.to_owned(),
            about_s: None,
            state: exit_code.map_or(CellState::Begun, |code| CellState::Ended {
                exit_code: Some(code),
                reason: None,
                took_s: 1.0,
            }),
        }
    }

    fn batch(cells: Vec<BatchCell>) -> Batch {
        Batch { started: String::new(), stamp: "then".to_owned(), file: String::new(), stopped: None, cells }
    }

    #[test]
    fn a_finished_cell_keeps_its_result_and_every_other_one_is_left() {
        let before = batch(vec![
            cell("a", "1", Some(1)),
            cell("b", "2", Some(0)),
            cell("c", "3", None),
            cell("d", "4", Some(0)),
        ]);
        let waiting = |name: &str, digest: &str| BatchCell {
            state: CellState::Waiting,
            folder: PathBuf::from("m/then/new").join(name),
            ..cell(name, digest, None)
        };
        let taken =
            taken_up(&before, vec![waiting("a", "1"), waiting("b", "other"), waiting("c", "3"), waiting("e", "5")]);
        let done: Vec<bool> = taken.cells.iter().map(|cell| cell.state.is_done()).collect();
        assert_eq!(done, [true, false, false, false]);
        let folders: Vec<String> = taken.cells.iter().map(|cell| cell.folder.display().to_string()).collect();
        assert_eq!(folders, ["m/then/a", "m/then/new/b", "m/then/c", "m/then/new/e"]);
        assert_eq!(taken.said.len(), 3, "{:?}", taken.said);
    }

    #[test]
    fn a_batch_ends_with_the_worst_of_its_cells() {
        for (codes, exit) in [
            (vec![Some(0), Some(0)], Exit::Done),
            (vec![Some(0), Some(4)], Exit::Inconclusive),
            (vec![Some(1), Some(4)], Exit::Failed),
            (vec![Some(1), Some(3)], Exit::TargetLost),
            (vec![Some(1), None], Exit::TargetLost),
            (vec![Some(3), Some(2)], Exit::Output),
            (vec![Some(130)], Exit::TargetLost),
        ] {
            let cells = codes.iter().map(|code| cell("a", "1", *code)).collect();
            assert_eq!(exit_of(&batch(cells)), exit, "{codes:?}");
        }
    }
}
