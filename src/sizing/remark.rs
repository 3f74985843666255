//! Owns `FleetNote` and `Assumption`: notes about a fleet, and its assumptions, with their numbers. `report` turns them
//! into sentences.

use serde::Serialize;

use crate::sizing::{Burst, Class, Evidence, RateDoubt};

/// The backlog that a burst leaves in a fleet that does not carry it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Backlog {
    /// The approximate number of requests that wait when the burst ends.
    pub requests: f64,
    /// The approximate wait of the last of these requests, in seconds.
    pub last_s: f64,
    /// Replicas that would carry the burst; `null` if several kinds are mixed.
    pub replicas_to_cover: Option<u64>,
}

/// The figure by which kinds of hardware are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RankedBy {
    /// The cost per request at the rate under the objectives.
    CostPerRequest,
    /// The GPUs per request/s.
    Gpus,
}

/// A note about a fleet, for example how many replicas more testing could save: an element of `fleet.sentence_kinds`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum FleetNote {
    /// The demand has bursts that are shorter than the window of its peak.
    Bursts {
        /// The largest burst.
        burst: Burst,
        /// The peak window by which the fleet is sized, in seconds.
        window_s: f64,
        /// The demand for which the fleet is sized, in requests per second.
        demand_per_s: f64,
        /// Replicas of the fleet.
        replicas: u64,
        /// The backlog of a burst; `null` if the fleet carries the burst.
        backlog: Option<Backlog>,
    },
    /// The rate of a replica is stated, so its uncertainty is not known.
    RateStated,
    /// No rate above the replica's rate was measured.
    NoHigherRate,
    /// More testing could save replicas, by the best estimate of the rate.
    TestingCouldSave {
        /// Replicas of the fleet.
        replicas: u64,
        /// Replicas that are saved if the best estimate is true.
        saved_at_best: u64,
        /// Replicas that are saved if the upper bound is true.
        saved_at_most: u64,
    },
    /// More testing could save replicas by the upper bound of the rate, but not by its best estimate.
    TestingCouldSaveAtMost {
        /// Replicas of the fleet.
        replicas: u64,
        /// Replicas that are saved if the upper bound is true.
        saved_at_most: u64,
        /// The rate that met the objectives, and its upper bound, in requests per second; `null` if several kinds are
        /// mixed.
        between_per_s: Option<[f64; 2]>,
    },
    /// More testing would save no replica.
    TestingSavesNone,
    /// The kinds of hardware, ranked by a figure, lowest first.
    Ranking {
        /// The figure of the ranking.
        by: RankedBy,
        /// The names of the kinds.
        names: Vec<String>,
    },
    /// There are too many possible fleets to check them all.
    NotProvenCheapest,
    /// The rate of a replica is in doubt.
    RateInDoubt {
        /// The name of the kind of hardware.
        choice: String,
        /// The reason to doubt the rate.
        doubt: RateDoubt,
    },
    /// The demand is burstier than the arrivals with which the rate of a replica was measured.
    Burstier {
        /// The variance ÷ the mean of the demand's counts in 1 s.
        dispersion: f64,
        /// The arrival process of the measurement; `null` if it is unknown, and then Poisson is assumed.
        process: Option<String>,
        /// The dispersion of the arrival process of the measurement.
        measured_dispersion: f64,
    },
}

/// How requests reach a replica, and whether N replicas then carry N × their rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Spread {
    /// Requests are routed in turn, and are as even as in the measurement of the rate.
    DealtInTurn,
    /// Requests are split at random, but the rate was measured with smoother arrivals.
    SmoothArrivals {
        /// The arrival process of the measurement, as text.
        process: String,
    },
    /// The check by simulation misses the objectives under one of the policies.
    MissedInCheck,
    /// The rate was measured with a known arrival process that is not smoother than Poisson arrivals.
    Holds,
    /// The arrival process of the measurement is unknown.
    HoldsIfPoisson,
}

/// An assumption of a fleet: an element of `fleet.assumption_kinds`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Assumption {
    /// The rate of a replica.
    Rate {
        /// The name of the kind of hardware.
        choice: String,
        /// The rate by which the fleet is sized, in requests per second.
        rate_per_s: f64,
        /// The source of the rate.
        evidence: Evidence,
        /// The objective that limits the rate, if known.
        limited_by: Option<String>,
    },
    /// Classes of requests share replicas by the linear rule.
    ClassesShare {
        /// The classes.
        classes: Vec<Class>,
        /// The sum of demand ÷ rate over the classes: the replicas that their work needs.
        replicas: f64,
    },
    /// A rate was measured on a simulated server.
    Simulated,
    /// The demand is the highest rate over a window.
    PeakOverWindow {
        /// The window, in seconds.
        window_s: f64,
        /// Whether the demand has bursts inside the window, which the peak rate does not cover.
        bursts: bool,
    },
    /// Requests are like the measured ones.
    RequestsAlike,
    /// Every replica gets its share of the requests.
    Balance {
        /// How requests reach a replica.
        spread: Spread,
        /// The share, 0 or more, by which the load of the busiest replica is assumed to exceed its equal share.
        imbalance: f64,
        /// The share by which it would exceed its equal share under routing by key, in the example of 1 000 keys per
        /// replica.
        keyed_imbalance: f64,
        /// Replicas of the fleet.
        replicas: u64,
    },
    /// The replicas that may be lost are the largest.
    LargestLost {
        /// The number of replicas that may be lost.
        redundancy: u32,
    },
    /// Every GPU is paid for by the hour, busy or not.
    PaidByHour {
        /// Hours of a month.
        hours_per_month: f64,
    },
}
