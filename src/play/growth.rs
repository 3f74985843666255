//! Owns the growth of the number in flight during a load: its slope, the uncertainty of the slope, and the
//! completions in the same time.

use serde::{Deserialize, Serialize};

use crate::play::counts::LiveCounts;
use crate::units::Offset;

/// How the number in flight grew over a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Growth in requests per second.
    pub per_s: f64,
    /// The standard error of the growth in requests per second, from the steps between stretches of the window.
    pub error_per_s: f64,
}

impl Growth {
    /// Whether the growth exceeds this many standard errors.
    pub(crate) fn exceeds(&self, errors: f64) -> bool {
        self.per_s > errors * self.error_per_s
    }
}

/// How the number in flight develops over the window so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Signs {
    /// Growth of the number in flight, in requests per second, and its standard error; `None` if too few requests
    /// arrived.
    pub growth_per_s: Option<(f64, f64)>,
    /// Settled requests ÷ arrivals in the same time.
    pub completed_share: Option<f64>,
    /// Whether the number in flight grew in nearly every stretch of the window.
    pub is_steady_growth: bool,
}

/// Number of stretches of time from which the standard error of a slope is estimated.
const STRETCHES: usize = 8;
/// Number of stretches of a window from whose steps the growth is estimated.
const STEPS: usize = 16;
/// A slope is significant if it exceeds this many standard errors.
const SURE: f64 = 3.0;
/// Arrivals needed for a shortfall of completions by the share δ to be significant: this number ÷ δ², three
/// standard deviations.
const ARRIVALS: f64 = 18.0;

/// Samples of the number in flight.
#[derive(Debug)]
pub(super) struct Samples {
    every_s: f64,
    taken: Vec<Sample>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    at: Offset,
    in_flight: f64,
    due: u64,
    settled: u64,
}

impl Samples {
    /// No samples yet; the later ones are at least `every_s` seconds apart.
    pub(super) fn each(every_s: f64) -> Self {
        Self { every_s, taken: Vec::new() }
    }

    pub(super) fn add(&mut self, counts: &LiveCounts) {
        if self.taken.last().is_none_or(|last| counts.elapsed.secs_since(last.at) >= self.every_s) {
            let settled = counts.completed + counts.missed;
            self.taken.push(Sample {
                at: counts.elapsed,
                in_flight: counts.in_flight as f64,
                due: counts.due,
                settled,
            });
        }
    }

    /// The samples from `from` until `until`.
    pub(super) fn between(&self, from: Offset, until: Offset) -> Vec<Sample> {
        self.taken.iter().filter(|sample| sample.at >= from && sample.at <= until).copied().collect()
    }

    /// The samples of the last half of the time since `from`.
    pub(super) fn last_half(&self, from: Offset) -> Vec<Sample> {
        let Some(last) = self.taken.last() else { return Vec::new() };
        let middle = Offset::from_nanos(u64::midpoint(from.as_nanos(), last.at.as_nanos().max(from.as_nanos())));
        self.taken.iter().filter(|sample| sample.at >= middle).copied().collect()
    }
}

/// Whether the number in flight rises or falls significantly, and by more than `least_per_s` requests per second.
pub(super) fn trends(samples: &[Sample], least_per_s: f64) -> bool {
    slope(samples).is_some_and(|(growth, error)| libm::fabs(growth) > (SURE * error).max(least_per_s))
}

/// How the number in flight develops over these samples: its slope, the settled share of the arrivals, and whether
/// it grew in all but one of eight stretches. The default if too few requests arrived to show an overload by the
/// share `resolution`.
pub(super) fn signs(samples: &[Sample], resolution: f64) -> Signs {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Signs::default() };
    let (came, settled) = ((last.due - first.due) as f64, (last.settled - first.settled) as f64);
    if came * resolution * resolution < ARRIVALS {
        return Signs::default();
    }
    let grew = increments(samples, STRETCHES)
        .is_some_and(|steps| steps.iter().filter(|step| **step > 0.0).count() + 1 >= STRETCHES);
    Signs { growth_per_s: slope(samples), completed_share: Some(settled / came), is_steady_growth: grew }
}

/// The growth of the number in flight in each of `stretches`; `None` with fewer than two samples in each.
fn increments(samples: &[Sample], stretches: usize) -> Option<Vec<f64>> {
    let each = samples.len().checked_sub(1)? / stretches;
    (each >= 2).then(|| {
        (0..stretches).map(|place| samples[(place + 1) * each].in_flight - samples[place * each].in_flight).collect()
    })
}

/// Growth over these samples and its standard error, from 16 stretches. If the service does not keep up, the number
/// in flight is a random walk with independent steps. If it keeps up, the number in flight returns to its mean, and
/// varies less than its steps suggest.
pub(super) fn growth(samples: &[Sample]) -> Option<Growth> {
    // A window that was cut short has fewer samples: use half as many stretches.
    let steps = increments(samples, STEPS).or_else(|| increments(samples, STEPS / 2))?;
    let (first, last) = (samples.first()?, samples[steps.len() * ((samples.len() - 1) / steps.len())]);
    let seconds = last.at.secs_since(first.at);
    let count = steps.len() as f64;
    let sum: f64 = steps.iter().sum();
    let variance =
        steps.iter().map(|step| step - sum / count).map(|off| off * off).sum::<f64>() * count / (count - 1.0);
    // A count of requests is known to one request.
    (seconds > 0.0).then(|| Growth { per_s: sum / seconds, error_per_s: libm::sqrt(variance.max(1.0)) / seconds })
}

/// The least-squares slope over the means of eight stretches, and its standard error; `None` with fewer than two
/// samples in each.
fn slope(samples: &[Sample]) -> Option<(f64, f64)> {
    let each = samples.len() / STRETCHES;
    if each < 2 {
        return None;
    }
    let mean = |part: &[Sample], of: fn(&Sample) -> f64| part.iter().map(of).sum::<f64>() / part.len() as f64;
    let parts = samples.chunks_exact(each).take(STRETCHES);
    let points: Vec<(f64, f64)> =
        parts.map(|part| (mean(part, |sample| sample.at.as_secs()), mean(part, |sample| sample.in_flight))).collect();
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let sxx: f64 = points.iter().map(|point| (point.0 - x) * (point.0 - x)).sum();
    let sxy: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    if sxx <= 0.0 {
        return None;
    }
    let growth = sxy / sxx;
    let rest: f64 = points.iter().map(|point| point.1 - y - growth * (point.0 - x)).map(|off| off * off).sum();
    Some((growth, libm::sqrt(rest / (count - 2.0) / sxx)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(in_flight: impl Fn(u32) -> f64, completed: impl Fn(u32) -> u64) -> Vec<Sample> {
        let of = |second: u32| Sample {
            at: Offset::from_secs(f64::from(second)),
            in_flight: in_flight(second),
            due: 100 * u64::from(second),
            settled: completed(second),
        };
        (0..64).map(of).collect()
    }

    /// Noise without a trend: 1, −0.5, −0.5, and again.
    fn ripple(second: u32) -> f64 {
        if second.is_multiple_of(3) { 1.0 } else { -0.5 }
    }

    #[test]
    fn a_backlog_that_grows_is_seen_and_a_ripple_is_not() {
        let rising = samples(|second| 10.0 * f64::from(second) + ripple(second), |second| 90 * u64::from(second));
        let seen = signs(&rising, 0.1);
        let (growth_per_s, error) = seen.growth_per_s.unwrap();
        assert!((growth_per_s - 10.0).abs() < 0.1 && error < 0.1, "{growth_per_s} ± {error}");
        assert!(seen.is_steady_growth && (seen.completed_share.unwrap() - 0.9).abs() < 1e-9, "{seen:?}");
        assert!(trends(&rising, 5.0) && !trends(&rising, 11.0));
        let found = growth(&rising).unwrap();
        assert!((found.per_s - 10.0).abs() < 0.3 && found.error_per_s < 0.5, "{found:?}");
        let level = samples(|second| 20.0 + ripple(second), |second| 100 * u64::from(second));
        assert!(!trends(&level, 0.0) && !signs(&level, 0.1).is_steady_growth);
        assert_eq!(signs(&level, 0.02), Signs::default(), "6 300 requests cannot show an overload of 2 %");
        assert!(slope(&level[..15]).is_none() && growth(&level[..15]).is_none(), "too few samples");
    }

    #[test]
    fn the_last_half_begins_in_the_middle_of_what_was_played() {
        let mut taken = Samples::each(1.0);
        for second in 0..=20 {
            let elapsed = Offset::from_secs(f64::from(second) / 2.0);
            taken.add(&LiveCounts { elapsed, ..LiveCounts::default() });
        }
        let seconds = |half: Vec<Sample>| half.iter().map(|sample| sample.at.as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(taken.last_half(Offset::ZERO)), [5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
        assert_eq!(seconds(taken.last_half(Offset::from_secs(8.0))), [9.0, 10.0]);
    }
}
