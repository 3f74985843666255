//! Owns what is known of the highest rate that the service keeps up with: every search over rates demands
//! stability.
//!
//! In a probe at rate r the number in flight grows by max(0, r − C) requests per second, with a standard error that
//! the probe itself shows; in a load of sessions it grows more slowly
//! ([`shown`](crate::workload::TurnMoments::shown)). C is the capacity: the highest rate that the service keeps up
//! with. The throughput of the saturated service is only a prior of C: a service that collapses, warms up or refuses
//! requests completes less or more than one that keeps up.

use statrs::distribution::{Continuous, ContinuousCDF, Normal};

use crate::search::step::{Capacity, End, History, Probe, Question};

/// Relative spread of the prior of C around the throughput of the saturated service. The prior has the heavy tails
/// of a Cauchy distribution.
const SATURATED_SPREAD: f64 = 0.08;
/// Number of points of the grid, and the factor by which it extends beyond the levels asked for.
const POINTS: usize = 241;
const BEYOND: f64 = 3.0;
/// Largest weight of one probe, as a log likelihood ratio: both arrivals and service times may have been unlucky.
const MOST_OF_ONE: f64 = 12.0;
/// The part of the windows that begins with as few requests in flight as the service ever holds. After a discard of 0.3
/// to 0.7 windows from there, a walk without drift grows by 0.3 standard errors on average; from the beginning it would
/// be √(2/π) = 0.8.
const REFLECTED: f64 = 0.37;
/// Beyond this many standard errors, Φ(−a) ÷ φ(a) is 1/a to within 3 %.
const FAR: f64 = 6.0;

/// P(the service keeps up with more than a level) at each of `levels` (logarithms, rising). It is 1 for closed
/// loops and traces, which have no stability limit.
pub(super) fn carried(question: &Question, history: &History, end: f64, levels: &[f64]) -> Vec<f64> {
    if !question.over().is_open() {
        return vec![1.0; levels.len()];
    }
    let (Some(first), Some(last)) = (levels.first(), levels.last()) else { return Vec::new() };
    let (from, until) = (first - libm::log(2.0), last.max(libm::log(end)) + libm::log(BEYOND));
    let place = |point: usize| from + (until - from) * point as f64 / (POINTS - 1) as f64;
    let grows = question.requests_each() * question.turns().shown();
    let logs: Vec<f64> = (0..POINTS).map(|point| log_weight(history, place(point), grows)).collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logs.iter().map(|log| libm::exp(log - most)).collect();
    let total: f64 = weights.iter().sum();
    let beyond = |level: f64| {
        // Each point represents the cell around it.
        let at = (level - from) / (until - from) * (POINTS - 1) as f64 + 0.5;
        let cell = (at.max(0.0) as usize).min(POINTS - 1);
        let part = (at - cell as f64).clamp(0.0, 1.0);
        let after: f64 = weights[cell + 1..].iter().sum();
        ((after + (1.0 - part) * weights[cell]) / total).clamp(0.0, 1.0)
    };
    levels.iter().map(|level| beyond(*level)).collect()
}

fn log_weight(history: &History, capacity: f64, grows: f64) -> f64 {
    let prior = match history.capacity {
        Some(Capacity::Reached(per_s)) => {
            let off = (capacity - libm::log(per_s)) / SATURATED_SPREAD;
            -libm::log(1.0 + off * off)
        }
        Some(Capacity::Above(_) | Capacity::Refuses(_)) | None => 0.0,
    };
    prior + history.probes.iter().map(|probe| of_probe(probe, libm::exp(capacity), grows)).sum::<f64>()
}

fn of_probe(probe: &Probe, capacity: f64, grows: f64) -> f64 {
    let level = probe.level.value();
    match probe.growth {
        Some(growth) if growth.error_per_s > 0.0 => {
            let seen = growth.per_s / growth.error_per_s;
            log_likelihood(seen, grows * (level - capacity).max(0.0) / growth.error_per_s).max(-MOST_OF_ONE)
        }
        // Results of earlier versions: an overload is evidence against its rate.
        _ if probe.end == End::Overloaded && capacity > level => -2.0,
        _ => 0.0,
    }
}

/// The log likelihood of the growth `seen` if `expected` grows, both in standard errors, up to a constant.
///
/// The number in flight is a random walk that cannot fall below what the service holds in any case. A window that
/// begins there sees it grow, even if the service just keeps up. The density of a walk with drift d, reflected where
/// it begins, is 2 φ(x − d) − 2 d e^2dx Φ(−x − d) (Harrison, Brownian Motion and Stochastic Flow Systems, 1985,
/// §1.8); a part [`REFLECTED`] of the windows counts as such.
fn log_likelihood(seen: f64, expected: f64) -> f64 {
    if seen <= 0.0 && expected <= 0.0 {
        // A falling number in flight is no more evidence than a constant one.
        return libm::log(1.0 + REFLECTED);
    }
    let (seen, off) = (seen.max(0.0), seen - expected);
    let apart = seen + expected;
    let normal = Normal::standard();
    // Φ(−a) ÷ φ(a), and its asymptote where both are tiny.
    let tail = if apart > FAR { 1.0 / apart } else { normal.cdf(-apart) / normal.pdf(apart) };
    let reflected = REFLECTED * (1.0 - 2.0 * expected * tail);
    libm::log((1.0 + reflected).max(f64::MIN_POSITIVE)) - off * off / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_growth_says_little_against_a_service_that_keeps_up_and_a_large_one_says_what_a_normal_law_says() {
        let against = |seen: f64| log_likelihood(seen, seen) - log_likelihood(seen, 0.0);
        for (seen, normal) in [(1.0, 0.5), (2.0, 2.0), (6.0, 18.0)] {
            let (low, high) = (normal - libm::log(1.0 + REFLECTED) - 0.01, normal);
            assert!((low..high).contains(&against(seen)), "{seen}: {}", against(seen));
        }
        assert!((log_likelihood(-3.0, 0.0) - log_likelihood(0.0, 0.0)).abs() < 1e-12);
        assert!(log_likelihood(-3.0, 1.0) < log_likelihood(0.0, 1.0), "a fall speaks against an overload");
    }

    #[test]
    fn the_density_of_a_reflected_walk_is_continuous_in_its_drift() {
        for seen in [0.1, 1.0, 3.0] {
            let mut last = log_likelihood(seen, 0.0);
            for step in 1..200 {
                let now = log_likelihood(seen, f64::from(step) / 20.0);
                assert!((now - last).abs() < 0.7, "{seen} at {step}: {last} to {now}");
                last = now;
            }
        }
    }
}
