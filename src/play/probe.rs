//! Owns `ProbeRule`, the numbers by which a probe of a search is watched, and the state machine that applies them.
//! It discards requests until the number in flight shows no trend. It stops the probe early if the rest of the
//! window could not change the result. It follows the requests of the window to their end while the load continues.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metrics::{Course, Sequence};
use crate::play::alarm::{BacklogAlarm, MissAlarm};
use crate::play::counts::LiveCounts;
use crate::play::growth::{Growth, Samples, growth, signs, trends};
use crate::play::watched::{Ruling, StopReason};
use crate::units::Offset;

/// Time before the window opens at which it is decided whether to delay the opening. A player asks a rule at least
/// this often, so the decision is never too late.
const AHEAD: Duration = Duration::from_millis(50);
/// Divisor of the resolution, no unit. The number in flight shows a trend if it grows faster than 1/4 of the growth
/// that an overload by the resolution would cause.
const TREND: f64 = 4.0;

/// The kind of load of a probe. It decides what can be read from the number in flight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// An open load at a constant rate.
    Open {
        /// Requests per second.
        rate_per_s: f64,
    },
    /// A closed loop: it reaches its full concurrency at the first instant.
    Closed,
    /// One pass of a trace. One bad hour does not make a bad day, so the pass is stopped early only if the misses
    /// already exceed the clear limit for the whole pass.
    Trace,
}

/// When the alarms of a probe are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looks {
    /// Requests of the window before the first check.
    pub first: u64,
    /// Least number of requests from one check to the next.
    pub step: u64,
    /// The distance to the next check grows by one request for each `share` requests of the window.
    pub share: u64,
}

/// The numbers by which a probe is watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeRule {
    /// The kind of load.
    pub kind: ProbeKind,
    /// The relative overload that the window must be able to show.
    pub resolution: f64,
    /// Seconds discarded before the window; each extension of the discard adds as many again.
    pub discard_s: f64,
    /// Largest number of extensions of the discard. The discard is extended while the number in flight shows a
    /// trend.
    pub most_extensions: u32,
    /// Seconds between two samples of the number in flight.
    pub sample_s: f64,
    /// When the alarms are checked.
    pub looks: Looks,
    /// Requests that the whole window will hold; 0 if this is not known.
    pub planned: u64,
    /// Longest time, in seconds, for which the requests of the window are followed while the load continues.
    pub follow_s: f64,
    /// Seconds after the start of the probe at which the budget ends; `None`: no end.
    pub ends_s: Option<f64>,
    /// If this many requests in a row did not complete, the service has stopped answering.
    pub lost_in_a_row: u32,
    /// The alarms over misses, one for each objective.
    pub misses: Vec<MissAlarm>,
    /// The alarm over the number in flight.
    pub backlog: BacklogAlarm,
}

/// A probe that is being watched.
#[derive(Debug)]
pub(super) struct ProbeWatch {
    rule: ProbeRule,
    phase: Phase,
    samples: Samples,
    next_look: u64,
    /// Requests whose planned instant passed before the window opened.
    due_before: u64,
    ends: Offset,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Discarding { extended: u32 },
    Measuring,
    Following { since: Offset, growth: Option<Growth> },
}

impl ProbeWatch {
    pub(super) fn new(rule: ProbeRule) -> Self {
        Self {
            phase: Phase::Discarding { extended: 0 },
            samples: Samples::each(rule.sample_s),
            next_look: rule.looks.first,
            due_before: 0,
            ends: rule.ends_s.map_or(Offset::NEVER, Offset::from_secs),
            rule,
        }
    }

    /// The ruling for the probe at these counts.
    pub(super) fn see(&mut self, counts: &LiveCounts, sequence: &Sequence) -> Ruling {
        self.samples.add(counts);
        if sequence.lost_in_a_row() >= self.rule.lost_in_a_row {
            return Ruling::stop(StopReason::Lost);
        }
        if counts.elapsed >= self.ends {
            // The budget is spent: the window keeps what it holds now.
            let growth = self.growth(sequence.window().start, counts.elapsed);
            return Ruling::Stop(StopReason::Enough, growth);
        }
        match self.phase {
            Phase::Discarding { extended } => self.discarding(extended, counts, sequence),
            Phase::Measuring => self.measuring(counts, sequence),
            Phase::Following { since, growth } => {
                // For released requests it is not known which are open before they settle.
                let is_open = sequence.is_open() || self.rule.kind == ProbeKind::Closed;
                if is_open && counts.elapsed.secs_since(since) < self.rule.follow_s {
                    return Ruling::GO_ON;
                }
                Ruling::Stop(StopReason::Enough, growth)
            }
        }
    }

    fn discarding(&mut self, extended: u32, counts: &LiveCounts, sequence: &Sequence) -> Ruling {
        let opens = sequence.window().start;
        if counts.elapsed.plus(AHEAD) < opens {
            return Ruling::GO_ON;
        }
        let is_filling = match self.rule.kind {
            ProbeKind::Open { rate_per_s } => {
                trends(&self.samples.last_half(Offset::ZERO), self.rule.resolution / TREND * rate_per_s)
            }
            // A loop is full from the first instant, and a trace starts as it was recorded.
            ProbeKind::Closed | ProbeKind::Trace => false,
        };
        if extended < self.rule.most_extensions && is_filling {
            self.phase = Phase::Discarding { extended: extended + 1 };
            return Ruling::Turn(Course::OpenAt(
                opens.plus(Duration::try_from_secs_f64(self.rule.discard_s).unwrap_or_default()),
            ));
        }
        self.phase = Phase::Measuring;
        self.due_before = counts.due;
        Ruling::GO_ON
    }

    fn measuring(&mut self, counts: &LiveCounts, sequence: &Sequence) -> Ruling {
        let (window, now) = (sequence.window(), counts.elapsed);
        if now >= window.end {
            self.phase = Phase::Following { since: now, growth: self.growth(window.start, now) };
            return Ruling::GO_ON;
        }
        let inside = counts.due - self.due_before;
        if inside >= self.next_look {
            self.next_look += self.rule.looks.step + inside.checked_div(self.rule.looks.share).unwrap_or(0);
            if self.is_hopeless(now, sequence) {
                return Ruling::Stop(StopReason::Hopeless, self.growth(window.start, now));
            }
        }
        Ruling::GO_ON
    }

    /// How the number in flight grew from the opening of the window until now; `None` for closed loops and traces.
    fn growth(&self, opened: Offset, now: Offset) -> Option<Growth> {
        matches!(self.rule.kind, ProbeKind::Open { .. }).then(|| growth(&self.samples.between(opened, now))).flatten()
    }

    /// Whether the rest of the window could not change the result.
    fn is_hopeless(&self, now: Offset, sequence: &Sequence) -> bool {
        let rule = &self.rule;
        let tolls = || rule.misses.iter().map(|alarm| (alarm, sequence.toll(alarm.place, now)));
        if rule.kind == ProbeKind::Trace {
            return tolls().any(|(alarm, toll)| alarm.is_plain_of_all(toll.misses, rule.planned));
        }
        tolls().any(|(alarm, toll)| alarm.refutes(toll.misses, toll.decided, rule.planned))
            || rule.backlog.is_raised(&signs(&self.samples.last_half(sequence.window().start), rule.resolution))
    }
}
