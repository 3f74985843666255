//! Owns what is known of a load beside its records: its kind, its rate, how it ended.

use serde::{Deserialize, Serialize};

use crate::schedule::Pattern;
use crate::units::{Shard, Window};
use crate::workload::{Closed, Load, Plan, Provenance};

/// The kinds of load.
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
    /// A fixed number in flight.
    Concurrent,
    /// As many in flight as the service bears.
    Throughput,
}

/// What set the instants of a load's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadOrigin {
    /// The plan, all of them (open loop).
    #[default]
    Planned,
    /// Completions, all of them (closed loop).
    Released,
    /// The plan those of each session's first turn, completions those of the later ones.
    Mixed,
}

/// What the report says of a load.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LoadFacts {
    /// Its kind.
    pub kind: LoadKind,
    /// Whether the plan or completions set the instants.
    pub origin: LoadOrigin,
    /// The mean rate of planned instants inside the window, in requests per second.
    pub rate_per_s: Option<f64>,
    /// The law of its gaps as typed (`poisson`, `gamma:2`), where planned.
    pub process: Option<String>,
    /// Its profile and overlays, cut short where they are long, where there are any.
    pub profile: Option<String>,
    /// Requests in flight of a closed loop.
    pub concurrency: Option<u32>,
    /// Of a replay: the trace, and what was taken from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Provenance>,
    /// The part of the load that was sent; then every count and rate but the two above is of this part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Where several shards were merged into the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
}

/// What is known of a trial merged from all shards of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// How many shards.
    pub shards: u32,
    /// Between the earliest and the latest of their origins, each by its own machine's clock: 0 where they were told
    /// one instant to start at.
    pub origins_apart_s: f64,
}

impl LoadFacts {
    /// Whether its rate varies by plan: a profile, or a recorded trace.
    #[must_use]
    pub fn varies(&self) -> bool {
        self.kind == LoadKind::Replay || self.profile.is_some()
    }

    /// What a plan says of its load.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        match plan.load() {
            Load::Open(timeline) => Self {
                kind: if timeline.law().is_some() { LoadKind::Open } else { LoadKind::Replay },
                origin: if plan.turns().is_some_and(|turns| turns.later() > 0) {
                    LoadOrigin::Mixed
                } else {
                    LoadOrigin::Planned
                },
                rate_per_s: Some(timeline.rate_per_s()),
                process: timeline.law().map(|(process, _)| process.to_string()),
                profile: timeline.pattern().map(Pattern::brief),
                trace: plan.recording().zip(timeline.instants()).map(|(recording, instants)| Provenance {
                    time_scale: instants.scale().factor(),
                    ..recording.provenance().clone()
                }),
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
                ..Self::default()
            },
        }
    }
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

/// Requests in flight, as the player counted them event by event.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Concurrency {
    /// The most at any instant.
    pub peak: u64,
    /// ∫ requests in flight dt from the first send to the last settle, in request-seconds (Little's law check).
    pub integral_s: f64,
}

/// How a segment went: what its judgement needs beside the summary of its records.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// What the load was.
    pub load: &'a LoadFacts,
    /// The measured window, cut short when the segment was.
    pub window: Window,
    /// How the issuing ended.
    pub ended: Ended,
    /// Planned after the instant at which the segment was cut short.
    pub not_due: u64,
    /// Planned at or before it; absent in a closed loop and when read again.
    pub due: Option<u64>,
    /// Requests in flight; absent when read again from records alone.
    pub concurrency: Option<Concurrency>,
}
