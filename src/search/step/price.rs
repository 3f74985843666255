//! Owns the price of an answer: what a search takes, and what a budget buys, said before it begins.

use crate::search::step::Question;
use crate::stats::proportion::solve;

/// Requests of the unloaded and the saturated service, and of finding the neighbourhood whatever the objective.
const FIRST_STEPS: f64 = 4_900.0;
/// Requests that find the neighbourhood, for each that may miss: 4 000 for a p99.
const APPROACH: f64 = 40.0;
/// Requests taken for each of the law's: windows, discards, probes beside the answer.
const BEYOND_THE_LAW: f64 = 2.1;
/// Requests taken until enough independent episodes of misses are seen, for each that may miss and each of φ₀: 14
/// episodes of φ₀/2 misses, half of which come at rates above the answer.
const OF_EPISODES: f64 = 3.5;
/// From this share of the distance to the wall on, a precision costs more, up to so much more where it reaches the
/// wall.
const WALL_FROM: f64 = 0.7;
const WALL: f64 = 1.5;

/// About how many requests a search of `question` takes where the answer lies at `share` of the capacity (0 to 1).
///
/// From the delta method on the tail of M/G/1: n = 3.84 φ/(α β² δ²), with `φ = 2(c_a² + 1)ρ/(1 − ρ)²` and β = ln(1/α)
/// ρ/(1 − ρ), so that the wall cancels: `n = 7.7 (c_a² + 1)/(α ln²(1/α) ρ δ²)`, δ the precision, never looser than 1
/// − ρ. Close to the wall the episodes that have to be seen cost more than that. What this algorithm takes beyond
/// both was fitted to M/M/1 and M/D/1; light-tailed queues and engines take 0.3 to 1.5 of it. A service whose own
/// times have a heavy tail takes 10 to 50 times as much, which nobody knows beforehand; the search says so when it
/// sees it.
#[must_use]
pub fn price(question: &Question, share: f64) -> u64 {
    at(question, share, question.precision()) as u64
}

/// The precision that `requests` buy for an answer at `share` of the capacity; `None` where they do not buy ± 50 %.
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
        let law =
            3.84 * 2.0 * (question.arrival_cv2() + 1.0) / (allowed * depth * depth * share * precision * precision);
        let wall = 1.0 + WALL * ((reach - WALL_FROM) / (1.0 - WALL_FROM)).clamp(0.0, 1.0);
        let episodes =
            OF_EPISODES * 2.0 * (question.arrival_cv2() + 1.0) * share / ((1.0 - share) * (1.0 - share)) / allowed;
        APPROACH / allowed + (BEYOND_THE_LAW * wall * law).max(episodes)
    };
    FIRST_STEPS + question.demands().iter().map(|demand| of(demand.allowed())).fold(0.0, f64::max)
}
