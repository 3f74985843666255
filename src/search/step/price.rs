//! Owns the price of an answer: the requests that a search takes, and the precision that a budget allows, estimated
//! before the search.

use crate::search::step::Question;
use crate::stats::proportion::solve;

/// Requests to measure the unloaded and the saturated service, and to find the neighbourhood of the answer,
/// whatever the objective is.
const FIRST_STEPS: f64 = 4_900.0;
/// Requests to find the neighbourhood of the answer, times the allowed share of misses: 4 000 requests for a p99.
const APPROACH: f64 = 40.0;
/// Factor on the requests of the formula in [`price`], for windows, discards, and probes away from the answer.
const BEYOND_THE_LAW: f64 = 2.1;
/// Requests until enough independent episodes of misses are seen, times the allowed share of misses and divided by
/// φ₀: 14 episodes of φ₀/2 misses, half of which come at rates above the answer.
const OF_EPISODES: f64 = 3.5;
/// A precision costs more if it exceeds the first value times the distance to the wall. The second value is the
/// largest relative increase, reached when the precision equals that distance.
const WALL_FROM: f64 = 0.7;
const WALL: f64 = 1.5;

/// The approximate number of requests that a search of `question` takes if the answer is at `share` of the capacity
/// (0 to 1).
///
/// The formula follows from the delta method on the tail of M/G/1: n = 3.84 φ/(α β² δ²), with
/// `φ = 2(c_a² + 1)ρ/(1 − ρ)²` and β = ln(1/α) ρ/(1 − ρ). The wall cancels:
/// `n = 7.7 (c_a² + 1)/(α ln²(1/α) ρ δ²)`, where δ is the precision, never looser than 1 − ρ. Close to the wall, the
/// episodes that must be seen cost more than that. What this algorithm takes in addition was fitted to M/M/1 and
/// M/D/1. Light-tailed queues and engines take 0.3 to 1.5 times the result. A service with heavy-tailed service times
/// takes 10 to 50 times as much. This is not known beforehand; the search reports it when it sees it.
#[must_use]
pub fn price(question: &Question, share: f64) -> u64 {
    at(question, share, question.precision()) as u64
}

/// The precision that `requests` allow for an answer at `share` of the capacity; `None` if not even a precision of
/// ± 50 % is possible.
#[must_use]
pub fn precision_for(question: &Question, share: f64, requests: u64) -> Option<f64> {
    let affordable = |precision: f64| at(question, share, precision) <= requests as f64;
    affordable(0.5).then(|| solve(|half| !affordable(half / 2.0)) / 2.0)
}

fn at(question: &Question, share: f64, precision: f64) -> f64 {
    let share = share.clamp(0.01, 0.99);
    let asked = precision.max(1e-3);
    let reach = asked / (1.0 - share);
    let precision = asked.min(1.0 - share);
    let of = |allowed: f64| {
        let depth = libm::log(allowed);
        let law = 3.84 * 2.0 * question.variability(1.0) / (allowed * depth * depth * share * precision * precision);
        let wall = 1.0 + WALL * ((reach - WALL_FROM) / (1.0 - WALL_FROM)).clamp(0.0, 1.0);
        let episodes =
            OF_EPISODES * 2.0 * question.variability(1.0) * share / ((1.0 - share) * (1.0 - share)) / allowed;
        APPROACH / allowed + (BEYOND_THE_LAW * wall * law).max(episodes)
    };
    FIRST_STEPS + question.demands().iter().map(|demand| of(demand.allowed())).fold(0.0, f64::max)
}
