//! Owns the salvage of a run that did not end: a trial made of the records on disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Refusal};
use crate::figures::TrialView;
use crate::metrics::{
    Ended, Fault, Frame, LoadFacts, LoadKind, LoadOrigin, Summary, Verdict, VerdictReason, VerdictResult,
};
use crate::play::Trial;
use crate::results::folding::{fold, open, whole};
use crate::results::model::Report;
use crate::results::server_file::put_from_file;
use crate::results::spec::{RunSpec, Setting, Span};
use crate::schedule::{Extent, Pattern, Process, Profile, Timeline};
use crate::seed::Seed;
use crate::trace::Think;
use crate::units::{Offset, Window};
use crate::workload::{Closed, Load, Plan, Workload};

/// The trial of a run that did not end, from the records on disk. It counts as interrupted at the latest instant in the
/// records. Requests in flight at that instant have no record, so no objective can be decided.
pub(super) fn salvage(path: &Path, report: &Report) -> Result<TrialView, Error> {
    if !path.exists() {
        return Err(Error::input(
            path,
            "the run did not end, and it left no records; run it again with `-c config.yaml`",
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
    let mut summary = Summary::new(frame, Arc::new(report.config.objectives()?));
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
    put_from_file(path, &mut view);
    let fault = Fault::DidNotEnd { records: view.run_totals.planned };
    view.health.healthy = false;
    view.health.fault_kinds.push(fault);
    if view.verdict.result != VerdictResult::None {
        let reason_kinds = vec![VerdictReason::Generator(fault)];
        view.verdict = Verdict { result: VerdictResult::Inconclusive, reason_kinds }.into();
    }
    Ok(view)
}

/// The description of the load, from the stored configuration.
fn load_of(report: &Report) -> Result<LoadFacts, Error> {
    let spec = &report.config;
    let shard = spec.shard.as_ref().map(|shard| *shard.value());
    if spec.file.is_some() {
        // The rows taken from the trace are unknown; the trace may no longer exist.
        let waits = spec.think.as_ref().is_some_and(|think| *think.value() == Think::AfterCompletion);
        let origin = if waits { LoadOrigin::Mixed } else { LoadOrigin::Planned };
        return Ok(LoadFacts { kind: LoadKind::Replay, origin, shard, ..LoadFacts::default() });
    }
    let load = match &spec.load {
        Some(name) => {
            let closed = Closed::named(name.text(), Extent::Requests(1), Duration::ZERO, Duration::ZERO);
            Load::Closed(closed.map_err(|refusal| refusal.at("config.load"))?)
        }
        None => Load::Open(timeline_of(spec, Seed::new(report.seed))?),
    };
    let plan = Plan::new(load, Workload::default(), Seed::new(report.seed), None);
    let facts = LoadFacts::of(&match shard {
        Some(shard) => plan.sharded(shard),
        None => plan,
    });
    let origin = if spec.turns.is_some() || spec.sessions { LoadOrigin::Mixed } else { facts.origin };
    Ok(LoadFacts { origin, ..facts })
}

/// The timeline of the stored configuration.
fn timeline_of(spec: &RunSpec, seed: Seed) -> Result<Timeline, Error> {
    let time = |span: &Option<Setting<Span>>| span.as_ref().map_or(Duration::ZERO, |span| span.value().0);
    let (warmup, cooldown) = (time(&spec.warmup), time(&spec.cooldown));
    let process = spec.process.as_ref().map_or(Process::Poisson, |process| *process.value());
    let rate = || {
        let rate = spec.rate.as_ref().map(|rate| *rate.value());
        rate.ok_or_else(|| Error::usage("config.rate", "is missing", "restore the result.json from a copy"))
    };
    if spec.profile.is_none() && spec.overlay.is_empty() {
        return Ok(Timeline::new(process, rate()?, Extent::Requests(1), Duration::ZERO, Duration::ZERO, seed));
    }
    let profile = match &spec.profile {
        Some(text) => text.text().parse().map_err(|refusal: Refusal| refusal.at("config.profile"))?,
        None => Profile::constant(rate()?),
    };
    let overlays = spec.overlay.iter().map(|overlay| overlay.value().clone()).collect();
    let extent = match (&spec.duration, &spec.requests) {
        (Some(span), _) => Some(Extent::Duration(span.value().0)),
        (None, Some(requests)) => Some(Extent::Requests(*requests.value())),
        (None, None) => None,
    };
    Timeline::shaped(process, Pattern { profile, overlays }, extent, warmup, cooldown, seed)
        .map_err(|refusal| refusal.at("config.profile"))
}
