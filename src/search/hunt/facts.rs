//! Owns what the requests of a load say to the step: misses and how they cluster, time in the system, what it took.

use crate::metrics::{Came, Sequence};
use crate::search::Level;
use crate::search::hunt::{Aim, Asked};
use crate::search::step::{
    Calm, Clusters, Count, End, Order, Probe, Seen, Spent, clusters, clusters_in_rounds, crowding,
};
use crate::units::Offset;

/// Misses of each demand by `now`.
pub(super) fn counts_of(aim: &Aim, sequence: &Sequence, now: Offset) -> Vec<Count> {
    let of = |place: usize| {
        let toll = sequence.toll(place, now);
        Count { misses: toll.misses, decided: toll.decided, clusters: None }
    };
    aim.asked().iter().map(|asked| of(asked.place)).collect()
}

/// The same of requests that were followed to their end: a budget cuts off the last of a slow service, which says
/// nothing about it.
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
            Level::RatePerS(_) | Level::TimeScale(_) => clusters(&seen),
            Level::Concurrency(in_flight) => clusters_in_rounds(&seen, in_flight),
        }
    };
    aim.asked().iter().map(of).collect()
}

/// A probe of `order` that ended so at `until`, by when it had sent `requests`; its whole window would have held
/// `planned` requests.
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
    let is_open = matches!(order.level, Level::RatePerS(_));
    // Of a window that was cut, what was not sent any more is taken to have met everything.
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

/// Requests that the whole window of `order` would hold; 0 where that is not known beforehand, in closed loops.
pub(super) fn planned(aim: &Aim, order: &Order) -> u64 {
    match (aim.question.pass(), order.level) {
        (Some(pass), _) => pass.requests(),
        (None, Level::RatePerS(per_s)) => (per_s * order.window_s) as u64,
        (None, Level::Concurrency(_) | Level::TimeScale(_)) => 0,
    }
}
