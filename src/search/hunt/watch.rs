//! Owns `Watch`, the fold that steers a running probe: discards until nothing trends, looks at the end of each block, ends at an alarm, and follows the
//! requests of the window to their end, the load going on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::metrics::{Course, LiveCounts, Sequence, StopRule};
use crate::search::Level;
use crate::search::hunt::Aim;
use crate::search::hunt::facts::{counts_of, probe_of};
use crate::search::hunt::growth::{Samples, grows, trends};
use crate::search::step::{Count, End, Look, Order, Picture, Probe, Signs, alarm, is_plain, look};
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
pub(super) struct Seen {
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
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Discarding { extended: u32 },
    Measuring { blocks: u32 },
    Following { end: End, since: Offset },
}

impl Watch {
    pub(super) fn new(aim: &Aim, picture: Picture, order: Order, follow_s: f64) -> Self {
        Self(Arc::new(Mutex::new(Watching {
            aim: aim.clone(),
            picture,
            order,
            phase: Phase::Discarding { extended: 0 },
            samples: Samples::each(order.block_s / 64.0),
            next_look: FIRST_LOOK,
            due_before: 0,
            follow_s,
            seen: None,
        })))
    }

    pub(super) fn rule(&self) -> StopRule {
        let watching = Arc::clone(&self.0);
        StopRule::Watch(Arc::new(move |counts, sequence| watching.lock().unwrap_or_else(PoisonError::into_inner).see(counts, sequence)))
    }

    /// How the probe stood when the watch ended it; none where something else did.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }
}

impl Watching {
    fn see(&mut self, counts: &LiveCounts, sequence: &Sequence) -> Course {
        self.samples.add(counts);
        if sequence.lost_in_a_row() >= LOST {
            return self.end(End::Overloaded, true, counts, sequence);
        }
        match self.phase {
            Phase::Discarding { extended } => self.discarding(extended, counts, sequence),
            Phase::Measuring { blocks } => self.measuring(blocks, counts, sequence),
            Phase::Following { end, since } => {
                // Which of them are open is not known of released requests before they settle.
                let is_open = sequence.is_open() || matches!(self.order.level, Level::Concurrency(_));
                if is_open && counts.elapsed.secs_since(since) < self.follow_s {
                    return Course::GoOn;
                }
                self.end(end, false, counts, sequence)
            }
        }
    }

    fn discarding(&mut self, extended: u32, counts: &LiveCounts, sequence: &Sequence) -> Course {
        let opens = sequence.window().start;
        if counts.elapsed.plus(AHEAD) < opens {
            return Course::GoOn;
        }
        let is_filling = match self.order.level {
            Level::RatePerS(per_s) => trends(&self.samples.last_half(Offset::ZERO), self.order.resolution / 4.0 * per_s),
            // A loop is full from the first instant, and a trace begins as it began.
            Level::Concurrency(_) | Level::TimeScale(_) => false,
        };
        if extended < MOST_EXTENSIONS && is_filling {
            self.phase = Phase::Discarding { extended: extended + 1 };
            return Course::OpenAt(opens.plus(Duration::from_secs_f64(self.order.discard_s)));
        }
        self.phase = Phase::Measuring { blocks: 0 };
        self.due_before = counts.due;
        Course::GoOn
    }

    fn measuring(&mut self, blocks: u32, counts: &LiveCounts, sequence: &Sequence) -> Course {
        let (window, now) = (sequence.window(), counts.elapsed);
        if counts.due - self.due_before >= self.next_look {
            self.next_look += LOOK_STEP + (counts.due - self.due_before) / LOOK_SHARE;
            if self.is_overloaded(now, sequence) {
                return self.end(End::Overloaded, false, counts, sequence);
            }
        }
        let played = blocks + 1;
        let block_end = window.start.plus(Duration::from_secs_f64(self.order.block_s * f64::from(played)));
        if now < block_end.min(window.end) {
            return Course::GoOn;
        }
        self.phase = Phase::Measuring { blocks: played };
        if played >= self.order.most_blocks || now >= window.end {
            self.phase = Phase::Following { end: End::Full, since: now };
            return Course::GoOn;
        }
        let counts = counts_of(&self.aim, sequence, now);
        if look(&self.aim.question, &self.picture, &self.order, &counts) == Look::Decided {
            self.phase = Phase::Following { end: End::Decided, since: now };
            return Course::Close;
        }
        Course::GoOn
    }

    fn is_overloaded(&self, now: Offset, sequence: &Sequence) -> bool {
        let (question, counts) = (&self.aim.question, counts_of(&self.aim, sequence, now));
        match question.pass() {
            // A bad hour makes no bad day: only what already is too much for the whole pass.
            Some(pass) => {
                let of_all = |count: Count| Count { decided: pass.requests(), ..count };
                is_plain(question, &counts.into_iter().map(of_all).collect::<Vec<_>>(), 1)
            }
            None => alarm(question, &self.order, &counts, &self.signs(now, sequence)).is_some(),
        }
    }

    fn signs(&self, now: Offset, sequence: &Sequence) -> Signs {
        let half = self.samples.last_half(sequence.window().start);
        let (growth_per_s, completed_share) = grows(&half, self.order.resolution).unzip();
        let ages = self.aim.asked().iter().map(|asked| sequence.oldest_age_s(asked.place, now).unwrap_or(0.0));
        Signs { oldest_ages_s: ages.collect(), growth_per_s, completed_share }
    }

    fn end(&mut self, end: End, is_lost: bool, counts: &LiveCounts, sequence: &Sequence) -> Course {
        let probe = probe_of(&self.aim, &self.order, end, sequence, counts.elapsed, counts.due);
        self.seen = Some(Seen { probe, is_lost });
        Course::Stop
    }
}
