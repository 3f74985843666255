//! Owns `StopRule`, which ends a segment before its plan does, or moves its window. It holds plain numbers, so that
//! the player may be another process.

use serde::{Deserialize, Serialize};

use crate::metrics::{Course, Sequence};
use crate::play::counts::LiveCounts;
use crate::play::first_rules::{AgainRule, AgainWatch, FloorRule, StageRule, StageWatch};
use crate::play::probe::{ProbeRule, ProbeWatch};
use crate::play::watched::{Ruling, StopReason};

/// When to stop a segment before the end of its plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopRule {
    /// Run the plan to its end.
    Never,
    /// Stop issuing when this many sends have begun.
    Sent(u64),
    /// Stop issuing when this many requests have completed.
    Completed(u64),
    /// Stop issuing when this many requests are in flight.
    InFlight(u64),
    /// Keep the requests in order, and apply this rule to them.
    Watch(Box<WatchRule>),
}

/// A rule that sees the state of each request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchRule {
    /// Run the plan to its end.
    Never,
    /// Stop issuing when this many requests are in flight.
    InFlight(u64),
    /// The measurement of the unloaded service.
    Floor(FloorRule),
    /// A closed loop that may saturate the service.
    Stage(StageRule),
    /// The closed loop that saturated the service, measured once more.
    Again(AgainRule),
    /// A probe.
    Probe(ProbeRule),
}

impl From<WatchRule> for StopRule {
    fn from(rule: WatchRule) -> Self {
        Self::Watch(Box::new(rule))
    }
}

/// A rule that watches requests, while it is applied.
#[derive(Debug)]
pub(super) enum Watching {
    Never,
    InFlight(u64),
    Floor(FloorRule),
    Stage(StageWatch),
    Again(AgainWatch),
    Probe(Box<ProbeWatch>),
}

impl From<WatchRule> for Watching {
    fn from(rule: WatchRule) -> Self {
        match rule {
            WatchRule::Never => Self::Never,
            WatchRule::InFlight(most) => Self::InFlight(most),
            WatchRule::Floor(rule) => Self::Floor(rule),
            WatchRule::Stage(rule) => Self::Stage(StageWatch::new(rule)),
            WatchRule::Again(rule) => Self::Again(AgainWatch::new(rule)),
            WatchRule::Probe(rule) => Self::Probe(Box::new(ProbeWatch::new(rule))),
        }
    }
}

impl StopRule {
    /// The course of a segment for which no requests are kept.
    pub(super) fn by_counts(&self, counts: &LiveCounts) -> Course {
        let is_reached = match self {
            Self::Sent(most) => counts.sent >= *most,
            Self::Completed(most) => counts.completed >= *most,
            Self::InFlight(most) => counts.in_flight >= *most,
            Self::Never | Self::Watch(_) => false,
        };
        if is_reached { Course::Stop } else { Course::GoOn }
    }
}

impl Watching {
    /// The ruling for a segment with these requests.
    pub(super) fn see(&mut self, counts: &LiveCounts, sequence: &Sequence) -> Ruling {
        match self {
            Self::Never => Ruling::GO_ON,
            Self::InFlight(most) => Ruling::stop_if(StopReason::Enough, counts.in_flight >= *most),
            Self::Floor(rule) => rule.see(counts, sequence),
            Self::Stage(watch) => watch.see(counts),
            Self::Again(watch) => watch.see(counts, sequence),
            Self::Probe(watch) => watch.see(counts, sequence),
        }
    }
}
