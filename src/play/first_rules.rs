//! Owns the rules of a search's first loads, as plain numbers: the rule for the unloaded service, and the rules for
//! the saturated service.

use serde::{Deserialize, Serialize};

use crate::metrics::Sequence;
use crate::play::counts::LiveCounts;
use crate::play::watched::{Ruling, StopReason};
use crate::stats::proportion::exceeds;
use crate::units::Offset;

/// One objective, as it is checked on the unloaded service.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FloorObjective {
    /// The index of the objective in the list of the segment.
    pub place: usize,
    /// The share of requests that may miss the objective.
    pub allowed: f64,
    /// If the share of misses exceeds this value, more requests are sent.
    pub close: f64,
}

/// When the measurement of the unloaded service ends: as soon as one of these conditions holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FloorRule {
    /// This many requests have settled, and no objective's share of misses exceeds its `close`.
    pub requests: u64,
    /// This many requests have settled, whatever the share of misses. A share of misses that does not depend on the
    /// rate is best measured here.
    pub close_requests: u64,
    /// This many requests have settled, which is all that the budget allows. `None`: there is no budget of
    /// requests.
    pub most_requests: Option<u64>,
    /// This many requests have settled, and `most_s` seconds have passed.
    pub least_requests: u64,
    /// Seconds after which `least_requests` are enough.
    pub most_s: f64,
    /// Seconds after which one settled request is enough, so that slow requests, sent one at a time, do not use up
    /// the whole budget. `None`: no such limit.
    pub longest_s: Option<f64>,
    /// Counts of settled requests at which the measurement ends if an objective is certainly missed. A test after
    /// every request would sooner or later reject a share of misses just below the allowed one.
    pub looks: Vec<u64>,
    /// The one-sided confidence level of the test at `looks`.
    pub certainty: f64,
    /// This many requests in a row did not complete: the service has stopped answering.
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
                exceeds(misses as f64, decided as f64, allowed, self.certainty)
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

/// When a closed loop ends: it has shown whether it saturates the service, and at which throughput.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StageRule {
    /// Seconds after the start at which the closed loop counts as having filled the service.
    pub filled_s: f64,
    /// The loop ends after this many seconds in any case.
    pub most_s: f64,
    /// Completions after `filled_s` at which the throughput is compared with `least_per_s`.
    pub first_look: u64,
    /// If the throughput is below this many completions per second, it is hardly higher than that of the loop
    /// before: the service is saturated. `None`: there was no loop before.
    pub least_per_s: Option<f64>,
    /// Whether this is the largest loop. It is measured like a loop that saturates the service.
    pub is_last: bool,
    /// Completions after `filled_s` at which a loop that saturates the service ends.
    pub completions: u64,
    /// If at least this many requests missed, and more missed than completed, the service is refusing requests.
    pub refused: u64,
}

/// When the repeated measurement of the saturated service ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AgainRule {
    /// Seconds after the start at which the closed loop counts as having filled the service.
    pub filled_s: f64,
    /// Completions after `filled_s` at which the loop ends.
    pub completions: u64,
    /// This many requests in a row did not complete: the service has stopped answering.
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

/// The closed loop that saturated the service, while it is measured once more.
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

/// Counts what a closed loop completes after it has filled the service.
#[derive(Debug)]
struct Filled {
    after: Offset,
    first: Option<LiveCounts>,
}

impl Filled {
    /// The service counts as full `filled_s` seconds after the load began.
    fn after(filled_s: f64) -> Self {
        Self { after: Offset::from_secs(filled_s), first: None }
    }

    /// Requests completed since the service was full, and the seconds since then; `None` before.
    fn since(&mut self, counts: &LiveCounts) -> Option<(u64, f64)> {
        if counts.elapsed < self.after {
            return None;
        }
        let first = self.first.get_or_insert(*counts);
        Some((counts.completed - first.completed, counts.elapsed.secs_since(first.elapsed)))
    }
}
