//! Owns `Point`, one load of a sweep, and how it is found again in a trial.

use std::fmt;
use std::time::Duration;

use crate::metrics::{LoadFacts, LoadKind};
use crate::schedule::TimeScale;
use crate::units::Rate;

/// What is sent at one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PointLoad {
    /// A closed loop of so many requests in flight.
    Closed(u32),
    /// An open load at this rate.
    Open(Rate),
    /// A recorded trace, so many times as fast.
    Replay(TimeScale),
}

impl PointLoad {
    /// The load that `facts` describe; none for a replay, which no sweep plays.
    #[must_use]
    pub fn of(facts: &LoadFacts) -> Option<Self> {
        match facts.kind {
            LoadKind::Open => Rate::new(facts.rate_per_s?).ok().map(Self::Open),
            LoadKind::Synchronous | LoadKind::Concurrent | LoadKind::Throughput => facts.concurrency.map(Self::Closed),
            LoadKind::Replay => None,
        }
    }

    /// Its rate, if it is open.
    #[must_use]
    pub fn rate_per_s(self) -> Option<f64> {
        match self {
            Self::Open(rate) => Some(rate.per_s()),
            Self::Closed(_) | Self::Replay(_) => None,
        }
    }
}

impl fmt::Display for PointLoad {
    /// As trials are labelled: `synchronous`, `throughput`, `concurrent:50`, `12.6/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(1) => f.write_str("synchronous"),
            Self::Closed(crate::workload::Closed::THROUGHPUT) => f.write_str("throughput"),
            Self::Closed(in_flight) => write!(f, "concurrent:{in_flight}"),
            Self::Open(rate) => write!(f, "{rate}"),
            Self::Replay(scale) => write!(f, "{scale} ×"),
        }
    }
}

/// One load of a sweep: what, and how much of it is discarded before the window opens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// What is sent.
    pub load: PointLoad,
    /// Sent before the measured window, and discarded.
    pub discard: Duration,
}
