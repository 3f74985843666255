//! Owns the alarms that cut the window of a probe short: only where the rest of the window could not mend what was
//! seen.

use serde::{Deserialize, Serialize};

use crate::play::growth::Signs;

/// When the misses of one objective cut a window short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MissAlarm {
    /// The place of the objective among those of the segment.
    pub place: usize,
    /// The share of the requests that may miss it.
    pub allowed: f64,
    /// The share of misses from which on the objective is plainly missed. Below this share no window is cut.
    pub plain: f64,
    /// Overdispersion φ of the misses at the level of the load.
    pub phi: f64,
    /// The window is cut where the log likelihood ratio against `allowed`, divided by φ, is above this threshold.
    pub threshold: f64,
}

impl MissAlarm {
    /// Whether a window that will hold `planned` requests, `decided` of them decided and `misses` of these missed,
    /// misses the objective beyond doubt even if no other request misses it.
    #[must_use]
    pub fn refutes(&self, misses: u64, decided: u64, planned: u64) -> bool {
        let whole = decided.max(planned) as f64;
        let share = misses as f64 / whole;
        // Cutting sooner would cut off the long episodes, which hold most of the misses: of an M/H2/1 queue only half
        // of them would be seen.
        if share < self.plain {
            return false;
        }
        let ratio = share * libm::log(share / self.allowed)
            + (1.0 - share).max(1e-12) * libm::log((1.0 - share).max(1e-12) / (1.0 - self.allowed));
        whole * ratio / self.phi > self.threshold
    }

    /// Whether `misses` are already plainly too many for all of the `planned` requests.
    #[must_use]
    pub fn is_plain_of_all(&self, misses: u64, planned: u64) -> bool {
        planned > 0 && misses as f64 / planned as f64 > self.plain
    }
}

/// When the growth of the number in flight cuts a window short: the service does not carry the load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BacklogAlarm {
    /// Standard errors by which the number in flight must grow.
    pub growing: f64,
    /// The share of the arrivals by which completions must fall short of them.
    pub short: f64,
}

impl BacklogAlarm {
    /// Whether the number in flight grows beyond doubt, and completions fall short of arrivals.
    #[must_use]
    pub fn is_raised(&self, signs: &Signs) -> bool {
        let grows =
            signs.is_steady_growth && signs.growth_per_s.is_some_and(|(growth, error)| growth > self.growing * error);
        let falls_short = signs.completed_share.is_some_and(|share| share < 1.0 - self.short);
        grows && falls_short
    }
}
