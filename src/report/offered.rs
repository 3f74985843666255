//! Owns the line that compares the offered rate with the rate asked for, and explains the difference: by chance, or by
//! a late generator.

use std::fmt::Write;

use crate::metrics::{Counts, LoadFacts, LoadKind, LoadOrigin};
use crate::schedule::Process;
use crate::units::{count, per_second};

/// The share of planned requests that were not sent is reported if it is above this.
const WORTH_SAYING: f64 = 0.001;

/// For example `asked 10.0/s, offered 10.4/s: 9 requests more, by chance (0.6 standard deviations)`. `None` for loads
/// without a rate that was asked for: closed loops and traces.
pub(super) fn offered_text(load: &LoadFacts, window_s: f64, requests: &Counts) -> Option<String> {
    // A shard sends a part of the load.
    if load.kind != LoadKind::Open || load.origin != LoadOrigin::Planned || window_s <= 0.0 || load.shard.is_some() {
        return None;
    }
    let asked = load.rate_per_s?;
    let (planned, expected) = (requests.planned as f64, asked * window_s);
    let off = planned - expected;
    let deviation = load.process.as_ref()?.parse::<Process>().ok()?.cv() * libm::sqrt(expected);
    let mut text = format!("asked {}, offered {}", per_second(asked), per_second(planned / window_s));
    // The number of even arrivals differs by less than one from the number asked for.
    if libm::fabs(off) >= 1.0 && deviation > 0.0 {
        let more = if off > 0.0 { "more" } else { "fewer" };
        let off = libm::fabs(off);
        let _ = write!(
            text,
            ": {} requests {more}, by chance ({:.1} standard deviations)",
            count(off as u64),
            off / deviation
        );
    }
    let unsent = requests.planned.saturating_sub(requests.sent);
    if unsent as f64 > WORTH_SAYING * planned {
        let (sent, unsent) = (per_second(requests.sent as f64 / window_s), count(unsent));
        let _ = write!(
            text,
            "; sent {sent}, {unsent} not sent: the load generator was too late for them, or a limit prevented them"
        );
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(process: &str, planned: u64, sent: u64) -> Option<String> {
        let load = LoadFacts { process: Some(process.to_owned()), rate_per_s: Some(10.0), ..LoadFacts::default() };
        offered_text(&load, 20.0, &Counts { planned, sent, ..Counts::default() })
    }

    #[test]
    fn what_is_offered_stands_beside_what_was_asked_with_the_reason() {
        for (process, planned, sent, expected) in [
            (
                "poisson",
                168,
                168,
                "asked 10.0/s, offered 8.40/s: 32 requests fewer, by chance (2.3 standard deviations)",
            ),
            (
                "gamma:2",
                228,
                228,
                "asked 10.0/s, offered 11.4/s: 28 requests more, by chance (1.0 standard deviations)",
            ),
            ("even", 200, 200, "asked 10.0/s, offered 10.0/s"),
            (
                "even",
                200,
                150,
                "asked 10.0/s, offered 10.0/s; sent 7.50/s, 50 not sent: the load generator was too late for them, or \
                 a limit prevented them",
            ),
        ] {
            assert_eq!(text(process, planned, sent).as_deref(), Some(expected));
        }
        let closed = LoadFacts { kind: LoadKind::Concurrent, origin: LoadOrigin::Released, ..LoadFacts::default() };
        assert_eq!(offered_text(&closed, 20.0, &Counts::default()), None);
    }
}
