//! Owns the alarms that stop a probe early. They stop it only if the rest of the window could not change the
//! result.

use serde::{Deserialize, Serialize};

use crate::play::growth::Signs;

/// When the misses of one objective stop a probe early.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MissAlarm {
    /// The index of the objective in the list of the segment.
    pub place: usize,
    /// The share of requests that may miss the objective.
    pub allowed: f64,
    /// The share of misses from which on the objective is clearly missed. Below this share no probe is stopped.
    pub plain: f64,
    /// Overdispersion φ of the misses at this level of load.
    pub phi: f64,
    /// The probe is stopped when the log likelihood ratio against `allowed`, divided by φ, exceeds this threshold.
    pub threshold: f64,
}

impl MissAlarm {
    /// Whether the window is certain to miss the objective, even if no further request misses it. The window will
    /// hold `planned` requests; `decided` of them are decided, and `misses` of the decided ones are misses.
    #[must_use]
    pub fn refutes(&self, misses: u64, decided: u64, planned: u64) -> bool {
        let whole = decided.max(planned) as f64;
        let share = misses as f64 / whole;
        // Stopping sooner would cut off the long episodes, which hold most of the misses. In an M/H2/1 queue only
        // half of the misses would be seen.
        if share < self.plain {
            return false;
        }
        let ratio = share * libm::log(share / self.allowed)
            + (1.0 - share).max(1e-12) * libm::log((1.0 - share).max(1e-12) / (1.0 - self.allowed));
        whole * ratio / self.phi > self.threshold
    }

    /// Whether `misses` already exceed the share `plain` of all `planned` requests.
    #[must_use]
    pub fn is_plain_of_all(&self, misses: u64, planned: u64) -> bool {
        planned > 0 && misses as f64 / planned as f64 > self.plain
    }
}

/// When a growing number of requests in flight stops a probe early: the service does not keep up with the load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BacklogAlarm {
    /// The growth of the number in flight must exceed this many standard errors.
    pub growing: f64,
    /// Completions must be fewer than arrivals by more than this share of the arrivals.
    pub short: f64,
}

impl BacklogAlarm {
    /// Whether the number in flight grows beyond doubt and completions are fewer than arrivals.
    #[must_use]
    pub fn is_raised(&self, signs: &Signs) -> bool {
        let grows =
            signs.is_steady_growth && signs.growth_per_s.is_some_and(|(growth, error)| growth > self.growing * error);
        let falls_short = signs.completed_share.is_some_and(|share| share < 1.0 - self.short);
        grows && falls_short
    }
}
