//! Owns `FleetNote` and `Assumption`: what there is to know of a fleet, with its numbers. `report` makes sentences of
//! them.

use serde::Serialize;

use crate::sizing::{Burst, Class, Evidence, RateDoubt};

/// What a burst leaves behind in a fleet that does not carry it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Backlog {
    /// Requests that wait when the burst ends, about.
    pub requests: f64,
    /// How long the last of them waits, in seconds, about.
    pub last_s: f64,
    /// Replicas that would carry the burst; absent where several kinds are mixed.
    pub replicas_to_cover: Option<u64>,
}

/// By what kinds of hardware are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RankedBy {
    /// The cost of a request at the rate under the objectives.
    CostPerRequest,
    /// The GPUs that a request per second takes.
    Gpus,
}

/// What else there is to know of a fleet, and what more testing would buy: one of `fleet.sentence_kinds`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FleetNote {
    /// The demand has bursts that are shorter than the window of its peak.
    Bursts {
        /// The largest burst.
        burst: Burst,
        /// The window that the fleet is sized by, in seconds.
        window_s: f64,
        /// The rate that the fleet is sized for, in requests per second.
        demand_per_s: f64,
        /// Replicas of the fleet.
        replicas: u64,
        /// What a burst leaves behind; absent where the fleet carries it.
        backlog: Option<Backlog>,
    },
    /// The rate of a replica is stated, and nothing is known of its uncertainty.
    RateStated,
    /// No rate above the one that counts was measured.
    NoHigherRate,
    /// More testing could save replicas, by the best estimate of the rate.
    TestingCouldSave {
        /// Replicas of the fleet.
        replicas: u64,
        /// Replicas that are saved where the best estimate is true.
        saved_at_best: u64,
        /// Replicas that are saved where the upper bound is true.
        saved_at_most: u64,
    },
    /// More testing could save replicas, by the upper bound of the rate alone.
    TestingCouldSaveAtMost {
        /// Replicas of the fleet.
        replicas: u64,
        /// Replicas that are saved where the upper bound is true.
        saved_at_most: u64,
        /// The rate that met the objectives and the next above it, which did not for sure, in requests per second;
        /// absent where several kinds are mixed.
        between_per_s: Option<[f64; 2]>,
    },
    /// More testing would save no replica.
    TestingSavesNone,
    /// The kinds of hardware, the least first.
    Ranking {
        /// By what.
        by: RankedBy,
        /// Their names.
        names: Vec<String>,
    },
    /// There are too many fleets to look at all of them.
    NotProvenCheapest,
    /// The rate of a replica is in doubt.
    RateInDoubt {
        /// The name of the kind of hardware.
        choice: String,
        /// What speaks against its rate.
        doubt: RateDoubt,
    },
    /// The demand is burstier than the arrivals that the rate of a replica was measured with.
    Burstier {
        /// The variance of the demand's counts in 1 s, over their mean.
        dispersion: f64,
        /// The law of the gaps that the rate was measured with; absent where it is not known, and Poisson assumed.
        process: Option<String>,
        /// The dispersion that this law makes.
        measured_dispersion: f64,
    },
}

/// How requests reach a replica, and whether the fleet's replicas times their rate holds for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Spread {
    /// They are dealt in turn, and are as even as when the rate was measured.
    DealtInTurn,
    /// They are split at random, and the rate was measured with smoother arrivals.
    SmoothArrivals {
        /// The law of the gaps that it was measured with, as text.
        process: String,
    },
    /// The check by simulation misses the objectives under one of the policies.
    MissedInCheck,
    /// The rate was measured with arrivals of a known law that is no smoother than Poisson.
    Holds,
    /// The law that the rate was measured with is not known.
    HoldsIfPoisson,
}

/// What a fleet rests on: one of `fleet.assumption_kinds`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Assumption {
    /// The rate of a replica.
    Rate {
        /// The name of the kind of hardware.
        choice: String,
        /// The rate that the fleet is sized by, in requests per second.
        rate_per_s: f64,
        /// Where it is from.
        evidence: Evidence,
        /// What limits it, where known.
        limited_by: Option<String>,
    },
    /// Classes of requests share replicas by the linear rule.
    ClassesShare {
        /// The classes.
        classes: Vec<Class>,
        /// Replicas of work that they come to.
        replicas: f64,
    },
    /// A rate was measured on a simulated server.
    Simulated,
    /// The demand is the highest rate over a window.
    PeakOverWindow {
        /// The window, in seconds.
        window_s: f64,
        /// Whether it has bursts inside, which the peak does not show.
        bursts: bool,
    },
    /// Requests are like those that were measured.
    RequestsAlike,
    /// Every replica gets its share of the requests.
    Balance {
        /// How requests reach a replica.
        spread: Spread,
        /// How much more than its share the busiest replica is taken to get, 0 and more.
        imbalance: f64,
        /// How much more it would get under routing by key, in the example of 1 000 keys a replica.
        keyed_imbalance: f64,
        /// Replicas of the fleet.
        replicas: u64,
    },
    /// The replicas that may be lost are the largest.
    LargestLost {
        /// How many.
        redundancy: u32,
    },
    /// Every GPU is paid for by the hour, busy or not.
    PaidByHour {
        /// Hours of a month.
        hours_per_month: f64,
    },
}
