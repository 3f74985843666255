//! Owns `Quota`: a provider's rate limit, applied to planned instants so that the plan holds no request that the
//! provider would refuse.

use std::fmt;
use std::num::NonZeroU32;

use governor::RateLimiter;
use governor::clock::FakeRelativeClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::units::Offset;

/// A number of requests per second, minute or hour. Written `500/min`.
///
/// Applied by GCRA (the leaky bucket as a meter, ITU-T I.371) with a burst of the whole count: after a pause, `count`
/// requests may come at once, then one every period/count. So any span of one period holds fewer than 2 · count
/// requests, and the long-run rate is count per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    count: NonZeroU32,
    period: Period,
}

/// The period of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Period {
    /// One second.
    Second,
    /// Sixty seconds.
    Minute,
    /// 3 600 seconds.
    Hour,
}

impl Quota {
    /// The largest count. At this count, rounding period/count to whole nanoseconds is an error of at most 0.1 %.
    pub const MAX_COUNT: u32 = 1_000_000;

    /// `count` requests a `period`; refused outside 1 to 1 000 000.
    pub fn new(count: u32, period: Period) -> Result<Self, Refusal> {
        match NonZeroU32::new(count) {
            Some(count) if count.get() <= Self::MAX_COUNT => Ok(Self { count, period }),
            _ => Err(Refusal::new(
                format!("a quota of {count} requests is out of range"),
                "accepted is 1 to 1000000 a second, minute or hour",
            )),
        }
    }

    /// A gate that has seen no request yet.
    #[must_use]
    pub fn gate(self) -> Gate {
        // Each of these quotas allows a burst of the whole count.
        let limit = match self.period {
            Period::Second => governor::Quota::per_second(self.count),
            Period::Minute => governor::Quota::per_minute(self.count),
            Period::Hour => governor::Quota::per_hour(self.count),
        };
        let clock = FakeRelativeClock::default();
        Gate { limiter: RateLimiter::direct_with_clock(limit, clock.clone()), clock, reached: Offset::ZERO }
    }
}

impl std::str::FromStr for Quota {
    type Err = Refusal;

    /// Reads `500/min`, `10/s`, `20000/h`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = || {
            Refusal::new(
                format!("`{text}` is not a quota"),
                "accepted is a whole number a second, minute or hour: 10/s, 500/min, 20000/h",
            )
        };
        let (count, period) = text.trim().split_once('/').ok_or_else(refuse)?;
        let period = match period.trim() {
            "s" | "sec" => Period::Second,
            "m" | "min" => Period::Minute,
            "h" => Period::Hour,
            _ => return Err(refuse()),
        };
        Self::new(count.trim().parse().map_err(|_| refuse())?, period)
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.period {
            Period::Second => "s",
            Period::Minute => "min",
            Period::Hour => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

/// Decides for each instant whether a [`Quota`] admits a request. Only planned instants move its clock.
#[derive(Debug)]
pub struct Gate {
    limiter: RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>,
    clock: FakeRelativeClock,
    reached: Offset,
}

impl Gate {
    /// Whether the quota admits a request at `at`; instants come in order.
    pub fn admits(&mut self, at: Offset) -> bool {
        self.clock.advance(at.since(self.reached));
        self.reached = self.reached.max(at);
        self.limiter.check().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotas_are_read_as_they_are_shown() {
        for text in ["500/min", "10/s", "20000/h"] {
            assert_eq!(text.parse::<Quota>().map(|quota| quota.to_string()), Ok(text.to_owned()));
        }
        for text in ["500", "0/s", "1.5/s", "-1/s", "1000001/min", "5/day", "", "/s", "99999999999/s"] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_quota_lets_its_count_through_at_once_and_then_its_rate() {
        // Per case: the quota, the gap between planned instants in ms, how many are planned, how many pass.
        for (quota, gap_ms, planned, passed) in [
            ("10/s", 0, 50, 10),       // a burst: the count, no more
            ("10/s", 100, 50, 50),     // at the quota: all
            ("10/s", 50, 200, 109), // twice the quota for 10 s: the count + one every 100 ms, the last of them at 9.9 s
            ("60/min", 500, 240, 179), // twice the quota for 120 s: the count + one a second up to 119 s
        ] {
            let mut gate = quota.parse::<Quota>().unwrap().gate();
            let seen = (0..planned).filter(|i| gate.admits(Offset::from_nanos(i * gap_ms * 1_000_000))).count();
            assert_eq!(seen, passed, "{quota} on one every {gap_ms} ms");
        }
    }

    proptest! {
        #[test]
        fn no_span_holds_more_than_the_count_and_what_was_replenished(
            gaps_ms in prop::collection::vec(0u64..200, 1..200),
            count in 1u32..20,
        ) {
            let mut gate = Quota::new(count, Period::Second).unwrap().gate();
            let mut at_ms = 0;
            let mut passed_ms = Vec::new();
            for gap_ms in gaps_ms {
                at_ms += gap_ms;
                if gate.admits(Offset::from_nanos(at_ms * 1_000_000)) {
                    passed_ms.push(at_ms);
                }
            }
            for (i, from) in passed_ms.iter().enumerate() {
                for (j, until) in passed_ms.iter().enumerate().skip(i) {
                    let allowed = f64::from(count) + (until - from) as f64 / 1e3 * f64::from(count) + 1e-6;
                    prop_assert!((j - i + 1) as f64 <= allowed, "{} within {} ms", j - i + 1, until - from);
                }
            }
        }
    }
}
