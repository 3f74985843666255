//! Owns the look into a running probe: whether it is decided, or the service overloaded, before its last block.

use crate::search::step::{Count, Order, Picture, Question};

/// Log likelihood ratio, divided by φ, at which a side is decided: odds of 20 to 1.
const DECIDED: f64 = 3.0;
/// Misses beyond the allowed share that raise the alarm, and requests below which none is.
const MANY_MISSES: f64 = 0.3;
const LEAST_DECIDED: u64 = 100;
/// An age that at the answer itself one request in a million would reach raises the alarm: three limits for a p99.
const RARE: f64 = 1e-6;
/// Standard errors by which a backlog has to grow.
const GROWING: f64 = 3.0;

/// What a probe shows beside its misses.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Signs {
    /// For each demand the age of the oldest request that has still to meet it, from its scheduled instant; 0, or nothing at all, where unknown.
    pub oldest_ages_s: Vec<f64>,
    /// Growth of the number in flight over the last half, in requests per second, and its standard error (over blocks of time).
    pub growth_per_s: Option<(f64, f64)>,
    /// Completions ÷ arrivals over the same half.
    pub completed_share: Option<f64>,
}

/// Why a service is taken for overloaded. Any one ends the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// Far more requests miss than are allowed to.
    Misses,
    /// A request is older than any would get at a rate that the service bears.
    Age,
    /// The backlog grows, and completions fall short of arrivals.
    Backlog,
}

/// Whether the service does not bear the load of `order`.
#[must_use]
pub fn alarm(question: &Question, order: &Order, counts: &[Count], signs: &Signs) -> Option<Alarm> {
    if is_plain(question, counts, LEAST_DECIDED) {
        return Some(Alarm::Misses);
    }
    // Tails that decay evenly reach a share of one in a million at this multiple of the limit.
    let too_old = |limit_s: f64, allowed: f64, age_s: f64| age_s > limit_s * libm::log(RARE) / libm::log(allowed);
    let mut ages = question.demands().iter().zip(&signs.oldest_ages_s);
    if ages.any(|(demand, age_s)| demand.limit_s().is_some_and(|limit_s| too_old(limit_s, demand.allowed(), *age_s))) {
        return Some(Alarm::Age);
    }
    let grows = signs.growth_per_s.is_some_and(|(growth, error)| growth > GROWING * error);
    let falls_short = signs.completed_share.is_some_and(|share| share < 1.0 - order.resolution);
    (grows && falls_short).then_some(Alarm::Backlog)
}

/// Whether an objective is missed so often, by one that `least` requests decided, that nothing needs to be weighed.
#[must_use]
pub fn is_plain(question: &Question, counts: &[Count], least: u64) -> bool {
    counts.iter().zip(question.demands()).any(|(count, demand)| {
        let allowed = demand.allowed();
        count.decided >= least && count.share() > allowed + MANY_MISSES * (1.0 - allowed)
    })
}

/// What a probe that goes on should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Play another block, while there are some.
    GoOn,
    /// Every demand is decided, or one is missed for certain.
    Decided,
}

/// Looks at the counts of a probe at the end of a block. For each demand the likelihoods of the shares of misses
/// at an answer δ below and δ above this load are compared, δ the resolution of the probe, and divided by φ.
#[must_use]
pub fn look(question: &Question, picture: &Picture, order: &Order, counts: &[Count]) -> Look {
    let ratio = |place: usize, count: &Count| {
        let allowed = question.demands()[place].allowed();
        let worse = picture.share_of_factor(question, place, 1.0 + order.resolution).min(0.5 + allowed / 2.0);
        let better = picture.share_of_factor(question, place, 1.0 / (1.0 + order.resolution));
        let (misses, decided) = (count.misses as f64, count.decided as f64);
        let log_ratio = misses * libm::log(worse / better) + (decided - misses) * libm::log((1.0 - worse) / (1.0 - better));
        log_ratio / picture.phi(question, place, order.level.value())
    };
    let ratios: Vec<f64> = counts.iter().enumerate().map(|(place, count)| ratio(place, count)).collect();
    let (missed, all) = (ratios.iter().any(|ratio| *ratio > DECIDED), ratios.iter().all(|ratio| ratio.abs() > DECIDED));
    if missed || all { Look::Decided } else { Look::GoOn }
}
