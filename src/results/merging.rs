//! Owns the merging of results: folds the records of all shards of one plan into the result of the whole load.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::client::Http2;
use crate::error::Error;
use crate::metrics::{Concurrency, Ended, Merged};
use crate::play::Trial;
use crate::record::{Origin, Record};
use crate::results::lines::Lines;
use crate::results::model::Report;
use crate::results::reading::{files_of, read};
use crate::results::refolding::{Refolded, refold};
use crate::units::{Shard, count, seconds};
use crate::workload::{BodyFingerprint, NOT_HASHED};

/// One shard with its result and its folded records.
struct Part {
    path: PathBuf,
    report: Report,
    shard: Shard,
    trial: Box<Trial>,
    flights: Flights,
}

/// The note of the result of one shard. Merging drops it.
#[must_use]
pub(crate) fn note_of(shard: Shard) -> String {
    format!(
        "shard {shard}: every figure is of this part of the load, until `tonnage report` is given the folders of all \
         {}",
        shard.of()
    )
}

/// What becomes of a merge without all shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is refused.
    Refused,
    /// What was sent is merged: a load of a smaller rate.
    LeftOut,
}

/// The merged result of `paths`. They must hold every shard of one plan exactly once, or at most once where shards may
/// be `missing`.
pub(crate) fn merge(paths: &[PathBuf], missing: Missing, said: &Lines) -> Result<Report, Error> {
    let mut parts: Vec<Part> = paths.iter().map(|path| part(path, said)).collect::<Result<_, _>>()?;
    parts.sort_by_key(|part| part.shard.number());
    let (first, others) =
        parts.split_first().ok_or_else(|| Error::usage("report", "no result was given", "give a result folder"))?;
    others.iter().try_for_each(|other| refuse_unlike(first, other))?;
    let absent = gaps(&parts)?;
    if !absent.is_empty() && missing == Missing::Refused {
        return Err(Error::usage(
            "report",
            format!("shard {} was not given", absent.join(", ")),
            "give the folders of all shards of the plan, or the option partial for what was sent",
        ));
    }
    let mut origins = parts.iter().map(origin).collect::<Result<Vec<_>, _>>()?;
    origins.sort_unstable();
    let apart =
        origins.last().zip(origins.first()).map_or(0.0, |(last, first)| last.duration_since(*first).as_secs_f64());
    let mut trial = Trial::clone(&first.trial);
    let (mut flights, mut integral_s) = (first.flights.clone(), first.trial.concurrency.map(|held| held.integral_s));
    for other in others {
        trial.merge(&other.trial);
        flights.merge(&other.flights);
        integral_s = integral_s.zip(other.trial.concurrency).map(|(sum, held)| sum + held.integral_s);
    }
    trial.load.shard = None;
    let (of, present) = (first.shard.of(), parts.len() as u32);
    trial.load.merged = Some(Merged { shards: of, missing: of - present, origins_apart_s: apart });
    if present < of {
        trial.load.rate_per_s = trial.load.rate_per_s.map(|per_s| per_s * f64::from(present) / f64::from(of));
    }
    trial.concurrency = integral_s.map(|integral_s| Concurrency { peak: flights.peak(), integral_s });
    let mut report = whole(&parts, &first.report, &trial);
    if !absent.is_empty() {
        let which = absent.join(", ");
        let note = format!("PARTIAL: shard {which} is missing; every rate is that of what the others sent");
        report.notes.insert(0, note);
    }
    Ok(report)
}

/// The report of the whole load. The name and the command line of the machine are those of the first shard.
fn whole(parts: &[Part], first: &Report, trial: &Trial) -> Report {
    let mut report = first.clone();
    report.config.shard = None;
    report.body_fingerprint = parts
        .iter()
        .map(|part| part.report.body_fingerprint.as_deref())
        .collect::<Option<Vec<_>>>()
        .and_then(BodyFingerprint::hex_of_all);
    let everywhere = |note: &String| parts.iter().all(|part| part.report.notes.contains(note));
    report.notes.retain(everywhere);
    for part in parts {
        let Part { report: theirs, shard, trial, .. } = part;
        let clock = theirs.clock.map_or_else(String::new, |clock| {
            let ntp = match clock.kept_by_ntp {
                Some(true) => ", kept by NTP",
                Some(false) => ", not kept by NTP",
                None => "",
            };
            format!(
                "; its clock is {:+.1} ms from that of the meeting place (± {:.1} ms{ntp})",
                -1e3 * clock.offset_s,
                1e3 * clock.uncertainty_s
            )
        });
        report.notes.push(format!(
            "shard {shard}: {} requests from {} ({} workers), begun {}{clock}",
            count(trial.summary.totals().planned),
            theirs.host.name,
            theirs.host.workers,
            theirs.started
        ));
        // The line above already says which part of the load it was.
        let of_itself = note_of(*shard);
        let own = theirs.notes.iter().filter(|note| !everywhere(note) && **note != of_itself);
        report.notes.extend(own.map(|note| format!("shard {shard}: {note}")));
    }
    let preflights = parts.iter().filter_map(|part| part.report.preflight.as_ref());
    report.preflight = preflights.cloned().reduce(|mut all, other| {
        all.merge(&other);
        all
    });
    let preparations = parts.iter().filter_map(|part| part.report.preparation.as_ref());
    report.preparation = preparations.cloned().reduce(|mut all, other| {
        all.merge(&other);
        all
    });
    if parts.iter().any(|part| part.report.label != report.label) {
        report.label = None;
    }
    for url in parts.iter().flat_map(|part| &part.report.target.urls) {
        if !report.target.urls.contains(url) {
            report.target.urls.push(url.clone());
        }
    }
    report.target.http2 = Http2::of(parts.iter().filter_map(|part| part.report.target.http2));
    report.trials = vec![report.config.completed(trial.view())];
    report
}

/// Reads one shard and folds its records. Refused if a record does not belong to its part of the plan.
fn part(path: &Path, said: &Lines) -> Result<Part, Error> {
    let (result, records) = files_of(path);
    let report = read(&result)?;
    let again = "run it again, or leave out all shards of its plan";
    if report.is_unfinished() {
        return Err(Error::input(
            &result,
            format!("belongs to a run that did not end, and would leave a hole in the merged load; {again}"),
        ));
    }
    let [saved] = report.trials.as_slice() else {
        let why = format!(
            "holds {} loads, but only shards of one load can be merged; give one result at a time",
            report.trials.len()
        );
        return Err(Error::input(&result, why));
    };
    let Some(shard) = saved.load.shard else {
        return Err(Error::input(
            &result,
            "is no shard of a plan: several results can be merged only if each was made with the option shard; give it \
             alone",
        ));
    };
    if saved.ended != Ended::Complete {
        let end = seconds(saved.window.end.as_secs());
        return Err(Error::input(
            &result,
            format!("was cut short: its window ends at {end}, before the window of the plan; {again}"),
        ));
    }
    if !records.exists() {
        return Err(Error::input(
            &records,
            "is missing, but shards are merged from their records; restore it, or run with the option records jsonl",
        ));
    }
    let (mut flights, mut sessions) = (Flights::default(), HashSet::new());
    let refolded = refold(&records, saved, &report, &report.plan_fingerprint, said, |record| {
        flights.add(record);
        // A released later turn belongs to the shard of the first turn of its session. The first turn has an earlier
        // record.
        let is_own = match record.origin {
            Origin::Planned => {
                sessions.extend(record.session);
                shard.takes(record.id)
            }
            Origin::Released => record.session.is_some_and(|session| sessions.contains(&session)),
        };
        if is_own {
            Ok(())
        } else {
            Err(Error::input(
                &records,
                format!("holds request {}, which does not belong to shard {shard}; restore it from a copy", record.id),
            ))
        }
    })?;
    match refolded {
        Refolded::Same { trial, .. } => Ok(Part { path: path.to_owned(), shard, trial, flights, report }),
        Refolded::Lacking(why) => Err(Error::input(
            &records,
            format!("cannot be merged: {why}; run the shards with the option records jsonl"),
        )),
    }
}

/// Refuses two results that do not belong to one load.
fn refuse_unlike(first: &Part, other: &Part) -> Result<(), Error> {
    let refuse = |why: String| {
        Err(Error::input(&other.path, format!("{why} {}; merge the shards of one plan", first.path.display())))
    };
    if other.shard.of() != first.shard.of() {
        return refuse(format!("is shard {} and belongs to another split than shard {} in", other.shard, first.shard));
    }
    if first.report.plan_fingerprint == NOT_HASHED || other.report.plan_fingerprint == NOT_HASHED {
        return refuse(
            "was interrupted before its plan was hashed, or the other one was, so it cannot be compared with"
                .to_owned(),
        );
    }
    if other.report.plan_fingerprint != first.report.plan_fingerprint {
        return refuse("belongs to another plan (its fingerprint differs) than".to_owned());
    }
    if other.trial.summary.frame() != first.trial.summary.frame() {
        return refuse("has another measured window than".to_owned());
    }
    if let Some((key, theirs, ours)) = other.report.config.first_difference(&first.report.config) {
        let shown = |value: Value| if value.is_null() { "not given".to_owned() } else { value.to_string() };
        return refuse(format!("has {key} {}, but it is {} in", shown(theirs), shown(ours)));
    }
    if other.report.target.model != first.report.target.model
        || other.report.target.simulated != first.report.target.simulated
    {
        return refuse("used another model, or a simulated server, so it did not load the same service as".to_owned());
    }
    Ok(())
}

/// The missing shards. Refuses a duplicate. `parts` are in the order of their numbers.
fn gaps(parts: &[Part]) -> Result<Vec<String>, Error> {
    if let Some([one, two]) = parts.windows(2).find(|pair| pair[0].shard == pair[1].shard) {
        let why = format!("is shard {}, as is {}; give each shard only once", two.shard, one.path.display());
        return Err(Error::input(&two.path, why));
    }
    let of = parts.first().map_or(0, |part| part.shard.of());
    let is_missing = |number: &u32| parts.iter().all(|part| part.shard.number() != *number);
    Ok((1..=of).filter(is_missing).map(|number| format!("{number}/{of}")).collect())
}

/// When the load of a shard began, by the clock of the meeting place where there was one.
fn origin(part: &Part) -> Result<Timestamp, Error> {
    let started = &part.report.started;
    let refuse = || Error::input(&part.path, format!("`{started}` is not a valid start time; restore its result.json"));
    let own: Timestamp = started.parse().map_err(|_| refuse())?;
    let offset_s = part.report.clock.map_or(0.0, |clock| clock.sure_offset_s());
    let offset = SignedDuration::try_from_secs_f64(offset_s).map_err(|_| refuse())?;
    own.checked_add(offset).map_err(|_| refuse())
}

/// The intervals in which requests were in flight.
#[derive(Debug, Clone, Default)]
struct Flights {
    sent_ns: Vec<u64>,
    ended_ns: Vec<u64>,
}

impl Flights {
    fn add(&mut self, record: &Record) {
        if let (Some(sent), Some(ended)) = (record.exchange.sent, record.exchange.ended) {
            self.sent_ns.push(sent.as_nanos());
            // A flight lasts at least one nanosecond, so that it begins before it ends.
            self.ended_ns.push(ended.as_nanos().max(sent.as_nanos() + 1));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.sent_ns.extend_from_slice(&other.sent_ns);
        self.ended_ns.extend_from_slice(&other.ended_ns);
    }

    /// The peak number of requests in flight. A request that ends at an instant is not counted with one that begins
    /// then.
    fn peak(mut self) -> u64 {
        self.sent_ns.sort_unstable();
        self.ended_ns.sort_unstable();
        let (mut left, mut peak) = (0, 0);
        for (entered, sent) in (1..).zip(&self.sent_ns) {
            while self.ended_ns.get(left).is_some_and(|ended| ended <= sent) {
                left += 1;
            }
            peak = peak.max(entered - left);
        }
        peak as u64
    }
}
