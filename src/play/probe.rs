//! Owns `ProbeRule`, the numbers that a probe of a search is watched by, and the fold that follows them: it discards
//! until nothing trends, cuts the window where the rest could not mend it, and follows the requests of the window to
//! their end while the load goes on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metrics::{Course, Sequence};
use crate::play::alarm::{BacklogAlarm, MissAlarm};
use crate::play::counts::LiveCounts;
use crate::play::growth::{Growth, Samples, growth, signs, trends};
use crate::play::watched::{Ruling, StopReason};
use crate::units::Offset;

/// A player asks a rule at least this often. This long before the window opens it is decided whether the window is to
/// open later.
const AHEAD: Duration = Duration::from_millis(50);
/// A trend of the number in flight counts from this part of an overload by the resolution on.
const TREND: f64 = 4.0;

/// What kind of load a probe is. It decides what can be read from the number in flight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// An open load at a constant rate.
    Open {
        /// Requests per second.
        rate_per_s: f64,
    },
    /// A closed loop: it is full from the first instant.
    Closed,
    /// One pass of a trace: a bad hour makes no bad day, so it is cut only where the misses are already too many for
    /// the whole pass.
    Trace,
}

/// When the alarms of a probe are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looks {
    /// Requests of the window before the first look.
    pub first: u64,
    /// Requests from one look to the next, at least.
    pub step: u64,
    /// And one more for so many requests of the window.
    pub share: u64,
}

/// The numbers that a probe is watched by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbeRule {
    /// What kind of load it is.
    pub kind: ProbeKind,
    /// The relative overload that the window is to make visible.
    pub resolution: f64,
    /// Seconds that are discarded, and by which the discard is extended.
    pub discard_s: f64,
    /// How often the discard is extended at most, while the number in flight shows a trend.
    pub most_extensions: u32,
    /// Seconds between two samples of the number in flight.
    pub sample_s: f64,
    /// When the alarms are asked.
    pub looks: Looks,
    /// Requests that the whole window will hold; 0 where that is not known.
    pub planned: u64,
    /// Seconds for which the requests of the window are followed at most, while the load goes on.
    pub follow_s: f64,
    /// The budget ends so many seconds after the probe began; none: there is no end.
    pub ends_s: Option<f64>,
    /// The service is gone when so many requests in a row did not complete.
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
    /// Requests that came due before the window opened.
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

    /// What becomes of the probe at these counts.
    pub(super) fn see(&mut self, counts: &LiveCounts, sequence: &Sequence) -> Ruling {
        self.samples.add(counts);
        if sequence.lost_in_a_row() >= self.rule.lost_in_a_row {
            return Ruling::stop(StopReason::Lost);
        }
        if counts.elapsed >= self.ends {
            // The budget is spent: what the window holds by now is what it bought.
            let growth = self.growth(sequence.window().start, counts.elapsed);
            return Ruling::Stop(StopReason::Enough, growth);
        }
        match self.phase {
            Phase::Discarding { extended } => self.discarding(extended, counts, sequence),
            Phase::Measuring => self.measuring(counts, sequence),
            Phase::Following { since, growth } => {
                // Which of them are open is not known of released requests before they settle.
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
            // A loop is full from the first instant, and a trace begins as it began.
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

    /// How the number in flight grew from the opening of the window until now; none in closed loops and traces.
    fn growth(&self, opened: Offset, now: Offset) -> Option<Growth> {
        matches!(self.rule.kind, ProbeKind::Open { .. }).then(|| growth(&self.samples.between(opened, now))).flatten()
    }

    /// Whether the rest of the window could not mend what was seen.
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
