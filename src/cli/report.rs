//! Owns verb `report`: a saved result shown again, from its records where they are, with the same numbers.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::cli::arguments::ReportArguments;
use crate::cli::config::schedule_of;
use crate::cli::exit::Exit;
use crate::cli::files::{Limit, read_bytes};
use crate::cli::host::tool;
use crate::cli::load::timeline_of;
use crate::cli::merge::merge;
use crate::cli::output::{RECORDS, json_of, point_folder};
use crate::cli::target::with_trust;
use crate::cli::terminal::{ink, print, say};
use crate::error::{Error, Refusal};
use crate::figures::TrialView;
use crate::metrics::{
    Concurrency, Counts, Ended, Frame, LoadFacts, LoadKind, LoadOrigin, Objectives, Summary, Verdict, VerdictResult,
};
use crate::play::Trial;
use crate::record::{Detail, Reader, Record};
use crate::report::{Report, SCHEMA, render};
use crate::schedule::{Extent, Timeline};
use crate::search::SweepFindings;
use crate::seed::Seed;
use crate::trace::Think;
use crate::units::{Offset, Ratio, Shard, Window, count};
use crate::workload::{Closed, Load, Plan, Workload};

/// Shows a result again.
pub(super) fn report(arguments: &ReportArguments) -> Result<ExitCode, Error> {
    let report = match arguments.results.as_slice() {
        [path] => again(path)?,
        paths => merge(paths)?,
    };
    print(&if arguments.json { json_of(&report)? } else { render(&report, ink()) })?;
    Ok(Exit::Done.into())
}

/// The result in `path`, from its records where they are.
fn again(path: &Path) -> Result<Report, Error> {
    let (result, records) = files_of(path);
    let mut report = read(&result)?;
    if report.sweep.is_some() {
        fold_sweep(&result, &mut report)?;
    } else if let Some(loads) = report.search.as_ref().map(|findings| findings.loads.clone()) {
        for (place, load) in loads.iter().enumerate().take(report.trials.len()) {
            fold_load(&result, &mut report, place, load.point.saturating_sub(1), &load.plan_fingerprint)?;
        }
    } else if report.trials.is_empty() && report.is_unfinished() {
        let trial = salvage(&records, &report)?;
        report.trials.push(trial);
    } else if let [saved] = report.trials.as_slice()
        && records.exists()
    {
        report.trials = vec![fold_again(&records, saved, &report, &report.plan_fingerprint)?];
    }
    Ok(report)
}

/// The result and where its records would be.
pub(super) fn files_of(path: &Path) -> (PathBuf, PathBuf) {
    let result = if path.is_dir() { path.join("result.json") } else { path.to_owned() };
    let records = result.with_file_name("records.jsonl");
    (result, records)
}

pub(super) fn read(path: &Path) -> Result<Report, Error> {
    let text = read_bytes(path, Limit::RESULT, "give a result folder or its result.json")?;
    let number =
        serde_json::from_slice::<Value>(&text).ok().and_then(|value| value.get("schema").and_then(Value::as_u64));
    match number {
        Some(number) if number == u64::from(SCHEMA) => {}
        Some(number) => {
            return Err(Error::input(
                path,
                format!("has schema {number}, and this version reads {SCHEMA}; use the version that wrote it"),
            ));
        }
        None => return Err(Error::input(path, "is not a result of tonnage; give a result folder or its result.json")),
    }
    serde_json::from_slice(&text)
        .map_err(|why| Error::input_at(path, why.line() as u64, format!("{why}; is the file whole?")))
}

/// Folds the loads of a sweep again, those that have their records beside `result`, and finds again what they come to.
fn fold_sweep(result: &Path, report: &mut Report) -> Result<(), Error> {
    let Some(saved) = &report.sweep else { return Ok(()) };
    let (finished, prints) =
        (saved.finished, saved.points.iter().map(|point| point.plan_fingerprint.clone()).collect::<Vec<_>>());
    for (place, print) in prints.iter().enumerate().take(report.trials.len()) {
        fold_load(result, report, place, place, print)?;
    }
    report.sweep = Some(SweepFindings::of(&report.trials, &prints, finished));
    Ok(())
}

/// Folds trial number `place` again, if its records are beside `result` in the folder of load number `point`.
fn fold_load(result: &Path, report: &mut Report, place: usize, point: usize, fingerprint: &str) -> Result<(), Error> {
    let records = result.with_file_name(point_folder(point)).join(RECORDS);
    if records.exists() {
        report.trials[place] = fold_again(&records, &report.trials[place], report, fingerprint)?;
    }
    Ok(())
}

/// What a records file holds, opened.
fn open(path: &Path) -> Result<Reader<BufReader<File>>, Error> {
    let file =
        File::open(path).map_err(|why| Error::input(path, format!("cannot be opened: {why}; check its rights")))?;
    Reader::new(BufReader::with_capacity(1 << 18, file), path)
}

/// What to do about records that are not those of the run.
const RESTORE: &str = "restore the file from a copy, or move it away to be shown the saved figures";

/// Folds all records, and shows each to `also`; refuses a request that stands there twice.
fn fold(
    reader: impl Iterator<Item = Result<Record, Error>>,
    path: &Path,
    summary: &mut Summary,
    mut also: impl FnMut(&Record) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut ids = Ids::default();
    // The header is line 1.
    for (line, record) in (2..).zip(reader) {
        let record = record?;
        if !ids.is_new(record.id) {
            return Err(Error::input_at(
                path,
                line,
                format!("request {} stands here a second time; {RESTORE}", record.id),
            ));
        }
        also(&record)?;
        summary.add(&record);
    }
    Ok(())
}

/// Numbers seen, a bit each where they lie close together.
#[derive(Default)]
struct Ids(HashMap<u64, [u64; 64]>);

impl Ids {
    fn is_new(&mut self, id: u64) -> bool {
        let word = &mut self.0.entry(id >> 12).or_insert([0; 64])[(id >> 6) as usize & 63];
        let bit = 1 << (id & 63);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// Refuses a fold that is not the saved one; `ours` tells whether this very version saved it, whose figures must then
/// agree too.
fn compare(path: &Path, folded: &TrialView, saved: &TrialView, ours: bool) -> Result<(), Error> {
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
        say(&format!("{}: another version saved other figures; those of this version are shown", path.display()));
    }
    Ok(())
}

/// The trial of a run that did not end, from the records that were on disk: as if it had been interrupted at the
/// latest instant that they prove. What was in flight then has no record, so that no objective can be decided.
fn salvage(path: &Path, report: &Report) -> Result<TrialView, Error> {
    if !path.exists() {
        return Err(Error::input(
            path,
            "the run did not end, and no records are left of it; run it again with `-c config.yaml`",
        ));
    }
    let mut last = Offset::ZERO;
    let mut reader = open(path)?;
    let header = reader.header().clone();
    for record in whole(&mut reader) {
        let record = record?;
        last = last.max(record.scheduled).max(record.exchange.ended.unwrap_or(Offset::ZERO));
    }
    let window = Window { start: header.window.start, end: header.window.end.min(last).max(header.window.start) };
    let frame = Frame { window, load_end: header.load_end.min(last), streamed: header.streamed };
    let mut summary = Summary::new(frame, Arc::new(objectives_of(&report.config)?));
    fold(whole(&mut open(path)?), path, &mut summary, |_| Ok(()))?;
    let trial = Trial {
        label: report.label.clone().unwrap_or_else(|| "run".to_owned()),
        load: load_of(report)?,
        drain_end: header.drain_end.unwrap_or(last),
        ended: Ended::Interrupted,
        not_due: header.not_due.unwrap_or(0),
        due: None,
        concurrency: None,
        body_fingerprint: None,
        sequence: None,
        summary,
    };
    let mut view = trial.view();
    let why = format!(
        "the run did not end: {} records were on disk, and what was in flight left none; run it again to its end",
        count(view.run_totals.planned)
    );
    view.health.healthy = false;
    view.health.faults.push(why.clone());
    if view.verdict.result != VerdictResult::None {
        view.verdict = Verdict { result: VerdictResult::Inconclusive, reasons: vec![why] };
    }
    Ok(view)
}

/// The records up to a last line cut short, as a killed run leaves it.
fn whole(reader: &mut Reader<BufReader<File>>) -> impl Iterator<Item = Result<Record, Error>> {
    std::iter::from_fn(move || match reader.next() {
        Some(Err(_)) if reader.truncated() => None,
        next => next,
    })
}

/// What a stored configuration says of the load.
fn load_of(report: &Report) -> Result<LoadFacts, Error> {
    let text =
        |key: &str| report.config.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let (seed, none) = (Seed::new(report.seed), Duration::ZERO);
    let extent = Extent::Requests(1);
    let shard =
        text("shard").map(|shard| shard.parse::<Shard>()).transpose().map_err(|refusal| refusal.at("config.shard"))?;
    if report.config.contains_key("file") {
        // What was taken from the trace is not known any more: it may not even be there.
        let waits = text("think").is_some_and(|think| think == Think::AfterCompletion.name());
        let origin = if waits { LoadOrigin::Mixed } else { LoadOrigin::Planned };
        return Ok(LoadFacts { kind: LoadKind::Replay, origin, shard, ..LoadFacts::default() });
    }
    let load = if let Some(name) = text("load") {
        Load::Closed(Closed::named(&name, extent, none, none).map_err(|refusal| refusal.at("config.load"))?)
    } else if report.config.contains_key("profile") || report.config.contains_key("overlay") {
        Load::Open(timeline_of(&schedule_of(&report.config)?)?)
    } else {
        let rate = text("rate").unwrap_or_default().parse().map_err(|refusal: Refusal| refusal.at("config.rate"))?;
        let process =
            text("process").unwrap_or_default().parse().map_err(|refusal: Refusal| refusal.at("config.process"))?;
        Load::Open(Timeline::new(process, rate, extent, none, none, seed))
    };
    let plan = Plan::new(load, Workload::default(), seed, None);
    Ok(LoadFacts::of(&match shard {
        Some(shard) => plan.sharded(shard),
        None => plan,
    }))
}

/// Records folded once more.
pub(super) enum Refolded {
    /// The same figures as saved.
    Same { trial: Box<Trial>, view: Box<TrialView> },
    /// They do not hold what the figures are made of: why.
    Lacking(&'static str),
}

/// The trial from its records, or else as saved, which is said.
fn fold_again(path: &Path, saved: &TrialView, report: &Report, fingerprint: &str) -> Result<TrialView, Error> {
    match refold(path, saved, report, fingerprint, |_| Ok(()))? {
        Refolded::Same { view, .. } => Ok(*view),
        Refolded::Lacking(why) => {
            say(&format!("{}: {why}; the saved figures are shown", path.display()));
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
    let mut summary = Summary::new(Frame::from(&header), Arc::new(objectives_of(config)?));
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
    let mut view = with_trust(trial.view(), config);
    // The same sum came out of the live count; taken over, it is free of the rounding of the way back.
    view.health.little_residual = saved.health.little_residual;
    view.concurrency.peak = saved.concurrency.peak;
    compare(path, &view, saved, report.tool == tool())?;
    Ok(Refolded::Same { trial: Box::new(trial), view: Box::new(view) })
}

/// The objectives of a stored configuration.
fn objectives_of(config: &Map<String, Value>) -> Result<Objectives, Error> {
    let texts: Vec<&str> = config
        .get("slo")
        .and_then(|slo| slo.as_array())
        .into_iter()
        .flatten()
        .filter_map(|text| text.as_str())
        .collect();
    let attainment = config.get("attainment").and_then(|share| match share {
        Value::String(text) => text.parse::<Ratio>().ok(),
        other => other.as_f64().and_then(|share| Ratio::new(share).ok()),
    });
    Objectives::parse(&texts, config.get("goodput").and_then(|text| text.as_str()), attainment)
        .map_err(|refusal| refusal.at("config.slo"))
}
