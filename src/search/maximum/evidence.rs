//! Owns what the requests of a load tell the step: misses and their clusters, time in the system, requests and time
//! spent.

use crate::metrics::{Came, Sequence};
use crate::search::Level;
use crate::search::maximum::{Aim, Asked};
use crate::search::step::{
    Calm, Clusters, Count, End, Order, Probe, Seen, Spent, clusters, clusters_in_rounds, crowding,
};
use crate::units::Offset;

/// The misses of each demand by `now`.
pub(super) fn counts_of(aim: &Aim, sequence: &Sequence, now: Offset) -> Vec<Count> {
    let of = |place: usize| {
        let toll = sequence.toll(place, now);
        Count { misses: toll.misses, decided: toll.decided, clusters: None }
    };
    aim.asked().iter().map(|asked| of(asked.place)).collect()
}

/// The misses of each demand among the requests that were followed to their end. A budget cuts off the last
/// requests of a slow service, which says nothing about them.
pub(super) fn decided_of(aim: &Aim, sequence: &Sequence, now: Offset) -> Vec<Count> {
    let of = |place: usize| {
        let toll = sequence.toll(place, now);
        Count { misses: toll.misses.saturating_sub(toll.cut_off), decided: toll.decided - toll.cut_off, clusters: None }
    };
    aim.asked().iter().map(|asked| of(asked.place)).collect()
}

/// How the misses of each demand cluster at `level`.
fn clusters_of(aim: &Aim, level: Level, order: &[Came]) -> Vec<Option<Clusters>> {
    let of = |asked: &Asked| {
        let seen = |came: &Came| came.missed(asked.place).map(|missed| Seen { missed, in_flight: came.in_flight });
        let seen: Vec<Seen> = order.iter().filter_map(seen).collect();
        match level {
            Level::RatePerS(_) | Level::SessionsPerS(_) | Level::TimeScale(_) => clusters(&seen),
            Level::Concurrency(in_flight) => clusters_in_rounds(&seen, in_flight),
        }
    };
    aim.asked().iter().map(of).collect()
}

/// The probe of `order`, with this `end` at `until`. By then it had sent `requests`; its whole window would have
/// held `planned` requests.
pub(super) fn probe_of(
    aim: &Aim,
    order: &Order,
    end: End,
    sequence: &Sequence,
    until: Offset,
    [requests, planned]: [u64; 2],
) -> Probe {
    let came = sequence.in_order();
    let counts = counts_of(aim, sequence, until).into_iter().zip(clusters_of(aim, order.level, &came));
    let has_missed = |came: &Came| aim.asked().iter().any(|asked| came.missed(asked.place) == Some(true));
    let seen: Vec<Seen> =
        came.iter().map(|came| Seen { missed: has_missed(came), in_flight: came.in_flight }).collect();
    let is_open = order.level.rate_per_s().is_some();
    // In a window that was cut short, requests not sent are assumed to meet every objective.
    let all = if end == End::Overloaded { planned } else { 0 };
    Probe {
        level: order.level,
        counts: counts.map(|(count, clusters)| Count { decided: count.decided.max(all), clusters, ..count }).collect(),
        time_in_system_s: sequence.time_in_system_s(),
        completed_per_s: None,
        growth: None,
        crowded: if is_open { crowding(&seen) } else { None },
        calm: if is_open { Calm::of(&seen, came.iter().map(Came::in_system_s)) } else { Calm::default() },
        end,
        spent: Spent { requests, seconds: until.as_secs() },
    }
}

/// Requests that the whole window of `order` would hold; 0 for closed loops, where this is not known beforehand.
pub(super) fn planned(aim: &Aim, order: &Order) -> u64 {
    match (aim.question.pass(), order.level) {
        (Some(pass), _) => pass.requests(),
        (None, Level::RatePerS(_) | Level::SessionsPerS(_)) => {
            (aim.question.requests_per_s(order.level) * order.window_s) as u64
        }
        (None, Level::Concurrency(_) | Level::TimeScale(_)) => 0,
    }
}
