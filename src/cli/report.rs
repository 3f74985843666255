//! Owns verb `report`: a saved result shown again, from its records where they are, with the same numbers.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::cli::arguments::ReportArguments;
use crate::cli::exit::Exit;
use crate::cli::output::json_of;
use crate::cli::target::with_trust;
use crate::cli::terminal::{ink, print, say};
use crate::error::Error;
use crate::metrics::{Concurrency, Frame, Objectives, Summary, Trial, TrialView};
use crate::record::{Detail, Reader};
use crate::report::{Report, SCHEMA, render};
use crate::units::Ratio;

/// Shows a result again.
pub(super) fn report(arguments: &ReportArguments) -> Result<ExitCode, Error> {
    let [path] = arguments.results.as_slice() else {
        let why = format!("{} results were given, and merging them is not built", arguments.results.len());
        return Err(Error::usage("report", why, "give one folder or result.json at a time"));
    };
    let (result, records) = files_of(path);
    let mut report = read(&result)?;
    if let [saved] = report.trials.as_mut_slice()
        && records.exists()
    {
        *saved = fold_again(&records, saved, &report.config, &report.plan_fingerprint)?;
    }
    print(&if arguments.json { json_of(&report)? } else { render(&report, ink()) })?;
    Ok(Exit::Done.into())
}

/// The result and where its records would be.
fn files_of(path: &Path) -> (PathBuf, PathBuf) {
    let result = if path.is_dir() { path.join("result.json") } else { path.to_owned() };
    let records = result.with_file_name("records.jsonl");
    (result, records)
}

fn read(path: &Path) -> Result<Report, Error> {
    let text =
        fs::read(path).map_err(|why| Error::input(path, format!("cannot be read: {why}; give a result folder or its result.json")))?;
    let number = serde_json::from_slice::<Value>(&text).ok().and_then(|value| value.get("schema").and_then(Value::as_u64));
    match number {
        Some(number) if number == u64::from(SCHEMA) => {}
        Some(number) => {
            return Err(Error::input(path, format!("has schema {number}, and this version reads {SCHEMA}; use the version that wrote it")));
        }
        None => return Err(Error::input(path, "is not a result of tonnage; give a result folder or its result.json")),
    }
    serde_json::from_slice(&text).map_err(|why| Error::input_at(path, why.line() as u64, format!("{why}; is the file whole?")))
}

/// Folds the records once more. What they do not hold (how the issuing ended, the peak in flight) is taken from the saved result.
fn fold_again(path: &Path, saved: &TrialView, config: &Map<String, Value>, fingerprint: &str) -> Result<TrialView, Error> {
    let file = File::open(path).map_err(|why| Error::input(path, format!("cannot be opened: {why}")))?;
    let reader = Reader::new(BufReader::with_capacity(1 << 18, file), path)?;
    let header = reader.header().clone();
    if header.plan_fingerprint.as_deref().is_some_and(|theirs| theirs != fingerprint) {
        return Err(Error::input(path, "belongs to another plan than the result.json beside it; keep each run in a folder of its own"));
    }
    let Some(drain_end) = header.drain_end else {
        say(&format!("{}: the run that wrote it did not end in order; the saved figures are shown", path.display()));
        return Ok(saved.clone());
    };
    if header.detail == Detail::Compact {
        say(&format!("{}: compact records hold no event gaps; the saved figures are shown", path.display()));
        return Ok(saved.clone());
    }
    let mut summary = Summary::new(Frame::from(&header), Arc::new(objectives_of(config)?));
    for record in reader {
        summary.add(&record?);
    }
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
        summary,
    };
    let mut view = with_trust(trial.view(), config);
    // The same sum came out of the live count; taken over, it is free of the rounding of the way back.
    view.health.little_residual = saved.health.little_residual;
    view.concurrency.peak = saved.concurrency.peak;
    Ok(view)
}

/// The objectives of a stored configuration.
fn objectives_of(config: &Map<String, Value>) -> Result<Objectives, Error> {
    let texts: Vec<&str> =
        config.get("slo").and_then(|slo| slo.as_array()).into_iter().flatten().filter_map(|text| text.as_str()).collect();
    let attainment = config.get("attainment").and_then(|share| match share {
        Value::String(text) => text.parse::<Ratio>().ok(),
        other => other.as_f64().and_then(|share| Ratio::new(share).ok()),
    });
    Objectives::parse(&texts, config.get("goodput").and_then(|text| text.as_str()), attainment).map_err(|refusal| refusal.at("config.slo"))
}
