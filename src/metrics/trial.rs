//! Owns `Trial`, one segment of load and its summary, and the contract `Play` that a live engine and the simulator
//! share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::metrics::{Frame, Judgement, Objectives, Sequence, StopRule, Summary, TrialView, judge, view};
use crate::schedule::Pattern;
use crate::units::{Offset, Shard, Window};
use crate::workload::{Closed, Load, Plan, Provenance};

/// One stretch of load to play.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its name in the report.
    pub label: String,
    /// What to play.
    pub plan: Arc<Plan>,
    /// What is asked of the service.
    pub objectives: Arc<Objectives>,
    /// Whether answers are streamed.
    pub streamed: bool,
}

impl Segment {
    /// The frame of this segment's summary: the plan's window, and the end of its cool-down.
    #[must_use]
    pub fn frame(&self) -> Frame {
        let spans = self.plan.spans();
        Frame { window: spans.window, load_end: spans.cooldown.end.max(spans.window.end), streamed: self.streamed }
    }
}

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
    /// Between the earliest and the latest of their origins, each by its own machine's clock: 0 with one `--start-at`.
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

/// Counts of a segment while it runs. A stop rule is a pure function of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveCounts {
    /// Since the segment began.
    pub elapsed: Offset,
    /// Instants that have passed.
    pub due: u64,
    /// Sends begun.
    pub sent: u64,
    /// Completed.
    pub completed: u64,
    /// Failed, timed out or shed.
    pub missed: u64,
    /// In flight now.
    pub in_flight: u64,
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

/// What one segment of load showed. Search and sizing see nothing else.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Its name in the report.
    pub label: String,
    /// What the load was.
    pub load: LoadFacts,
    /// When the drain ended.
    pub drain_end: Offset,
    /// How the issuing ended.
    pub ended: Ended,
    /// Planned after the instant at which the segment was cut short.
    pub not_due: u64,
    /// Planned at or before it, counted from the plan and not from the records; absent in a closed loop and when read
    /// again.
    pub due: Option<u64>,
    /// Requests in flight; absent when read again from records alone.
    pub concurrency: Option<Concurrency>,
    /// Hash of the bodies sent; absent where none was encoded, and when read again from records.
    pub body_fingerprint: Option<String>,
    /// Everything its records said.
    pub summary: Summary,
    /// The same request by request, where a watch asked for it; absent when read again.
    pub sequence: Option<Sequence>,
}

impl Trial {
    /// The measured window, cut short when the segment was.
    #[must_use]
    pub fn window(&self) -> Window {
        self.summary.frame().window
    }

    /// Takes in what another shard of the same plan showed, played from the same origin to the same objectives: the
    /// books, the summaries. What follows from both together only (the peak in flight) and what speaks of one (its
    /// shard, its bodies) becomes absent.
    pub fn merge(&mut self, other: &Self) {
        self.summary.merge(&other.summary);
        self.drain_end = self.drain_end.max(other.drain_end);
        self.not_due += other.not_due;
        self.due = self.due.zip(other.due).map(|(mine, theirs)| mine + theirs);
        if self.ended == Ended::Complete {
            self.ended = other.ended;
        }
        (self.concurrency, self.body_fingerprint, self.load.shard, self.sequence) = (None, None, None, None);
    }

    /// What it says about its objectives (those its summary was folded for), and whether the generator can be trusted.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        judge(self)
    }

    /// The trial as it stands in `result.json`.
    #[must_use]
    pub fn view(&self) -> TrialView {
        view(self, &self.judge())
    }
}

/// Plays segments of load. Queue, cache and clock survive from one segment to the next; late completions settle into
/// the segment that scheduled them. Implemented by the engine (live) and by the simulator (virtual time).
pub trait Play {
    /// The trial to come: final when its cohort is decided. The next segment may be played before that.
    type Settling: Future<Output = Result<Trial, Error>>;

    /// Plays `segment` until its plan ends or `stop` says so; returns when the last request has been issued.
    fn play(&mut self, segment: Segment, stop: StopRule) -> impl Future<Output = Result<Self::Settling, Error>>;

    /// Sends nothing until nothing that was sent is in flight any more: after an overload, the backlog is gone.
    fn rest(&mut self) -> impl Future<Output = ()>;

    /// Follows the requests of the loads to come no longer than this after their load has ended; what is open then is
    /// cut off undecided.
    fn follow_at_most(&mut self, drain: Duration);

    /// Seconds since this began to play, by the clock of the service.
    fn elapsed_s(&self) -> f64;
}
