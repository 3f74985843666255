//! Owns the numbers of the alarms that cut the window of a probe, by what is known of the service.

use crate::play::{BacklogAlarm, MissAlarm, Signs};
use crate::search::step::evidence::many_misses;
use crate::search::step::{Count, Order, Picture, Question};

/// Log likelihood ratio, divided by φ, against the allowed share at which a window is cut: odds of 400 to 1.
const BEYOND_DOUBT: f64 = 6.0;
/// Standard errors by which the number in flight must grow for a backlog beyond doubt.
const GROWING: f64 = 5.0;
/// Of the resolution of a probe, by how much completions must fall short of arrivals.
const SHORT: f64 = 0.5;

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
    let refutes = |(demand, count): (usize, &Count)| {
        miss_alarm(question, picture, order, [demand, demand]).refutes(count.misses, count.decided, planned)
    };
    if counts.iter().enumerate().any(refutes) {
        return Some(Alarm::Misses);
    }
    backlog_alarm(order).is_raised(signs).then_some(Alarm::Backlog)
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
pub(in crate::search) fn backlog_alarm(order: &Order) -> BacklogAlarm {
    BacklogAlarm { growing: GROWING, short: SHORT * order.resolution }
}
