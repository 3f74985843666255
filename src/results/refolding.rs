//! Owns the refolding of a saved result's records, which must give the saved figures again.

use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::{Concurrency, Counts, Frame, SamplePoint, Summary};
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

/// The result in `path`, computed again from its records where they exist. Messages are pushed to `said`.
pub(crate) fn again(path: &Path, said: &Lines) -> Result<Report, Error> {
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

/// Folds the loads of a sweep again if their records are beside `result`, and computes the findings of the sweep again.
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

/// Folds trial number `place` again, if the folder of load number `point` beside `result` holds its records.
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

/// Refuses a trial whose counts differ from the saved trial. `ours`: the same version of tonnage saved the trial; if it
/// also knew all metrics of this build, all figures must agree too.
fn compare(path: &Path, folded: &TrialView, saved: &TrialView, ours: bool, said: &Lines) -> Result<(), Error> {
    let (held, left) = (folded.run_totals.planned, saved.run_totals.planned);
    if held < left {
        return Err(Error::input(path, format!("holds {} of {} records; {RESTORE}", count(held), count(left))));
    }
    if held > left {
        return Err(Error::input(
            path,
            format!("holds {} records, but the run left {}; {RESTORE}", count(held), count(left)),
        ));
    }
    if folded.run_totals != saved.run_totals || folded.requests != saved.requests {
        let shown = |counts: &Counts| {
            format!("{} completed, {} failed, {} others", counts.completed, counts.failed, counts.rest())
        };
        let (now, then) = (shown(&folded.run_totals), shown(&saved.run_totals));
        return Err(Error::input(
            path,
            format!("was altered: its requests ({now}) differ from the requests of the run ({then}); {RESTORE}"),
        ));
    }
    // An earlier build of this version may lack figures that this build has, and may define other ones differently.
    let samples = as_known(&folded.samples, &saved.samples);
    let ours = ours
        && folded.metrics.keys().all(|metric| saved.metrics.contains_key(metric))
        && samples.as_slice() == folded.samples.as_slice();
    let same = saved.metrics.iter().all(|(metric, figures)| folded.metrics.get(metric) == Some(figures))
        && folded.throughput == saved.throughput
        && samples == saved.samples;
    if !same {
        if ours {
            return Err(Error::input(
                path,
                format!("was altered: its figures differ from the figures that the run saved; {RESTORE}"),
            ));
        }
        said.push(format!(
            "{}: another version of tonnage saved other figures; the figures of this version are shown",
            path.display()
        ));
    }
    Ok(())
}

/// The points of `folded` without the send lag, if no point of `saved` has one: earlier builds did not keep it.
fn as_known(folded: &[SamplePoint], saved: &[SamplePoint]) -> Vec<SamplePoint> {
    let knows_lag = saved.iter().any(|point| point.send_lag_mean_s.is_some() || point.send_lag_max_s.is_some());
    let known = |point: &SamplePoint| {
        if knows_lag { *point } else { SamplePoint { send_lag_mean_s: None, send_lag_max_s: None, ..*point } }
    };
    folded.iter().map(known).collect()
}

/// The outcome of folding records again.
pub(super) enum Refolded {
    /// The records give the saved figures.
    Same { trial: Box<Trial>, view: Box<TrialView> },
    /// The records lack what the figures need. Holds the reason.
    Lacking(&'static str),
}

/// The trial from its records. If they do not suffice, the saved trial, with a message in `said`.
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

/// Folds the records in `path` again, and passes each to `also`. Values that records do not hold (how the sending
/// ended, the peak in flight) come from the saved trial. Refused if the records belong to another run than the result:
/// another plan fingerprint, another shard, or other counts.
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
        return Ok(Refolded::Lacking("the run that wrote it did not end normally"));
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
    let mut view = config.completed(trial.view());
    // The saved residual comes from the live count. Copying it avoids the rounding of computing it again.
    view.health.little_residual = saved.health.little_residual;
    view.concurrency.peak = saved.concurrency.peak;
    view.server.clone_from(&saved.server);
    compare(path, &view, saved, report.tool == tool(), said)?;
    Ok(Refolded::Same { trial: Box::new(trial), view: Box::new(view) })
}
