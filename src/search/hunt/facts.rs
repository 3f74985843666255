//! Owns what the requests of a load say to the step: misses and how they cluster, time in the system, what it took.

use crate::metrics::{Came, Sequence};
use crate::search::hunt::Aim;
use crate::search::step::{Count, End, Order, Probe, Seen, Spent, clusters};
use crate::units::Offset;

/// Misses of each demand by `now`; how they cluster, where that is wanted, which costs a sort.
pub(super) fn counts_of(aim: &Aim, sequence: &Sequence, now: Offset, clustered: bool) -> Vec<Count> {
    let order = if clustered { sequence.in_order() } else { Vec::new() };
    let of = |place: usize| {
        let toll = sequence.toll(place, now);
        let seen = |came: &Came| came.missed(place).map(|missed| Seen { missed, in_flight: came.in_flight });
        let clusters = if clustered { clusters(&order.iter().filter_map(seen).collect::<Vec<_>>()) } else { None };
        Count { misses: toll.misses, decided: toll.decided, clusters }
    };
    aim.asked().iter().map(|asked| of(asked.place)).collect()
}

/// A probe of `order` that ended so at `until`, by when it had sent `requests`.
pub(super) fn probe_of(aim: &Aim, order: &Order, end: End, sequence: &Sequence, until: Offset, requests: u64) -> Probe {
    Probe {
        rate_per_s: order.rate_per_s,
        counts: counts_of(aim, sequence, until, true),
        time_in_system_s: sequence.time_in_system_s(),
        end,
        spent: Spent { requests, seconds: until.as_secs() },
    }
}
