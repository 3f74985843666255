//! Owns what is known of the highest rate that the service keeps up with: every search over rates demands
//! stability.
//!
//! In a probe at rate r the number in flight grows by max(0, r − C) requests per second, with a standard error that
//! the probe itself shows. C is the capacity: the highest rate that the service keeps up with. The throughput of
//! the saturated service is only a prior of C: a service that collapses, warms up or refuses requests completes
//! less or more than one that keeps up.

use crate::search::Axis;
use crate::search::step::{Capacity, End, History, Probe, Question};

/// Relative spread of the prior of C around the throughput of the saturated service. The prior has the heavy tails
/// of a Cauchy distribution.
const SATURATED_SPREAD: f64 = 0.08;
/// Number of points of the grid, and the factor by which it extends beyond the levels asked for.
const POINTS: usize = 241;
const BEYOND: f64 = 3.0;
/// Largest weight of one probe, as a log likelihood ratio: both arrivals and service times may have been unlucky.
const MOST_OF_ONE: f64 = 12.0;

/// P(the service keeps up with more than a level) at each of `levels` (logarithms, rising). It is 1 for closed
/// loops and traces, which have no stability limit.
pub(super) fn carried(question: &Question, history: &History, end: f64, levels: &[f64]) -> Vec<f64> {
    if question.over() != Axis::Rate {
        return vec![1.0; levels.len()];
    }
    let (Some(first), Some(last)) = (levels.first(), levels.last()) else { return Vec::new() };
    let (from, until) = (first - libm::log(2.0), last.max(libm::log(end)) + libm::log(BEYOND));
    let place = |point: usize| from + (until - from) * point as f64 / (POINTS - 1) as f64;
    let logs: Vec<f64> = (0..POINTS).map(|point| log_weight(history, place(point))).collect();
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

fn log_weight(history: &History, capacity: f64) -> f64 {
    let prior = match history.capacity {
        Some(Capacity::Reached(per_s)) => {
            let off = (capacity - libm::log(per_s)) / SATURATED_SPREAD;
            -libm::log(1.0 + off * off)
        }
        Some(Capacity::Above(_) | Capacity::Refuses(_)) | None => 0.0,
    };
    prior + history.probes.iter().map(|probe| of_probe(probe, libm::exp(capacity))).sum::<f64>()
}

fn of_probe(probe: &Probe, capacity: f64) -> f64 {
    let level = probe.level.value();
    match probe.growth {
        Some(growth) if growth.error_per_s > 0.0 => {
            let off = (growth.per_s - (level - capacity).max(0.0)) / growth.error_per_s;
            // A falling number in flight is no more evidence than a constant one.
            let off = if growth.per_s < 0.0 && capacity >= level { 0.0 } else { off };
            -(off * off / 2.0).min(MOST_OF_ONE)
        }
        // Results of earlier versions: an overload is evidence against its rate.
        _ if probe.end == End::Overloaded && capacity > level => -2.0,
        _ => 0.0,
    }
}
