//! Owns the thresholds of the alarms that stop a probe early, from what is known of the service.

use crate::play::{BacklogAlarm, MissAlarm, Signs};
use crate::search::step::evidence::many_misses;
use crate::search::step::{Count, Order, Picture, Question};

/// Log likelihood ratio against the allowed share, divided by φ, above which a probe is stopped: odds of 400 to 1.
const BEYOND_DOUBT: f64 = 6.0;
/// The number in flight must grow by more than this many standard errors for a certain backlog.
const GROWING: f64 = 5.0;
/// Completions must be fewer than arrivals by this part of the resolution of the probe, as a share of the arrivals.
const SHORT: f64 = 0.5;

/// Why a probe is stopped early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// The objective would be missed beyond doubt even if no further request missed it.
    Misses,
    /// The number in flight grows beyond doubt, and completions are fewer than arrivals: the service does not keep
    /// up with this rate.
    Backlog,
}

/// The alarm that stops the probe of `order` after these counts, if any; its window will hold `planned` requests.
#[must_use]
pub fn alarm(
    question: &Question,
    picture: &Picture,
    order: &Order,
    counts: &[Count],
    planned: u64,
    signs: &Signs,
) -> Option<Alarm> {
    let refutes = |(demand, count): (usize, &Count)| {
        miss_alarm(question, picture, order, [demand, demand]).refutes(count.misses, count.decided, planned)
    };
    if counts.iter().enumerate().any(refutes) {
        return Some(Alarm::Misses);
    }
    backlog_alarm(question, order).is_raised(signs).then_some(Alarm::Backlog)
}

/// The alarm over the misses of demand number `demand`, which is objective number `place`.
pub(in crate::search) fn miss_alarm(
    question: &Question,
    picture: &Picture,
    order: &Order,
    [demand, place]: [usize; 2],
) -> MissAlarm {
    let allowed = question.demands()[demand].allowed();
    let phi = picture.phi(question, demand, order.level.value());
    MissAlarm { place, allowed, plain: many_misses(allowed), phi, threshold: BEYOND_DOUBT }
}

/// The alarm over the number in flight.
pub(in crate::search) fn backlog_alarm(question: &Question, order: &Order) -> BacklogAlarm {
    BacklogAlarm { growing: GROWING, short: SHORT * order.resolution * question.turns().shown() }
}
