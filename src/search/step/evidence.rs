//! Owns `History`: what has been tried so far, whoever played it.

use serde::{Deserialize, Serialize};

use crate::play::Growth;
use crate::search::step::curve::Shape;
use crate::search::step::{Calm, Clusters, Episodes, Question, Spent};
use crate::search::{Axis, Level, Pass};

/// Misses of one objective in one probe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Requests that missed it: failed, shed, timed out, or beyond the limit.
    pub misses: u64,
    /// Requests for which that is known.
    pub decided: u64,
    /// How the misses cluster; none without misses.
    pub clusters: Option<Clusters>,
}

impl Count {
    /// The share of misses; 0 where nothing is decided.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.decided == 0 { 0.0 } else { self.misses as f64 / self.decided as f64 }
    }
}

/// Share of misses, beyond the allowed one, from which on an objective is plainly missed.
const MANY_MISSES: f64 = 0.3;

/// The share of misses above which an objective that allows `allowed` is plainly missed.
pub(super) fn many_misses(allowed: f64) -> f64 {
    allowed + MANY_MISSES * (1.0 - allowed)
}

/// Whether an objective is missed so often, by one that `least` requests decided, that nothing needs to be weighed.
#[must_use]
pub fn is_plain(question: &Question, counts: &[Count], least: u64) -> bool {
    counts.iter().zip(question.demands()).any(|(count, demand)| {
        let allowed = demand.allowed();
        count.decided >= least && count.share() > many_misses(allowed)
    })
}

/// The misses of one objective in one probe, in effective requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weighed {
    /// Where the probe stands on its axis.
    pub(super) level: f64,
    /// Misses, and requests for which that is known.
    pub(super) misses: f64,
    pub(super) decided: f64,
    /// The window was played to its end: the share is not that of its worst moment.
    pub(super) is_whole: bool,
}

impl Weighed {
    /// The share of misses.
    pub(super) fn share(&self) -> f64 {
        self.misses / self.decided
    }
}

/// Where the axis ends, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// The service completes this many requests per second when it is given more; of closed loops, an objective is
    /// plainly missed here.
    Reached(f64),
    /// It kept up with this, the most that may be sent; of closed loops, the most that was tried so far.
    Above(f64),
    /// It refuses requests when it is given more than it takes, so that it cannot be saturated; unloaded it completes
    /// this many per second, one after the other.
    Refuses(f64),
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Its window was played to the end.
    Full,
    /// Its window was closed early, at the end of a block. No longer done; results of earlier versions have it.
    Decided,
    /// So many missed that the rest of the window could not have mended it, or the backlog grew beyond doubt: the
    /// window was cut. Its misses are then counted against the whole window: at least so many of it missed.
    Overloaded,
}

/// One probe at a level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Its load.
    #[serde(flatten)]
    pub level: Level,
    /// One for each demand, in order.
    pub counts: Vec<Count>,
    /// Mean time in the system of the requests that ended, in seconds.
    pub time_in_system_s: f64,
    /// Requests completed per second of its window, where known.
    #[serde(default)]
    pub completed_per_s: Option<f64>,
    /// How the number in flight grew over its window, where known.
    #[serde(default)]
    pub growth: Option<Growth>,
    /// Episodes of crowding, where known.
    #[serde(default)]
    pub crowded: Option<Episodes>,
    /// Times of requests that found the service calm, where known.
    #[serde(default)]
    pub calm: Calm,
    /// How it ended.
    pub end: End,
    /// What it took.
    pub spent: Spent,
}

impl Probe {
    /// One at `level` that ended so, of which nothing is known yet.
    #[must_use]
    pub const fn new(level: Level, end: End) -> Self {
        Self {
            level,
            counts: Vec::new(),
            time_in_system_s: 0.0,
            completed_per_s: None,
            growth: None,
            crowded: None,
            calm: Calm { count: 0, in_flight: 0, sum_s: 0.0, squares: 0.0, longest_s: 0.0 },
            end,
            spent: Spent { requests: 0, seconds: 0.0 },
        }
    }
}

/// A measurement of the saturated service.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// Requests in flight of the closed loop.
    pub in_flight: u32,
    /// Requests that completed while it was measured.
    pub completions: u64,
    /// The same again when the probes had an answer, in requests per second; none before that.
    pub again_per_s: Option<f64>,
}

/// Completions of the second measurement of the saturated service: it is to show a change, not to measure anew.
const AGAIN: u64 = 600;
/// Standard errors by which both measurements of the saturated service may differ, and the least difference of their
/// logarithms that is called a change.
const CAPACITY_APART: f64 = 4.0;
const LEAST_CAPACITY_CHANGE: f64 = 0.15;

/// Everything tried so far. A probe whose generator was unhealthy does not belong here.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    /// The unloaded service: one request at a time, or nearly.
    pub floor: Option<Vec<Count>>,
    /// The saturated service, in requests per second; none of closed loops, of which the probes tell it.
    pub capacity: Option<Capacity>,
    /// Probes in order of time.
    pub probes: Vec<Probe>,
    /// Squared coefficient of variation of the times that the unloaded service takes, where known.
    #[serde(default)]
    pub unloaded_cv2: Option<f64>,
    /// How the saturated service was measured, where it was.
    #[serde(default)]
    pub saturation: Option<Saturation>,
    /// What the first two steps took, and what unhealthy probes did.
    pub overhead: Spent,
}

/// A rate that is carried so many times above what the saturated service completes refutes that as a wall.
const BEYOND_SATURATION: f64 = 1.1;
/// The number in flight of a steady window grows by no more than so many standard errors.
const STEADY: f64 = 2.0;
/// The longest of n exponential times exceeds ln n + this times their mean with probability e^−this, one in 90.
const HEAVY: f64 = 4.5;
/// Requests that tell whether an objective is plainly missed.
const FEW: u64 = 30;

impl History {
    /// Where the axis of `question` ends: of rates the saturated service, unless it refuses or a probe was carried
    /// well above that. Elsewhere the lowest level at which an objective was plainly missed, and before there is one
    /// the highest at which none was. That is first one in flight, the floor, and half of a trace's full scale.
    #[must_use]
    pub fn end(&self, question: &Question) -> Option<Capacity> {
        let first = match (question.over(), question.pass()) {
            (Axis::Rate, _) => match self.capacity? {
                Capacity::Reached(per_s) => match self.carried_beyond(question, per_s) {
                    Some(carried) => carried,
                    None => return self.capacity,
                },
                Capacity::Refuses(per_s) => per_s,
                Capacity::Above(_) => return self.capacity,
            },
            (Axis::TimeScale, Some(pass)) => self.full_scale(pass)? / 2.0,
            (Axis::Concurrency | Axis::TimeScale, _) => 1.0,
        };
        let is_missed = |probe: &&Probe| probe.end == End::Overloaded || is_plain(question, &probe.counts, FEW);
        let level = |probe: &Probe| probe.level.value();
        let missed = self.probes.iter().filter(is_missed).map(level).filter(|level| *level > first).reduce(f64::min);
        let most = || self.probes.iter().filter(|probe| !is_missed(probe)).map(level).fold(first, f64::max);
        Some(missed.map_or_else(|| Capacity::Above(most()), Capacity::Reached))
    }

    /// Whether the end of the axis is a wall.
    pub(super) fn shape(&self, question: &Question) -> Shape {
        let has_wall = match self.capacity {
            Some(Capacity::Reached(per_s)) => self.carried_beyond(question, per_s).is_none(),
            Some(Capacity::Above(_)) | None => true,
            Some(Capacity::Refuses(_)) => false,
        };
        if question.over() == Axis::Rate && has_wall { Shape::Wall } else { Shape::Open }
    }

    /// The highest rate that was carried, where that is well beyond what the saturated service completes.
    fn carried_beyond(&self, question: &Question, per_s: f64) -> Option<f64> {
        self.most_carried(question).filter(|carried| *carried > BEYOND_SATURATION * per_s)
    }

    /// The highest rate at which a whole window was played whose number in flight did not grow, and in which no
    /// objective was plainly missed.
    fn most_carried(&self, question: &Question) -> Option<f64> {
        let is_steady = |probe: &&Probe| {
            let grows = probe.growth.is_none_or(|growth| growth.exceeds(STEADY));
            probe.end != End::Overloaded && !grows && !is_plain(question, &probe.counts, FEW)
        };
        self.probes.iter().filter(is_steady).map(|probe| probe.level.value()).reduce(f64::max)
    }

    /// The scale at which a trace asks in the mean for all that the saturated service completes.
    pub(super) fn full_scale(&self, pass: &Pass) -> Option<f64> {
        let (Capacity::Reached(per_s) | Capacity::Above(per_s) | Capacity::Refuses(per_s)) = self.capacity?;
        Some(per_s / pass.mean_per_s(1.0))
    }

    /// Whether the times of the service itself have a heavy tail: rare long requests then make episodes of misses
    /// that few probes show.
    #[must_use]
    pub fn is_heavy_tailed(&self) -> bool {
        let all = self.probes.iter().map(|probe| probe.calm.count).sum();
        self.probes.iter().any(|probe| probe.calm.excess(all) > HEAVY)
    }

    /// The misses of objective number `place` in the probes that decided some, in order of their levels, φ by `phi`
    /// at a level.
    pub(super) fn weighed(&self, place: usize, phi: impl Fn(f64) -> f64) -> Vec<Weighed> {
        let of = |probe: &Probe| {
            let count = probe.counts.get(place).filter(|count| count.decided > 0)?;
            let level = probe.level.value();
            let phi = phi(level);
            let (misses, decided) = (count.misses as f64 / phi, count.decided as f64 / phi);
            Some(Weighed { level, misses, decided, is_whole: probe.end != End::Overloaded })
        };
        let mut weighed: Vec<Weighed> = self.probes.iter().filter_map(of).collect();
        weighed.sort_by(|one, other| one.level.total_cmp(&other.level));
        weighed
    }

    /// The closed loop that measures the saturated service again: requests in flight, and completions wanted. None
    /// where the first did not saturate it, or that is done.
    #[must_use]
    pub fn saturate_again(&self) -> Option<(u32, u64)> {
        let Some(Capacity::Reached(_)) = self.capacity else { return None };
        self.saturation
            .filter(|first| first.again_per_s.is_none())
            .map(|first| (first.in_flight, first.completions.min(AGAIN)))
    }

    /// Takes the second measurement of the saturated service: one that completes more than at first had not warmed
    /// up, and what it completes now is its capacity.
    pub fn saturated_again(&mut self, per_s: f64) {
        if let (Some(Capacity::Reached(first_per_s)), Some(saturation)) = (self.capacity, self.saturation.as_mut()) {
            saturation.again_per_s = Some(per_s);
            if self.capacity_change(first_per_s).is_some_and(|change| change > 0.0) {
                self.capacity = Some(Capacity::Reached(per_s));
            }
        }
    }

    /// Whether the service completes less when saturated than it did at first.
    pub(super) fn has_lost_capacity(&self) -> bool {
        let Some(Capacity::Reached(first_per_s)) = self.capacity else { return false };
        self.capacity_change(first_per_s).is_some_and(|change| change < 0.0)
    }

    /// The logarithm of what the saturated service completes now over what it did, where that is more than chance:
    /// completions of a renewal process vary by the squared coefficient of variation of the service's times.
    fn capacity_change(&self, first_per_s: f64) -> Option<f64> {
        let saturation = self.saturation?;
        let change = libm::log(saturation.again_per_s? / first_per_s);
        let counts = [saturation.completions, saturation.completions.min(AGAIN)];
        let per_request = counts.iter().map(|count| 1.0 / (*count as f64).max(1.0)).sum::<f64>();
        let error = libm::sqrt(self.unloaded_cv2.unwrap_or(1.0).max(0.25) * per_request);
        (libm::fabs(change) > (CAPACITY_APART * error).max(LEAST_CAPACITY_CHANGE)).then_some(change)
    }

    /// Everything spent.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.probes.iter().fold(self.overhead, |sum, probe| sum.plus(probe.spent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_completes_less_than_at_first_has_lost_capacity_and_one_that_completes_more_has_warmed_up() {
        for (again_per_s, capacity_per_s, is_lost) in
            [(9.5, 10.0, false), (10.9, 10.0, false), (7.5, 10.0, true), (14.0, 14.0, false)]
        {
            let saturation = Some(Saturation { in_flight: 64, completions: 3_000, again_per_s: None });
            let mut history = History { capacity: Some(Capacity::Reached(10.0)), saturation, ..History::default() };
            assert_eq!(history.saturate_again(), Some((64, AGAIN)));
            history.saturated_again(again_per_s);
            assert_eq!(history.capacity, Some(Capacity::Reached(capacity_per_s)), "{again_per_s}");
            assert_eq!((history.has_lost_capacity(), history.saturate_again()), (is_lost, None), "{again_per_s}");
        }
    }
}
