//! Owns what the requests of a load say to the step: misses and how they cluster, time in the system, what it took.

use crate::metrics::{Came, Sequence};
use crate::search::hunt::Aim;
use crate::search::step::{Clusters, Count, End, Order, Probe, Seen, Spent, clusters, clusters_in_rounds};
use crate::search::{Level, Pass};
use crate::units::Offset;

/// Misses of each demand by `now`.
pub(super) fn counts_of(aim: &Aim, sequence: &Sequence, now: Offset) -> Vec<Count> {
    let of = |place: usize| {
        let toll = sequence.toll(place, now);
        Count { misses: toll.misses, decided: toll.decided, clusters: None }
    };
    aim.asked().iter().map(|asked| of(asked.place)).collect()
}

/// How the misses of each demand cluster at `level`.
fn clusters_of<'a>(aim: &'a Aim, level: Level, sequence: &Sequence) -> impl Iterator<Item = Option<Clusters>> + use<'a> {
    let order = sequence.in_order();
    aim.asked().iter().map(move |asked| {
        let seen = |came: &Came| came.missed(asked.place).map(|missed| Seen { missed, in_flight: came.in_flight });
        let seen: Vec<Seen> = order.iter().filter_map(seen).collect();
        match level {
            Level::RatePerS(_) | Level::TimeScale(_) => clusters(&seen),
            Level::Concurrency(in_flight) => clusters_in_rounds(&seen, in_flight),
        }
    })
}

/// A probe of `order` that ended so at `until`, by when it had sent `requests`.
pub(super) fn probe_of(aim: &Aim, order: &Order, end: End, sequence: &Sequence, until: Offset, requests: u64) -> Probe {
    let counts = counts_of(aim, sequence, until).into_iter().zip(clusters_of(aim, order.level, sequence));
    // Of a pass that was ended, what was not sent any more is taken to have met everything.
    let all = aim.question.pass().filter(|_| end == End::Overloaded).map_or(0, Pass::requests);
    Probe {
        level: order.level,
        counts: counts.map(|(count, clusters)| Count { decided: count.decided.max(all), clusters, ..count }).collect(),
        time_in_system_s: sequence.time_in_system_s(),
        completed_per_s: None,
        end,
        spent: Spent { requests, seconds: until.as_secs() },
    }
}
