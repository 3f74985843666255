//! Owns the folding again of a saved result's records, which must give the saved figures.

use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::{Concurrency, Counts, Frame, Summary};
use crate::play::Trial;
use crate::record::{Detail, Record};
use crate::results::folder::{RECORDS, point_folder};
use crate::results::folding::{RESTORE, fold, open};
use crate::results::host::tool;
use crate::results::lines::Lines;
use crate::results::model::Report;
use crate::results::reading::{files_of, read};
use crate::results::salvage::salvage;
use crate::search::SweepFindings;
use crate::units::count;

/// The result in `path`, from its records where they are. What has to be said of them is pushed to `said`.
pub fn again(path: &Path, said: &Lines) -> Result<Report, Error> {
    let (result, records) = files_of(path);
    let mut report = read(&result)?;
    if report.sweep.is_some() {
        fold_sweep(&result, &mut report, said)?;
    } else if let Some(loads) = report.search.as_ref().map(|findings| findings.loads.clone()) {
        for (place, load) in loads.iter().enumerate().take(report.trials.len()) {
            fold_load(&result, &mut report, place, load.point.saturating_sub(1), &load.plan_fingerprint, said)?;
        }
    } else if report.trials.is_empty() && report.is_unfinished() {
        let trial = salvage(&records, &report)?;
        report.trials.push(trial);
    } else if let [saved] = report.trials.as_slice()
        && records.exists()
    {
        report.trials = vec![fold_again(&records, saved, &report, &report.plan_fingerprint, said)?];
    }
    Ok(report)
}

/// Folds the loads of a sweep again, those that have their records beside `result`, and finds again what they come to.
fn fold_sweep(result: &Path, report: &mut Report, said: &Lines) -> Result<(), Error> {
    let Some(saved) = &report.sweep else { return Ok(()) };
    let (finished, prints) =
        (saved.finished, saved.points.iter().map(|point| point.plan_fingerprint.clone()).collect::<Vec<_>>());
    for (place, print) in prints.iter().enumerate().take(report.trials.len()) {
        fold_load(result, report, place, place, print, said)?;
    }
    report.sweep = Some(SweepFindings::of(&report.trials, &prints, finished));
    Ok(())
}

/// Folds trial number `place` again, if its records are beside `result` in the folder of load number `point`.
fn fold_load(
    result: &Path,
    report: &mut Report,
    place: usize,
    point: usize,
    fingerprint: &str,
    said: &Lines,
) -> Result<(), Error> {
    let records = result.with_file_name(point_folder(point)).join(RECORDS);
    if records.exists() {
        report.trials[place] = fold_again(&records, &report.trials[place], report, fingerprint, said)?;
    }
    Ok(())
}

/// Refuses a fold that is not the saved one; `ours` tells whether this very version saved it, whose figures must then
/// agree too.
fn compare(path: &Path, folded: &TrialView, saved: &TrialView, ours: bool, said: &Lines) -> Result<(), Error> {
    let (held, left) = (folded.run_totals.planned, saved.run_totals.planned);
    if held < left {
        return Err(Error::input(path, format!("holds {} of {} records; {RESTORE}", count(held), count(left))));
    }
    if held > left {
        return Err(Error::input(
            path,
            format!("holds {} records where the run left {}; {RESTORE}", count(held), count(left)),
        ));
    }
    if folded.run_totals != saved.run_totals || folded.requests != saved.requests {
        let shown = |counts: &Counts| {
            format!("{} completed, {} failed, {} others", counts.completed, counts.failed, counts.rest())
        };
        let (now, then) = (shown(&folded.run_totals), shown(&saved.run_totals));
        return Err(Error::input(
            path,
            format!("was altered: its requests ({now}) are not those of the run ({then}); {RESTORE}"),
        ));
    }
    let same =
        folded.metrics == saved.metrics && folded.throughput == saved.throughput && folded.samples == saved.samples;
    if !same {
        if ours {
            return Err(Error::input(
                path,
                format!("was altered: its figures are not those that the run saved; {RESTORE}"),
            ));
        }
        said.push(format!("{}: another version saved other figures; those of this version are shown", path.display()));
    }
    Ok(())
}

/// Records folded once more.
pub(super) enum Refolded {
    /// The same figures as saved.
    Same { trial: Box<Trial>, view: Box<TrialView> },
    /// They do not hold what the figures are made of: why.
    Lacking(&'static str),
}

/// The trial from its records, or else as saved, which is said.
fn fold_again(
    path: &Path,
    saved: &TrialView,
    report: &Report,
    fingerprint: &str,
    said: &Lines,
) -> Result<TrialView, Error> {
    match refold(path, saved, report, fingerprint, said, |_| Ok(()))? {
        Refolded::Same { view, .. } => Ok(*view),
        Refolded::Lacking(why) => {
            said.push(format!("{}: {why}; the saved figures are shown", path.display()));
            Ok(saved.clone())
        }
    }
}

/// Folds the records of the plan of `fingerprint` once more, and shows each to `also`. What they do not hold (how the
/// issuing ended, the peak in flight) is taken from the saved result; refused when they are not the records of the
/// run that left it.
pub(super) fn refold(
    path: &Path,
    saved: &TrialView,
    report: &Report,
    fingerprint: &str,
    said: &Lines,
    also: impl FnMut(&Record) -> Result<(), Error>,
) -> Result<Refolded, Error> {
    let config = &report.config;
    let reader = open(path)?;
    let header = reader.header().clone();
    let same_plan = header.plan_fingerprint.as_deref().is_none_or(|theirs| theirs == fingerprint);
    if !same_plan || header.shard != saved.load.shard {
        return Err(Error::input(
            path,
            "belongs to another run than the result.json beside it; keep each run in a folder of its own",
        ));
    }
    let Some(drain_end) = header.drain_end else {
        return Ok(Refolded::Lacking("the run that wrote it did not end in order"));
    };
    if header.detail == Detail::Compact {
        return Ok(Refolded::Lacking("compact records hold no event gaps"));
    }
    let mut summary = Summary::new(Frame::from(&header), Arc::new(config.objectives()?));
    fold(reader, path, &mut summary, also)?;
    let settled_s = summary.flow().total_flight_ns as f64 / 1e9;
    let concurrency = saved.concurrency.peak.zip(saved.health.little_residual);
    let trial = Trial {
        label: saved.label.clone(),
        load: saved.load.clone(),
        drain_end,
        ended: saved.ended,
        not_due: header.not_due.unwrap_or(0),
        due: None,
        concurrency: concurrency.map(|(peak, residual)| Concurrency { peak, integral_s: settled_s * (1.0 + residual) }),
        body_fingerprint: None,
        sequence: None,
        summary,
    };
    let mut view = config.with_trust(trial.view());
    // The same sum came out of the live count; taken over, it is free of the rounding of the way back.
    view.health.little_residual = saved.health.little_residual;
    view.concurrency.peak = saved.concurrency.peak;
    compare(path, &view, saved, report.tool == tool(), said)?;
    Ok(Refolded::Same { trial: Box::new(trial), view: Box::new(view) })
}
