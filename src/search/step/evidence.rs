//! Owns `History`: what has been tried so far, whoever played it.

use serde::{Deserialize, Serialize};

use crate::search::step::{Clusters, Question, is_plain};
use crate::search::{Level, Over, Pass};

/// Misses of one objective in one probe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Requests that missed it: failed, shed, timed out, or beyond the limit.
    pub misses: u64,
    /// Requests for which that is known.
    pub decided: u64,
    /// How the misses cluster; none without misses.
    pub clusters: Option<Clusters>,
}

impl Count {
    /// The share of misses; 0 where nothing is decided.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.decided == 0 { 0.0 } else { self.misses as f64 / self.decided as f64 }
    }
}

/// What a probe took: everything sent, what was discarded included.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Requests.
    pub requests: u64,
    /// Seconds of the service's time.
    pub seconds: f64,
}

impl Spent {
    pub(super) fn plus(self, other: Self) -> Self {
        Self { requests: self.requests + other.requests, seconds: self.seconds + other.seconds }
    }
}

/// Where the axis ends, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// The service completes this many requests per second when it is given more; of closed loops, an objective is plainly missed here.
    Reached(f64),
    /// It kept up with this, the most that may be sent; of closed loops, the most that was tried so far.
    Above(f64),
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It was played to its last block.
    Full,
    /// It was decided before.
    Decided,
    /// An alarm ended it: the service does not bear this rate.
    Overloaded,
}

/// One probe at a level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Its load.
    #[serde(flatten)]
    pub level: Level,
    /// One for each demand, in order.
    pub counts: Vec<Count>,
    /// Mean time in the system of the requests that ended, in seconds.
    pub time_in_system_s: f64,
    /// Requests completed per second of its window, where known.
    #[serde(default)]
    pub completed_per_s: Option<f64>,
    /// How it ended.
    pub end: End,
    /// What it took.
    pub spent: Spent,
}

/// Everything tried so far. A probe whose generator was unhealthy does not belong here.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    /// The unloaded service: one request at a time, or nearly.
    pub floor: Option<Vec<Count>>,
    /// The saturated service, in requests per second; none of closed loops, of which the probes tell it.
    pub capacity: Option<Capacity>,
    /// Probes in order of time.
    pub probes: Vec<Probe>,
    /// What the first two steps took, and what unhealthy probes did.
    pub overhead: Spent,
}

/// Requests that tell whether an objective is plainly missed.
const FEW: u64 = 30;

impl History {
    /// Where the axis of `question` ends: of rates the saturated service. Elsewhere the lowest level at which an objective was plainly missed, and before
    /// there is one the highest at which none was. That is first one in flight, the floor, and half of a trace's full scale.
    #[must_use]
    pub fn end(&self, question: &Question) -> Option<Capacity> {
        let first = match (question.over(), question.pass()) {
            (Over::Rate, _) => return self.capacity,
            (Over::TimeScale, Some(pass)) => self.full_scale(pass)? / 2.0,
            (Over::Concurrency | Over::TimeScale, _) => 1.0,
        };
        let is_missed = |probe: &&Probe| probe.end == End::Overloaded || is_plain(question, &probe.counts, FEW);
        let level = |probe: &Probe| probe.level.value();
        let missed = self.probes.iter().filter(is_missed).map(level).reduce(f64::min);
        let most = || self.probes.iter().map(level).reduce(f64::max).unwrap_or(first);
        Some(missed.map_or_else(|| Capacity::Above(most()), Capacity::Reached))
    }

    /// The scale at which a trace asks in the mean for all that the saturated service completes.
    pub(super) fn full_scale(&self, pass: &Pass) -> Option<f64> {
        let (Capacity::Reached(per_s) | Capacity::Above(per_s)) = self.capacity?;
        Some(per_s / pass.mean_per_s(1.0))
    }

    /// Everything spent.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.probes.iter().fold(self.overhead, |sum, probe| sum.plus(probe.spent))
    }
}
