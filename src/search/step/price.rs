//! Owns the price of an answer: what a search takes, said before it begins.

use crate::search::step::Question;

/// About how many requests a search of `question` takes where the answer lies at `share` of the capacity (0 to 1).
///
/// The iron law (`open_loop_science.md` §0.4): n = 3.84 φ/(α β² δ²), with `φ = 2(c_a² + 1)ρ/(1 − ρ)²` and β = ln(1/α) ρ/(1 − ρ), so that the wall
/// cancels: `n = 7.7 (c_a² + 1)/(α ln²(1/α) ρ δ²)`, δ the precision, never looser than 1 − ρ. What this algorithm takes beyond it
/// (windows, discards, probes away from the answer) and the first two steps are measured: `benches/coverage.rs`.
#[must_use]
pub fn price(question: &Question, share: f64) -> u64 {
    let share = share.clamp(0.01, 0.99);
    let precision = question.precision().min(1.0 - share);
    let of = |allowed: f64| {
        let depth = libm::log(allowed);
        3.84 * 2.0 * (question.arrival_cv2() + 1.0) / (allowed * depth * depth * share * precision * precision)
    };
    let dearest = question.demands().iter().map(|demand| of(demand.allowed())).fold(0.0, f64::max);
    (FIRST_STEPS + BEYOND_THE_LAW * dearest) as u64
}

/// Requests of the floor and the saturation probe.
const FIRST_STEPS: f64 = 3_500.0;
/// Requests taken for each of the law's.
const BEYOND_THE_LAW: f64 = 2.0;
