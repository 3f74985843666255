//! Owns the numbers by which a player watches a probe, and the state of the probe when its rule ended it.

use crate::play::{LiveCounts, Looks, ProbeKind, ProbeRule, StopReason, StopRule, WatchRule, Watched};
use crate::search::Level;
use crate::search::maximum::evidence::{planned, probe_of};
use crate::search::maximum::{Aim, Asked};
use crate::search::step::{End, Order, Picture, Probe, backlog_alarm, miss_alarm};

/// Largest number of extensions of the discard while requests in flight show a trend.
const MOST_EXTENSIONS: u32 = 2;
/// Number of samples of the number in flight in a window.
const SAMPLES: f64 = 64.0;
/// Requests of the window before the first check of the alarms; then at least 50 requests between checks, and one
/// more for each 20 requests of the window.
const LOOKS: Looks = Looks { first: 100, step: 50, share: 20 };
/// If this many requests in a row do not complete, the service is gone; a load that is too high does not explain
/// it.
pub(super) const LOST: u32 = 50;

/// The state of a probe when its last request had been issued.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ProbeSeen {
    /// The probe, with the requests decided so far.
    pub(super) probe: Probe,
    /// Whether the service seemed to have stopped answering.
    pub(super) is_lost: bool,
}

/// The rule that ends a probe by `order`. Its requests are followed for `follow_s` after its window; the whole
/// probe ends after `left_s` (seconds).
pub(super) fn rule_of(aim: &Aim, picture: &Picture, order: &Order, follow_s: f64, left_s: f64) -> StopRule {
    let question = &aim.question;
    let alarm = |(demand, asked): (usize, &Asked)| miss_alarm(question, picture, order, [demand, asked.place]);
    WatchRule::Probe(ProbeRule {
        kind: match order.level {
            Level::RatePerS(_) | Level::SessionsPerS(_) => {
                ProbeKind::Open { rate_per_s: question.requests_per_s(order.level) }
            }
            Level::Concurrency(_) => ProbeKind::Closed,
            Level::TimeScale(_) => ProbeKind::Trace,
        },
        // Of an overload by sessions, a part shows.
        resolution: order.resolution * question.turns().shown(),
        discard_s: order.discard_s,
        most_extensions: MOST_EXTENSIONS,
        sample_s: order.window_s / SAMPLES,
        looks: LOOKS,
        planned: planned(aim, order),
        follow_s,
        ends_s: left_s.is_finite().then_some(left_s),
        lost_in_a_row: LOST,
        misses: aim.asked().iter().enumerate().map(alarm).collect(),
        backlog: backlog_alarm(question, order),
    })
    .into()
}

/// The state of the probe by `order` when its rule ended it.
pub(super) fn seen_of(aim: &Aim, order: &Order, counts: &LiveCounts, watched: &Watched) -> ProbeSeen {
    let end = match watched.reason {
        StopReason::Lost | StopReason::Hopeless | StopReason::Refused => End::Overloaded,
        StopReason::Enough | StopReason::Saturated => End::Full,
    };
    let sent = [counts.due, planned(aim, order)];
    let probe = probe_of(aim, order, end, &watched.sequence, counts.elapsed, sent);
    ProbeSeen { probe: Probe { growth: watched.growth, ..probe }, is_lost: watched.reason == StopReason::Lost }
}
