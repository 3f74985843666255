//! Owns the alarm that cuts the window of a probe: only where the rest of it could not mend what was seen.

use crate::search::step::evidence::many_misses;
use crate::search::step::{Count, Order, Picture, Question};

/// Log likelihood ratio, divided by φ, against the allowed share at which a window is cut: odds of 400 to 1.
const BEYOND_DOUBT: f64 = 6.0;
/// Standard errors by which the number in flight must grow for a backlog beyond doubt.
const GROWING: f64 = 5.0;
/// Of the resolution of a probe, by how much completions must fall short of arrivals.
const SHORT: f64 = 0.5;

/// How the number in flight develops over the window so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Signs {
    /// Growth of the number in flight, in requests per second, and its standard error; none where too few requests
    /// came to tell.
    pub growth_per_s: Option<(f64, f64)>,
    /// Completions ÷ arrivals meanwhile.
    pub completed_share: Option<f64>,
    /// Whether the number in flight grew in nearly every stretch of the window.
    pub is_steady_growth: bool,
}

/// Why a window is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// So many missed that, with none of the others missing, the objective would still be missed beyond doubt.
    Misses,
    /// The number in flight grows beyond doubt, and completions fall short of arrivals: the service does not carry
    /// this rate.
    Backlog,
}

/// Whether the window of `order`, which will hold `planned` requests, is to be cut after these counts.
#[must_use]
pub fn alarm(
    question: &Question,
    picture: &Picture,
    order: &Order,
    counts: &[Count],
    planned: u64,
    signs: &Signs,
) -> Option<Alarm> {
    let refutes = |(place, count): (usize, &Count)| {
        let allowed = question.demands()[place].allowed();
        let whole = count.decided.max(planned) as f64;
        let share = count.misses as f64 / whole;
        // Cutting sooner would cut off the long episodes, which hold most of the misses: of an M/H2/1 queue only half
        // of them would be seen.
        if share < many_misses(allowed) {
            return false;
        }
        let ratio = share * libm::log(share / allowed)
            + (1.0 - share).max(1e-12) * libm::log((1.0 - share).max(1e-12) / (1.0 - allowed));
        whole * ratio / picture.phi(question, place, order.level.value()) > BEYOND_DOUBT
    };
    if counts.iter().enumerate().any(refutes) {
        return Some(Alarm::Misses);
    }
    let grows = signs.is_steady_growth && signs.growth_per_s.is_some_and(|(growth, error)| growth > GROWING * error);
    let falls_short = signs.completed_share.is_some_and(|share| share < 1.0 - SHORT * order.resolution);
    (grows && falls_short).then_some(Alarm::Backlog)
}
