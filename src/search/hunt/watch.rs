//! Owns the numbers by which a player watches a probe, and how the probe stood when that ended it.

use crate::play::{LiveCounts, Looks, ProbeKind, ProbeRule, StopReason, StopRule, WatchRule, Watched};
use crate::search::Level;
use crate::search::hunt::facts::{planned, probe_of};
use crate::search::hunt::{Aim, Asked};
use crate::search::step::{End, Order, Picture, Probe, backlog_alarm, miss_alarm};

/// Of the discard, how often it is repeated while requests in flight show a trend.
const MOST_EXTENSIONS: u32 = 2;
/// Samples of the number in flight in a window.
const SAMPLES: f64 = 64.0;
/// Requests of the window before the first look for an alarm, and then that many more, and a share of those there are.
const LOOKS: Looks = Looks { first: 100, step: 50, share: 20 };
/// So many requests in a row that did not complete are no load that is too high, but a service that is gone.
pub(super) const LOST: u32 = 50;

/// How a probe stood when its issuing ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ProbeSeen {
    /// The probe, as far as it was decided.
    pub(super) probe: Probe,
    /// Whether the service seemed to be gone.
    pub(super) is_lost: bool,
}

/// What ends a probe by `order`, whose requests are followed for `follow_s` after its window; all of it ends after
/// `left_s`.
pub(super) fn rule_of(aim: &Aim, picture: &Picture, order: &Order, follow_s: f64, left_s: f64) -> StopRule {
    let question = &aim.question;
    let alarm = |(demand, asked): (usize, &Asked)| miss_alarm(question, picture, order, [demand, asked.place]);
    WatchRule::Probe(ProbeRule {
        kind: match order.level {
            Level::RatePerS(rate_per_s) => ProbeKind::Open { rate_per_s },
            Level::Concurrency(_) => ProbeKind::Closed,
            Level::TimeScale(_) => ProbeKind::Trace,
        },
        resolution: order.resolution,
        discard_s: order.discard_s,
        most_extensions: MOST_EXTENSIONS,
        sample_s: order.window_s / SAMPLES,
        looks: LOOKS,
        planned: planned(aim, order),
        follow_s,
        ends_s: left_s.is_finite().then_some(left_s),
        lost_in_a_row: LOST,
        misses: aim.asked().iter().enumerate().map(alarm).collect(),
        backlog: backlog_alarm(order),
    })
    .into()
}

/// How the probe by `order` stood when its rule ended it.
pub(super) fn seen_of(aim: &Aim, order: &Order, counts: &LiveCounts, watched: &Watched) -> ProbeSeen {
    let end = match watched.reason {
        StopReason::Lost | StopReason::Hopeless | StopReason::Refused => End::Overloaded,
        StopReason::Enough | StopReason::Saturated => End::Full,
    };
    let sent = [counts.due, planned(aim, order)];
    let probe = probe_of(aim, order, end, &watched.sequence, counts.elapsed, sent);
    ProbeSeen { probe: Probe { growth: watched.growth, ..probe }, is_lost: watched.reason == StopReason::Lost }
}
