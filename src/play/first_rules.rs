//! Owns the rules of a search's first loads, as plain numbers: the unloaded service, and the saturated one.

use serde::{Deserialize, Serialize};

use crate::metrics::Sequence;
use crate::play::counts::LiveCounts;
use crate::play::watched::{Ruling, StopReason};
use crate::stats::proportion::lower_bound;
use crate::units::Offset;

/// One objective, as the unloaded service is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FloorObjective {
    /// Its place among the objectives of the segment.
    pub place: usize,
    /// The share of the requests that may miss it.
    pub allowed: f64,
    /// Above this share of misses more requests are asked.
    pub close: f64,
}

/// When the unloaded service has been asked enough. It ends as soon as one of these holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FloorRule {
    /// So many requests have settled, and no objective is close to what is allowed.
    pub requests: u64,
    /// So many requests have settled, close or not: a share of misses that no rate changes is best learnt here.
    pub close_requests: u64,
    /// So many requests have settled, all that the budget allows; none: there is no budget of requests.
    pub most_requests: Option<u64>,
    /// So many requests have settled, and `most_s` are over.
    pub least_requests: u64,
    /// Seconds after which `least_requests` are enough.
    pub most_s: f64,
    /// Seconds after which one request is enough: slow answers, one after the other, are not to take all that there is.
    pub longest_s: Option<f64>,
    /// Exactly so many requests have settled, and an objective is missed for certain. Looks at every request would find
    /// a share of misses just below the allowed one guilty sooner or later.
    pub looks: Vec<u64>,
    /// How certain that must be, one-sided.
    pub certainty: f64,
    /// So many requests in a row did not complete: the service is gone.
    pub lost_in_a_row: u32,
    /// The objectives.
    pub objectives: Vec<FloorObjective>,
}

impl FloorRule {
    pub(super) fn see(&self, counts: &LiveCounts, sequence: &Sequence) -> Ruling {
        let (settled, elapsed_s) = (sequence.settled(), counts.elapsed.as_secs());
        let tolls =
            || self.objectives.iter().map(|objective| (objective, sequence.toll(objective.place, counts.elapsed)));
        let is_close = || tolls().any(|(objective, toll)| toll.share() > objective.close);
        let fails = || {
            let is_beyond = |misses: u64, decided: u64, allowed: f64| {
                lower_bound(misses as f64, decided as f64, self.certainty) > allowed
            };
            tolls().any(|(objective, toll)| is_beyond(toll.misses, toll.decided, objective.allowed))
        };
        let is_enough = (settled >= self.requests && (settled >= self.close_requests || !is_close()))
            || self.most_requests.is_some_and(|most| settled >= most)
            || (settled >= self.least_requests && elapsed_s >= self.most_s)
            || (settled > 0 && self.longest_s.is_some_and(|longest_s| elapsed_s >= longest_s))
            || (self.looks.contains(&settled) && fails())
            || sequence.lost_in_a_row() >= self.lost_in_a_row;
        Ruling::stop_if(StopReason::Enough, is_enough)
    }
}

/// When a closed loop has shown whether it saturates the service, and what that completes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StageRule {
    /// The loop has filled the service so many seconds after it began.
    pub filled_s: f64,
    /// It ends after so many seconds in any case.
    pub most_s: f64,
    /// Completions since it was full, at which it is seen whether it brings more than the loop before.
    pub first_look: u64,
    /// Below so many completions per second it brings hardly more: the service is saturated. None: there was no loop
    /// before.
    pub least_per_s: Option<f64>,
    /// Whether it is the largest loop, which is played like one that saturates the service.
    pub is_last: bool,
    /// Completions since it was full, at which a loop that saturates the service ends.
    pub completions: u64,
    /// So many requests missed, and more than completed: the service refuses them.
    pub refused: u64,
}

/// When a closed loop has measured the saturated service once more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AgainRule {
    /// The loop has filled the service so many seconds after it began.
    pub filled_s: f64,
    /// Completions since it was full.
    pub completions: u64,
    /// So many requests in a row did not complete: the service is gone.
    pub lost_in_a_row: u32,
}

/// A closed loop that is being watched.
#[derive(Debug)]
pub(super) struct StageWatch {
    rule: StageRule,
    filled: Filled,
    is_saturated: bool,
}

impl StageWatch {
    pub(super) fn new(rule: StageRule) -> Self {
        Self { rule, filled: Filled::after(rule.filled_s), is_saturated: rule.is_last }
    }

    pub(super) fn see(&mut self, counts: &LiveCounts) -> Ruling {
        let rule = &self.rule;
        if counts.missed >= rule.refused && counts.missed > counts.completed {
            return Ruling::stop(StopReason::Refused);
        }
        let reason = |is_saturated: bool| if is_saturated { StopReason::Saturated } else { StopReason::Enough };
        if counts.elapsed.as_secs() >= rule.most_s {
            return Ruling::stop(reason(self.is_saturated));
        }
        let Some((since, since_s)) = self.filled.since(counts) else { return Ruling::GO_ON };
        if since < rule.first_look {
            return Ruling::GO_ON;
        }
        let per_s = since as f64 / since_s.max(1e-9);
        if since == rule.first_look && rule.least_per_s.is_some_and(|least| per_s < least) {
            self.is_saturated = true;
        }
        Ruling::stop_if(reason(self.is_saturated), since >= rule.completions || !self.is_saturated)
    }
}

/// The same, measured once more.
#[derive(Debug)]
pub(super) struct AgainWatch {
    rule: AgainRule,
    filled: Filled,
}

impl AgainWatch {
    pub(super) fn new(rule: AgainRule) -> Self {
        Self { rule, filled: Filled::after(rule.filled_s) }
    }

    pub(super) fn see(&mut self, counts: &LiveCounts, sequence: &Sequence) -> Ruling {
        let rule = &self.rule;
        let is_enough = self
            .filled
            .since(counts)
            .is_some_and(|(since, _)| since >= rule.completions || sequence.lost_in_a_row() >= rule.lost_in_a_row);
        Ruling::stop_if(StopReason::Enough, is_enough)
    }
}

/// What a closed loop completes once it has filled the service.
#[derive(Debug)]
struct Filled {
    after: Offset,
    first: Option<LiveCounts>,
}

impl Filled {
    /// The service is full `filled_s` after the load began.
    fn after(filled_s: f64) -> Self {
        Self { after: Offset::from_secs(filled_s), first: None }
    }

    /// Requests completed since then, and seconds; none before.
    fn since(&mut self, counts: &LiveCounts) -> Option<(u64, f64)> {
        if counts.elapsed < self.after {
            return None;
        }
        let first = self.first.get_or_insert(*counts);
        Some((counts.completed - first.completed, counts.elapsed.secs_since(first.elapsed)))
    }
}
