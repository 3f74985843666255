//! Owns `History`: the evidence so far, whichever player measured it.

use serde::{Deserialize, Serialize};

use crate::play::Growth;
use crate::search::step::curve::Shape;
use crate::search::step::{Calm, Clusters, Episodes, Question, Spent};
use crate::search::{Axis, Level, Pass};

/// Growth of the number in flight over the window of a probe, in standard errors, beyond which it leaves a backlog.
const LEFT: f64 = 1.0;

/// Misses of one objective in one probe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Requests that missed the objective: failed, shed, timed out, or beyond the limit.
    pub misses: u64,
    /// Requests for which it is known whether they missed.
    pub decided: u64,
    /// How the misses cluster; `None` without misses.
    pub clusters: Option<Clusters>,
}

impl Count {
    /// The share of misses; 0 if nothing is decided.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.decided == 0 { 0.0 } else { self.misses as f64 / self.decided as f64 }
    }
}

/// An objective is clearly missed if the share of misses exceeds the allowed one by this part of the remaining
/// share.
const MANY_MISSES: f64 = 0.3;

/// The share of misses above which an objective that allows `allowed` is clearly missed.
pub(super) fn many_misses(allowed: f64) -> f64 {
    allowed + MANY_MISSES * (1.0 - allowed)
}

/// Whether an objective with at least `least` decided requests is clearly missed, so that no statistics are needed.
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
    /// The level of the probe.
    pub(super) level: f64,
    /// Misses and decided requests, in effective requests.
    pub(super) misses: f64,
    pub(super) decided: f64,
    /// Whether the window ran to its end. If not, the share is that of its worst moment.
    pub(super) is_whole: bool,
}

impl Weighed {
    /// The share of misses.
    pub(super) fn share(&self) -> f64 {
        self.misses / self.decided
    }
}

/// The end of the axis, in its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// The service completes this many requests per second under overload; in a search over sessions, this many
    /// sessions per second: the requests ÷ the mean number of turns. For closed loops: an objective is
    /// clearly missed at this level.
    Reached(f64),
    /// The service kept up with this rate, the highest that may be sent. For closed loops: the highest level tried
    /// so far.
    Above(f64),
    /// The service refuses requests under overload, so it cannot be saturated. Unloaded it completes this many
    /// requests per second, one at a time.
    Refuses(f64),
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The window ran to its end.
    Full,
    /// The window was closed early, at the end of a block. This is no longer done, but results of earlier versions
    /// have it.
    Decided,
    /// The probe was stopped early: the rest of the window could not have changed the result, or the backlog grew
    /// beyond doubt. Its misses are counted against the whole window, as a lower bound of the misses.
    Overloaded,
}

/// One probe at a level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The level of the probe's load.
    #[serde(flatten)]
    pub level: Level,
    /// The counts of each demand, in order.
    pub counts: Vec<Count>,
    /// Mean time in the system of the requests that ended, in seconds.
    pub time_in_system_s: f64,
    /// Requests completed per second of the window, if known.
    #[serde(default)]
    pub completed_per_s: Option<f64>,
    /// How the number in flight grew over the window, if known.
    #[serde(default)]
    pub growth: Option<Growth>,
    /// Episodes of crowding, if known.
    #[serde(default)]
    pub crowded: Option<Episodes>,
    /// Times of requests that found the service calm, if known.
    #[serde(default)]
    pub calm: Calm,
    /// How the probe ended.
    pub end: End,
    /// Requests and time that the probe took.
    pub spent: Spent,
}

impl Probe {
    /// A probe at `level` with this end, and nothing else known yet.
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

    /// Whether requests of the probe would delay those of the next one for long: the player then waits for them first.
    /// Without the wait, the next probe would count misses that this one caused.
    #[must_use]
    pub fn leaves_a_backlog(&self) -> bool {
        self.end == End::Overloaded || self.growth.is_some_and(|growth| growth.exceeds(LEFT))
    }
}

/// A measurement of the saturated service.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// Requests in flight of the closed loop.
    pub in_flight: u32,
    /// Requests that completed while it was measured.
    pub completions: u64,
    /// The result of the repeated measurement, when the probes had an answer, in the unit of the capacity; `None`
    /// before.
    pub again_per_s: Option<f64>,
}

/// Completions of the repeated measurement of the saturated service. It only has to show a change.
const AGAIN: u64 = 600;
/// The two measurements of the saturated service differ if they are more than this many standard errors apart, and
/// if their logarithms differ by more than the least change.
const CAPACITY_APART: f64 = 4.0;
const LEAST_CAPACITY_CHANGE: f64 = 0.15;

/// All evidence so far. Probes with an unhealthy generator are not included.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    /// The counts of the unloaded service, with one request at a time or nearly so.
    pub floor: Option<Vec<Count>>,
    /// The capacity by the saturated service, in requests or sessions per second; `None` for closed loops, whose probes
    /// show it.
    pub capacity: Option<Capacity>,
    /// The probes, in order of time.
    pub probes: Vec<Probe>,
    /// Squared coefficient of variation of the times in the unloaded service, if known.
    #[serde(default)]
    pub unloaded_cv2: Option<f64>,
    /// How the saturated service was measured, if it was.
    #[serde(default)]
    pub saturation: Option<Saturation>,
    /// Requests and time of the first two steps and of unhealthy probes.
    pub overhead: Spent,
}

/// If the service keeps up with a rate this many times the throughput of the saturated service, that throughput is
/// not a wall.
const BEYOND_SATURATION: f64 = 1.1;
/// In a steady window, the number in flight grows by at most this many standard errors.
const STEADY: f64 = 2.0;
/// The longest of n exponential times exceeds (ln n + this number) times their mean with probability e^−this, one
/// in 90.
const HEAVY: f64 = 4.5;
/// Number of requests that show whether an objective is clearly missed.
const FEW: u64 = 30;

impl History {
    /// The end of the axis of `question`. For rates it is the throughput of the saturated service, unless the
    /// service refuses requests or kept up with a rate well above that. Otherwise it is the lowest level at which
    /// an objective was clearly missed. Before there is such a level, it is the highest level at which none was, at
    /// first one request in flight (the floor), or half of a trace's full scale.
    #[must_use]
    pub fn end(&self, question: &Question) -> Option<Capacity> {
        let first = match (question.over(), question.pass()) {
            (Axis::Rate | Axis::Sessions, _) => match self.capacity? {
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

    /// The shape of the axis: whether its end is a wall.
    pub(super) fn shape(&self, question: &Question) -> Shape {
        let has_wall = match self.capacity {
            Some(Capacity::Reached(per_s)) => self.carried_beyond(question, per_s).is_none(),
            Some(Capacity::Above(_)) | None => true,
            Some(Capacity::Refuses(_)) => false,
        };
        if question.over().is_open() && has_wall { Shape::Wall } else { Shape::Open }
    }

    /// The highest rate with which the service kept up, if it is well above the throughput of the saturated
    /// service.
    fn carried_beyond(&self, question: &Question, per_s: f64) -> Option<f64> {
        self.most_carried(question).filter(|carried| *carried > BEYOND_SATURATION * per_s)
    }

    /// The highest rate whose window was not cut short, without growth of the number in flight, and without a
    /// clearly missed objective.
    fn most_carried(&self, question: &Question) -> Option<f64> {
        let is_steady = |probe: &&Probe| {
            let grows = probe.growth.is_none_or(|growth| growth.exceeds(STEADY));
            probe.end != End::Overloaded && !grows && !is_plain(question, &probe.counts, FEW)
        };
        self.probes.iter().filter(is_steady).map(|probe| probe.level.value()).reduce(f64::max)
    }

    /// The time scale at which the mean rate of the trace equals the throughput of the saturated service.
    pub(super) fn full_scale(&self, pass: &Pass) -> Option<f64> {
        let (Capacity::Reached(per_s) | Capacity::Above(per_s) | Capacity::Refuses(per_s)) = self.capacity?;
        Some(per_s / pass.mean_per_s(1.0))
    }

    /// Whether the service times have a heavy tail. Rare long requests then cause episodes of misses that few
    /// probes show.
    #[must_use]
    pub fn is_heavy_tailed(&self) -> bool {
        let all = self.probes.iter().map(|probe| probe.calm.count).sum();
        self.probes.iter().any(|probe| probe.calm.excess(all) > HEAVY)
    }

    /// The misses of objective number `place` in the probes that decided some, in order of their levels; `phi`
    /// gives φ at a level.
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

    /// The closed loop that measures the saturated service again: requests in flight, and completions wanted.
    /// `None` if the first loop did not saturate the service, or if this is done.
    #[must_use]
    pub fn saturate_again(&self) -> Option<(u32, u64)> {
        let Some(Capacity::Reached(_)) = self.capacity else { return None };
        self.saturation
            .filter(|first| first.again_per_s.is_none())
            .map(|first| (first.in_flight, first.completions.min(AGAIN)))
    }

    /// Takes the repeated measurement of the saturated service. If it is higher than the first, the service had not
    /// warmed up, and the new value is its capacity.
    pub fn saturated_again(&mut self, per_s: f64) {
        if let (Some(Capacity::Reached(first_per_s)), Some(saturation)) = (self.capacity, self.saturation.as_mut()) {
            saturation.again_per_s = Some(per_s);
            if self.capacity_change(first_per_s).is_some_and(|change| change > 0.0) {
                self.capacity = Some(Capacity::Reached(per_s));
            }
        }
    }

    /// Whether the saturated service now completes fewer requests per second than at first.
    pub(super) fn has_lost_capacity(&self) -> bool {
        let Some(Capacity::Reached(first_per_s)) = self.capacity else { return false };
        self.capacity_change(first_per_s).is_some_and(|change| change < 0.0)
    }

    /// The logarithm of the second throughput of the saturated service ÷ the first; `None` if it may be chance. The
    /// variance of completions of a renewal process is proportional to the squared coefficient of variation of the
    /// service times.
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
