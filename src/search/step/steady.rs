//! Owns what is known of the highest rate that the service carries at all: stability is a demand of every search over
//! rates.
//!
//! In a probe at rate r the number in flight grows by max(0, r − C) requests per second, give or take a standard
//! error that the probe itself shows; C is the rate that the service carries. The saturated service proposes C and
//! proves nothing: one that collapses, warms or refuses completes less, or more, than one that keeps up.

use crate::search::Axis;
use crate::search::step::{Capacity, End, History, Probe, Question};

/// The saturated service completes C give or take this share, with the heavy tails of a Cauchy law.
const SATURATED_SPREAD: f64 = 0.08;
/// Points of the grid, and how far it reaches beyond the levels asked for.
const POINTS: usize = 241;
const BEYOND: f64 = 3.0;
/// A log likelihood ratio of one probe counts for at most this: arrivals and services may have been unlucky together.
const MOST_OF_ONE: f64 = 12.0;

/// P(the service carries more than a level) at each of `levels` (logarithms, rising). 1 where stability is no
/// question: closed loops and traces.
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
        // Each point stands for the cell around it.
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
            // A number in flight that falls says no more than one that stands still.
            let off = if growth.per_s < 0.0 && capacity >= level { 0.0 } else { off };
            -(off * off / 2.0).min(MOST_OF_ONE)
        }
        // Results of earlier versions: an overload speaks against its rate.
        _ if probe.end == End::Overloaded && capacity > level => -2.0,
        _ => 0.0,
    }
}
