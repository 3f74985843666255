//! Owns `Watch`, the fold that steers a running probe: discards until nothing trends, cuts the window where the rest
//! could not mend it, and follows the requests of the window to their end, the load going on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::metrics::{Course, Sequence};
use crate::play::{LiveCounts, StopRule};
use crate::search::Level;
use crate::search::hunt::Aim;
use crate::search::hunt::facts::{counts_of, planned, probe_of};
use crate::search::hunt::growth::{Samples, growth, signs, trends};
use crate::search::step::{Count, End, Growth, Order, Picture, Probe, alarm, is_plain};
use crate::units::Offset;

/// Of the discard, how often it is repeated while requests in flight show a trend.
const MOST_EXTENSIONS: u32 = 2;
/// A player looks this often at least: so much before the window opens it is decided whether it is to open later.
const AHEAD: Duration = Duration::from_millis(50);
/// Requests of the window before the first look for an alarm, and then that many more, and a share of those there are.
const FIRST_LOOK: u64 = 100;
const LOOK_STEP: u64 = 50;
const LOOK_SHARE: u64 = 20;
/// So many requests in a row that did not complete are no load that is too high, but a service that is gone.
pub(super) const LOST: u32 = 50;

/// What a probe is watched by, shared with whoever started it.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Mutex<Watching>>);

/// How a probe stood when its issuing ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ProbeSeen {
    /// The probe, as far as it was decided.
    pub(super) probe: Probe,
    /// Whether the service seemed to be gone.
    pub(super) is_lost: bool,
}

#[derive(Debug)]
struct Watching {
    aim: Aim,
    picture: Picture,
    order: Order,
    phase: Phase,
    samples: Samples,
    next_look: u64,
    /// Requests that came due before the window opened.
    due_before: u64,
    /// How long what came inside the window is followed, the load going on.
    follow_s: f64,
    /// The budget ends here.
    ends: Offset,
    seen: Option<ProbeSeen>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Discarding { extended: u32 },
    Measuring,
    Following { since: Offset, growth: Option<Growth> },
}

impl Watch {
    /// Of a probe by `order`, whose requests are followed for `follow_s` after its window; all of it ends after
    /// `left_s`.
    pub(super) fn new(aim: &Aim, picture: Picture, order: Order, follow_s: f64, left_s: f64) -> Self {
        Self(Arc::new(Mutex::new(Watching {
            aim: aim.clone(),
            picture,
            order,
            phase: Phase::Discarding { extended: 0 },
            samples: Samples::each(order.window_s / 64.0),
            next_look: FIRST_LOOK,
            due_before: 0,
            follow_s,
            ends: if left_s.is_finite() { Offset::from_secs(left_s) } else { Offset::NEVER },
            seen: None,
        })))
    }

    pub(super) fn rule(&self) -> StopRule {
        let watching = Arc::clone(&self.0);
        StopRule::Watch(Arc::new(move |counts, sequence| {
            watching.lock().unwrap_or_else(PoisonError::into_inner).see(counts, sequence)
        }))
    }

    /// How the probe stood when the watch ended it; none where something else did.
    pub(super) fn seen(&self) -> Option<ProbeSeen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }
}

impl Watching {
    fn see(&mut self, counts: &LiveCounts, sequence: &Sequence) -> Course {
        self.samples.add(counts);
        if sequence.lost_in_a_row() >= LOST {
            return self.end(End::Overloaded, true, None, counts, sequence);
        }
        if counts.elapsed >= self.ends {
            // The budget is spent: what the window holds by now is what it bought.
            let growth = self.growth(sequence.window().start, counts.elapsed);
            return self.end(End::Full, false, growth, counts, sequence);
        }
        match self.phase {
            Phase::Discarding { extended } => self.discarding(extended, counts, sequence),
            Phase::Measuring => self.measuring(counts, sequence),
            Phase::Following { since, growth } => {
                // Which of them are open is not known of released requests before they settle.
                let is_open = sequence.is_open() || matches!(self.order.level, Level::Concurrency(_));
                if is_open && counts.elapsed.secs_since(since) < self.follow_s {
                    return Course::GoOn;
                }
                self.end(End::Full, false, growth, counts, sequence)
            }
        }
    }

    fn discarding(&mut self, extended: u32, counts: &LiveCounts, sequence: &Sequence) -> Course {
        let opens = sequence.window().start;
        if counts.elapsed.plus(AHEAD) < opens {
            return Course::GoOn;
        }
        let is_filling = match self.order.level {
            Level::RatePerS(per_s) => {
                trends(&self.samples.last_half(Offset::ZERO), self.order.resolution / 4.0 * per_s)
            }
            // A loop is full from the first instant, and a trace begins as it began.
            Level::Concurrency(_) | Level::TimeScale(_) => false,
        };
        if extended < MOST_EXTENSIONS && is_filling {
            self.phase = Phase::Discarding { extended: extended + 1 };
            return Course::OpenAt(opens.plus(Duration::from_secs_f64(self.order.discard_s)));
        }
        self.phase = Phase::Measuring;
        self.due_before = counts.due;
        Course::GoOn
    }

    fn measuring(&mut self, counts: &LiveCounts, sequence: &Sequence) -> Course {
        let (window, now) = (sequence.window(), counts.elapsed);
        if now >= window.end {
            self.phase = Phase::Following { since: now, growth: self.growth(window.start, now) };
            return Course::GoOn;
        }
        if counts.due - self.due_before >= self.next_look {
            self.next_look += LOOK_STEP + (counts.due - self.due_before) / LOOK_SHARE;
            if self.is_hopeless(now, sequence) {
                let growth = self.growth(window.start, now);
                return self.end(End::Overloaded, false, growth, counts, sequence);
            }
        }
        Course::GoOn
    }

    /// How the number in flight grew from the opening of the window until now; none in closed loops and traces.
    fn growth(&self, opened: Offset, now: Offset) -> Option<Growth> {
        matches!(self.order.level, Level::RatePerS(_)).then(|| growth(&self.samples.between(opened, now))).flatten()
    }

    /// Whether the rest of the window could not mend what was seen.
    fn is_hopeless(&self, now: Offset, sequence: &Sequence) -> bool {
        let (question, counts) = (&self.aim.question, counts_of(&self.aim, sequence, now));
        let planned = planned(&self.aim, &self.order);
        if question.pass().is_some() {
            // A bad hour makes no bad day: only what already is too much for the whole pass.
            let of_all = |count: Count| Count { decided: planned, ..count };
            return is_plain(question, &counts.into_iter().map(of_all).collect::<Vec<_>>(), 1);
        }
        let signs = signs(&self.samples.last_half(sequence.window().start), self.order.resolution);
        alarm(question, &self.picture, &self.order, &counts, planned, &signs).is_some()
    }

    fn end(
        &mut self,
        end: End,
        is_lost: bool,
        growth: Option<Growth>,
        counts: &LiveCounts,
        sequence: &Sequence,
    ) -> Course {
        let sent = [counts.due, planned(&self.aim, &self.order)];
        let probe = Probe { growth, ..probe_of(&self.aim, &self.order, end, sequence, counts.elapsed, sent) };
        self.seen = Some(ProbeSeen { probe, is_lost });
        Course::Stop
    }
}
