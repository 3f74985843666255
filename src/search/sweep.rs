//! Owns the course of a sweep: from the trials so far to the next load or the end. It is pure, so that it decides
//! alike in virtual time, live, and after a crash.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::figures::TrialView;
use crate::play::LiveCounts;
use crate::search::capacity::mean_e2e_s;
use crate::search::rates::significant;
use crate::search::signs::{knee, read_signs};
use crate::search::{Axis, Level, Point, Stability, completion_rate, requests_each, stability_of, unloaded_per_s};
use crate::units::Rate;
use crate::workload::{Closed, SessionLaw};

/// Discard before a window, as a share of the window; the second value applies after an overload, when the service
/// starts empty.
const DISCARD: f64 = 0.3;
const DISCARD_AFTER_DRAIN: f64 = 0.7;
/// The discard is at least this many mean times in the system.
const DISCARD_TIMES: f64 = 2.0;
/// The discard is at most this many windows.
const MOST_DISCARD: f64 = 4.0;
/// The rates of an automatic sweep begin above this share of the capacity, or above the synchronous rate if that is
/// lower.
const LOWEST_SHARE: f64 = 0.2;
/// A bracket around the knee whose ends have a smaller ratio than this is not divided again.
const LEAST_STEP: f64 = 1.02;

/// The loads that a sweep runs.
#[derive(Debug, Clone, PartialEq)]
pub enum SweepCourse {
    /// Synchronous, throughput, then this many rates between the two, none above the limit.
    Between {
        /// The number of rates.
        points: u32,
        /// The highest rate that may be offered.
        most: Option<Rate>,
    },
    /// These rates, ascending, up to the first that saturates.
    Rates(Vec<Rate>),
    /// Closed loops with these numbers of requests in flight, in this order.
    Concurrencies(Vec<u32>),
}

/// A sweep: its loads, and how long each is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// The loads.
    pub course: SweepCourse,
    /// The measured window of each load.
    pub window: Duration,
    /// The discard before each window. Without it: 0.3 of the window (0.7 after an overload), and at least twice
    /// the time that requests spent in the system at the rate before (three times that of a lone request before the
    /// throughput load).
    pub discard: Option<Duration>,
    /// The sessions of the workload, if each arrival begins one. Rates are then sessions per second, and a discard that
    /// was not given lasts until the load of sessions has settled.
    pub sessions: Option<SessionLaw>,
}

/// A load that has been issued and whose cohort is still followed.
#[derive(Debug, Clone, Copy)]
pub struct Pending {
    /// The load.
    pub point: Point,
    /// The counts when the last request had been issued.
    pub counts: LiveCounts,
}

/// The next action of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub enum SweepStep {
    /// Runs this load; with `rest` only when no request is in flight any more.
    Play {
        /// The load.
        point: Point,
        /// Whether the load begins only when no request is in flight any more.
        rest: bool,
    },
    /// Waits until the load that is still followed is final.
    Wait,
    /// Ends.
    Finish(Finished),
}

/// Why a sweep ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finished {
    /// Every load was run.
    Played,
    /// The ends of the bracket around the knee are too close for trials of this length to distinguish.
    Resolved,
    /// The remaining rates are above a rate that saturates.
    Saturated,
    /// Nothing completed in a load: a resumed run repeats it and runs the rest.
    NoAnswer,
}

/// An open trial, as used in the decisions.
#[derive(Debug, Clone, Copy)]
struct Tried {
    per_s: f64,
    stability: Stability,
}

impl Sweep {
    /// The next action after `trials` (all final trials, in the order in which they were run) and `pending`.
    #[must_use]
    pub fn next(&self, trials: &[TrialView], pending: Option<&Pending>) -> SweepStep {
        let played = trials.len() + usize::from(pending.is_some());
        // Whether the service is lost or overloaded: it has shown nothing, and will show nothing more at higher
        // rates.
        if trials.last().is_some_and(is_unanswered) {
            return if pending.is_some() { SweepStep::Wait } else { SweepStep::Finish(Finished::NoAnswer) };
        }
        match &self.course {
            SweepCourse::Between { points, most } => self.between(*points, *most, trials, pending),
            SweepCourse::Rates(rates) => self.listed(rates, trials, pending),
            SweepCourse::Concurrencies(stages) => match (pending, stages.get(played)) {
                (Some(_), _) => SweepStep::Wait,
                (None, Some(in_flight)) => self.play(Level::Concurrency(*in_flight), trials, None),
                (None, None) => SweepStep::Finish(Finished::Played),
            },
        }
    }

    /// The largest number of loads that it runs.
    #[must_use]
    pub fn most_points(&self) -> usize {
        match &self.course {
            SweepCourse::Between { points, .. } => 2 + *points as usize,
            SweepCourse::Rates(rates) => rates.len(),
            SweepCourse::Concurrencies(stages) => stages.len(),
        }
    }

    /// The approximate sending time in seconds: discards and windows of all loads. Slow responses and draining come
    /// in addition.
    #[must_use]
    pub fn about_s(&self) -> f64 {
        let window_s = self.window.as_secs_f64();
        let settles_s = self.sessions.as_ref().map_or(0.0, |sessions| sessions.settles_s(0.0));
        let discard_s = self.discard.map_or((DISCARD * window_s).max(settles_s), |discard| discard.as_secs_f64());
        self.most_points() as f64 * (discard_s + window_s)
    }

    fn between(&self, points: u32, most: Option<Rate>, trials: &[TrialView], pending: Option<&Pending>) -> SweepStep {
        if pending.is_some_and(|pending| matches!(pending.point.level, Level::Concurrency(_))) {
            return SweepStep::Wait;
        }
        let (Some(first), second) = (trials.first(), trials.get(1)) else {
            return self.play(Level::Concurrency(1), trials, None);
        };
        let Some(second) = second else {
            return match unloaded_per_s(first) {
                Some(_) => self.play(Level::Concurrency(Closed::THROUGHPUT), trials, None),
                None => SweepStep::Finish(Finished::NoAnswer),
            };
        };
        let each = self.sessions.as_ref().map_or(1.0, |sessions| sessions.moments().turns_mean);
        let (Some(unloaded), Some(full)) = (unloaded_per_s(first), completion_rate(second)) else {
            return SweepStep::Finish(Finished::NoAnswer);
        };
        let (unloaded, full) = (unloaded / each, full.divided_by(each));
        let tried = tried(trials);
        let rates: Vec<f64> = tried
            .iter()
            .map(|tried| tried.per_s)
            .chain(pending.and_then(|pending| pending.point.level.rate_per_s()))
            .collect();
        if rates.len() >= points as usize {
            return if pending.is_some() { SweepStep::Wait } else { SweepStep::Finish(Finished::Played) };
        }
        let saturated = tried.iter().any(|tried| tried.stability == Stability::Saturated);
        let climb =
            Climb { points, unloaded_per_s: unloaded, full_per_s: full.per_s, most_per_s: most.map(Rate::per_s) };
        if !saturated && let Some(rung) = climb.next_rung(&rates) {
            return if pending.is_some_and(|pending| is_backlogged(pending, trials)) {
                SweepStep::Wait
            } else {
                self.open(rung, trials, pending)
            };
        }
        if pending.is_some() {
            return SweepStep::Wait;
        }
        let highest = rates.iter().copied().fold(0.0, f64::max);
        if !saturated && climb.tops_out(highest) {
            return SweepStep::Finish(Finished::Played);
        }
        if !saturated {
            return match climb.above(highest, self.window.as_secs_f64()) {
                Some(per_s) => self.open(per_s, trials, None),
                None => SweepStep::Finish(Finished::Played),
            };
        }
        match refined(&tried, full.per_s, self.window.as_secs_f64()) {
            Some(per_s) => self.open(per_s, trials, None),
            None => SweepStep::Finish(Finished::Resolved),
        }
    }

    fn listed(&self, rates: &[Rate], trials: &[TrialView], pending: Option<&Pending>) -> SweepStep {
        let played = trials.len() + usize::from(pending.is_some());
        let saturated = tried(trials).iter().any(|tried| tried.stability == Stability::Saturated);
        match rates.get(played) {
            _ if pending.is_some_and(|pending| is_backlogged(pending, trials)) => SweepStep::Wait,
            Some(rate) if !saturated => self.play(self.level(*rate), trials, pending),
            _ if pending.is_some() => SweepStep::Wait,
            Some(_) => SweepStep::Finish(Finished::Saturated),
            None => SweepStep::Finish(Finished::Played),
        }
    }

    /// Runs an open load at `per_s`, rounded to three digits: `result.json` holds the same rate.
    fn open(&self, per_s: f64, trials: &[TrialView], pending: Option<&Pending>) -> SweepStep {
        match Rate::new(significant(per_s, 3)) {
            Ok(rate) => self.play(self.level(rate), trials, pending),
            Err(_) => SweepStep::Finish(Finished::Resolved),
        }
    }

    /// The level of an open load with `rate` arrivals per second.
    #[must_use]
    pub fn level(&self, rate: Rate) -> Level {
        let over = if self.sessions.is_some() { Axis::Sessions } else { Axis::Rate };
        over.level(rate.per_s())
    }

    fn play(&self, level: Level, trials: &[TrialView], pending: Option<&Pending>) -> SweepStep {
        let overloaded = trials.last().is_some_and(|trial| match Level::of(&trial.load) {
            Some(Level::Concurrency(in_flight)) => in_flight > 1,
            _ => stability_of(&read_signs(trial)) != Stability::Stable,
        });
        let rest = pending.is_none() && overloaded;
        SweepStep::Play { point: Point { level, discard: self.discard_before(level, rest, trials) }, rest }
    }

    fn discard_before(&self, level: Level, rest: bool, trials: &[TrialView]) -> Duration {
        if let Some(discard) = self.discard {
            return discard;
        }
        let window_s = self.window.as_secs_f64();
        // A closed loop starts with all its requests at once: the first two waves are not a steady state.
        let times = if matches!(level, Level::Concurrency(2..)) { DISCARD_TIMES + 1.0 } else { DISCARD_TIMES };
        let steady = |trial: &&TrialView| match Level::of(&trial.load) {
            Some(Level::Concurrency(in_flight)) => in_flight == 1,
            _ => stability_of(&read_signs(trial)) != Stability::Saturated,
        };
        let in_system_s = trials.iter().rev().find(steady).and_then(mean_e2e_s).unwrap_or(0.0);
        let share = if rest && level.rate_per_s().is_some() { DISCARD_AFTER_DRAIN } else { DISCARD };
        let filled_s = (times * in_system_s).clamp(share * window_s, MOST_DISCARD * window_s);
        let sessions = self.sessions.as_ref().filter(|_| level.rate_per_s().is_some());
        Duration::from_secs_f64(filled_s.max(sessions.map_or(0.0, |sessions| sessions.settles_s(in_system_s))))
    }
}

/// Whether `trial` sent something and none of it completed.
#[must_use]
pub fn is_unanswered(trial: &TrialView) -> bool {
    trial.run_totals.sent > 0 && trial.run_totals.completed == 0
}

/// The open trials among `trials`.
fn tried(trials: &[TrialView]) -> Vec<Tried> {
    let open = trials.iter().filter_map(|trial| {
        let per_s = Level::of(&trial.load)?.rate_per_s()?;
        Some(Tried { per_s, stability: stability_of(&read_signs(trial)) })
    });
    open.collect()
}

/// The rates of an automatic sweep before any rate has saturated.
struct Climb {
    points: u32,
    unloaded_per_s: f64,
    full_per_s: f64,
    most_per_s: Option<f64>,
}

impl Climb {
    /// Number of rates between the two closed loops. One rate above them is meant to saturate, and a quarter of all
    /// rates is left for the knee.
    fn rungs(&self) -> u32 {
        if self.limits() { self.points } else { (self.points - self.points / 4).saturating_sub(1) }
    }

    /// Whether the limit lies below the capacity; there is nothing to refine then.
    fn limits(&self) -> bool {
        self.most_per_s.is_some_and(|most| most < self.full_per_s)
    }

    /// The lowest rung above every rate of `rates`. Rungs form a geometric series from the synchronous rate to the
    /// throughput rate, both excluded; with a lower limit, up to and including the limit.
    fn next_rung(&self, rates: &[f64]) -> Option<f64> {
        let most = self.most_per_s.filter(|_| self.limits());
        let top = most.unwrap_or(self.full_per_s);
        let bottom = self.unloaded_per_s.min(LOWEST_SHARE * top);
        let parts = self.rungs() + u32::from(most.is_none());
        let rung = |place: u32| {
            if place == parts { top } else { bottom * libm::pow(top / bottom, f64::from(place) / f64::from(parts)) }
        };
        let highest = rates.iter().copied().fold(0.0, f64::max);
        // The rates that were run were rounded to three digits.
        (1..=self.rungs()).map(rung).find(|per_s| significant(*per_s, 3) > highest)
    }

    /// Whether no rate above `highest` may be offered.
    fn tops_out(&self, highest: f64) -> bool {
        self.most_per_s.is_some_and(|most| highest >= most * (1.0 - 1e-9))
    }

    /// A rate that must saturate if the throughput load measured the capacity, high enough above it to show in a
    /// window of `window_s`. If that rate does not saturate, each next rate is half as high again.
    fn above(&self, highest: f64, window_s: f64) -> Option<f64> {
        let visible = 4.5 / libm::sqrt((self.full_per_s * window_s).max(1.0));
        let first = self.full_per_s * (1.0 / (1.0 - visible.min(0.5))).max(1.1);
        let per_s = if highest < self.full_per_s { first } else { highest * 1.5 };
        let per_s = self.most_per_s.map_or(per_s, |most| per_s.min(most));
        (significant(per_s, 3) > highest && per_s <= Rate::MAX_PER_S).then_some(per_s)
    }
}

/// A rate that halves (on a log scale) the bracket of the knee. Its ends are the knee so far, and the lowest rate
/// above it that is not stable, or the capacity if that is lower. `None` if trials of `window_s` could not
/// distinguish the ends.
fn refined(tried: &[Tried], full_per_s: f64, window_s: f64) -> Option<f64> {
    let pairs: Vec<(f64, Stability)> = tried.iter().map(|tried| (tried.per_s, tried.stability)).collect();
    let Some(below) = knee(&pairs) else { return tried.iter().map(|tried| tried.per_s / 2.0).reduce(f64::min) };
    let above = pairs
        .iter()
        .filter(|(per_s, stability)| *per_s > below && *stability != Stability::Stable)
        .map(|(per_s, _)| *per_s);
    // A rate that was stable is not the capacity: the closed loop was the limit then, not the service.
    let above = above.chain((below < full_per_s).then_some(full_per_s)).reduce(f64::min)?;
    let noise = libm::sqrt(2.0 / (below * window_s).max(1.0));
    (above / below > (1.0 + noise).max(LEAST_STEP)).then(|| libm::sqrt(above * below))
}

/// Whether far more requests are in flight at the end of a load than in a steady state, which holds rate × the time
/// in the system seen so far. If so, the load may have saturated the service, and no higher rate is offered until
/// that is known.
fn is_backlogged(pending: &Pending, trials: &[TrialView]) -> bool {
    let Some(per_s) = pending.point.level.rate_per_s() else { return false };
    // Without an earlier trial it is not known how many are too many.
    let Some(in_system_s) = trials.iter().filter_map(mean_e2e_s).reduce(f64::max) else { return true };
    let per_s = per_s * trials.last().map_or(1.0, |trial| requests_each(&trial.load));
    let due = pending.counts.due as f64;
    pending.counts.in_flight as f64 > 2.0 * per_s * in_system_s + 2.0 * libm::sqrt(2.0 * due)
}
