//! Owns the description of a load apart from its records: its kind, its rate, how it ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::schedule::{Pattern, Process, RateStep, Timeline};
use crate::units::{Shard, Window, is_unsaid};
use crate::workload::{CacheShare, Closed, Load, Mix, Plan, Provenance, TurnMoments, Turns, infinite_caches};

/// The kind of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// Planned instants from a rate or a profile.
    #[default]
    Open,
    /// Planned instants from a trace.
    Replay,
    /// One request in flight, the next on completion.
    Synchronous,
    /// A fixed number of requests in flight.
    Concurrent,
    /// A closed loop of 512 requests in flight, more than most servers run at once.
    Throughput,
}

/// What determines the instants of a load's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadOrigin {
    /// The plan sets all instants (open loop).
    #[default]
    Planned,
    /// Completions set all instants (closed loop).
    Released,
    /// The plan sets the instant of each session's first turn, completions set the instants of later turns.
    Mixed,
}

/// The description of a load in the report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadFacts {
    /// Kind of the load.
    pub kind: LoadKind,
    /// Whether the plan or completions set the instants.
    pub origin: LoadOrigin,
    /// The mean rate of planned instants inside the window, in requests per second; with `sessions`, in sessions per
    /// second.
    pub rate_per_s: Option<f64>,
    /// The law of the gaps as typed (`poisson`, `gamma:2`), or the law of each class (`chat poisson + batch gamma:4`);
    /// absent unless a law set the instants.
    pub process: Option<String>,
    /// The profile and overlays, shortened where long; absent without any.
    pub profile: Option<String>,
    /// The steps of the rate, from the origin of the run; empty for a rate without steps, or with very many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<RateStep>,
    /// Requests in flight of a closed loop; absent for an open load.
    pub concurrency: Option<u32>,
    /// The turns of drawn sessions; absent if each planned instant is that of a request of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<TurnMoments>,
    /// The trace of a replay, and what was taken from the trace; absent for other loads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Provenance>,
    /// What prompts share, as asked for and in theory; absent if they share nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheShare>,
    /// What the prompts of each class of a mix share; empty unless a class has prefixes of its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cache_by_class: BTreeMap<String, CacheShare>,
    /// The shard of the load that was sent. Then every count and rate but `rate_per_s` and `concurrency` is of this
    /// shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Present where all shards were merged into the whole load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
}

/// How a trial was merged from all shards of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// How many shards the plan has.
    pub shards: u32,
    /// How many of them are missing; then the rate is that of the others.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub missing: u32,
    /// Seconds between the earliest and the latest origin of the shards, each by the clock of its own machine; 0 where
    /// all shards were given one instant to start at.
    pub origins_apart_s: f64,
}

impl LoadFacts {
    /// Whether its rate varies by plan: it has a profile or is a recorded trace.
    #[must_use]
    pub fn varies(&self) -> bool {
        self.kind == LoadKind::Replay || self.profile.is_some()
    }

    /// The description of a plan's load.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let (cache, cache_by_class) = infinite_caches(plan).unzip();
        let cache_by_class = cache_by_class.unwrap_or_default();
        match plan.load() {
            Load::Open(timeline) => Self {
                kind: if timeline.law().is_some() { LoadKind::Open } else { LoadKind::Replay },
                origin: if plan.turns().is_some_and(Turns::any_later) {
                    LoadOrigin::Mixed
                } else {
                    LoadOrigin::Planned
                },
                rate_per_s: Some(timeline.rate_per_s()),
                process: timeline.law().map(|(process, _)| process_of(plan, timeline, process)),
                profile: timeline.pattern().map(Pattern::brief),
                steps: timeline.law().map(|(_, curve)| curve.steps()).unwrap_or_default(),
                trace: plan.recording().zip(timeline.instants()).map(|(recording, instants)| Provenance {
                    time_scale: instants.scale().factor(),
                    ..recording.provenance().clone()
                }),
                sessions: plan.session_law().map(|law| law.moments()),
                cache,
                cache_by_class,
                shard: plan.shard(),
                ..Self::default()
            },
            Load::Closed(closed) => Self {
                kind: match closed.concurrency {
                    1 => LoadKind::Synchronous,
                    Closed::THROUGHPUT => LoadKind::Throughput,
                    _ => LoadKind::Concurrent,
                },
                origin: LoadOrigin::Released,
                concurrency: Some(closed.concurrency),
                sessions: plan.session_law().map(|law| law.moments()),
                cache,
                cache_by_class,
                ..Self::default()
            },
        }
    }
}

/// The law of the gaps of a plan: one for all, or one for each class.
fn process_of(plan: &Plan, timeline: &Timeline, process: Process) -> String {
    let classes = plan.workload().source.mix().map_or(&[][..], Mix::classes);
    let streams: Vec<String> = timeline
        .streams()
        .iter()
        .zip(classes)
        .map(|(stream, class)| format!("{} {}", class.name, stream.process))
        .collect();
    if streams.is_empty() { process.to_string() } else { streams.join(" + ") }
}

/// How the issuing of a segment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Every planned request was issued.
    Complete,
    /// A stop rule ended it.
    Stopped,
    /// A signal ended it.
    Interrupted,
}

/// Requests in flight, as the engine counted them event by event.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Concurrency {
    /// The most requests in flight at any instant.
    pub peak: u64,
    /// ∫ requests in flight dt from the first send to the end of the last request, in request-seconds (for the check of
    /// Little's law).
    pub integral_s: f64,
}

/// What the judgement of a segment needs besides the summary of its records.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The load.
    pub load: &'a LoadFacts,
    /// The measured window; it ends early if the segment was cut short.
    pub window: Window,
    /// How the issuing ended.
    pub ended: Ended,
    /// Requests planned after the instant at which the segment was cut short.
    pub not_due: u64,
    /// Requests planned at or before the instant at which the segment ended or was cut short; absent in a closed loop
    /// and when read again from records.
    pub due: Option<u64>,
    /// Requests in flight; absent when read again from records alone.
    pub concurrency: Option<Concurrency>,
}
