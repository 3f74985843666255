//! Owns recorded instants: the instants of a trace on the run's clock, at a time scale, and the window they fill.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::units::Offset;

/// Speed-up of a trace: recorded instants are divided by this factor (10 is ten times as fast as recorded).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct TimeScale(f64);

impl TimeScale {
    /// The recorded speed.
    pub const ONE: Self = Self(1.0);
    /// The smallest factor.
    pub const LEAST: f64 = 1e-3;
    /// The largest.
    pub const MOST: f64 = 1e6;

    /// A time scale of `factor`; refused outside 0.001 to 1 000 000.
    pub fn new(factor: f64) -> Result<Self, Refusal> {
        if (Self::LEAST..=Self::MOST).contains(&factor) {
            Ok(Self(factor))
        } else {
            Err(Refusal::new(
                format!("a time scale of {factor} is out of range"),
                "accepted is 0.001 to 1000000 (10 is ten times as fast as recorded)",
            ))
        }
    }

    /// The factor.
    #[must_use]
    pub const fn factor(self) -> f64 {
        self.0
    }

    /// `time` ÷ factor, rounded down.
    #[must_use]
    pub fn shortened(self, time: Duration) -> Duration {
        if self == Self::ONE { time } else { Duration::from_nanos(libm::floor(self.apply(Offset::from(time))) as u64) }
    }

    /// `at` ÷ factor, rounded down, so that an instant before the window's end stays before it.
    fn earlier(self, at: Offset) -> Offset {
        if self == Self::ONE { at } else { Offset::from_nanos(libm::floor(self.apply(at)) as u64) }
    }

    /// `at` ÷ factor in nanoseconds: exact at factor 1, otherwise within 1 ns below 100 days.
    fn apply(self, at: Offset) -> f64 {
        at.as_nanos() as f64 / self.0
    }
}

impl std::str::FromStr for TimeScale {
    type Err = Refusal;

    /// Reads a factor: `10`, `0.5`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = |_| {
            Refusal::new(
                format!("`{text}` is not a time scale"),
                "accepted is a factor, as in 10 for ten times as fast",
            )
        };
        Self::new(text.trim().parse().map_err(refuse)?)
    }
}

impl fmt::Display for TimeScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Recorded instants on the run's clock: sorted, at least one, all before the end of their window. Eight bytes each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    scale: TimeScale,
    // Not an `Arc<[Offset]>`: it would need one more copy, and a trace may fill most of a machine's memory.
    instants: Arc<Vec<Offset>>,
    end: Offset,
}

impl Recorded {
    /// `instants` ÷ `scale`. With a `length`, the window is `length` ÷ `scale` long. Otherwise it ends one mean gap
    /// after the last instant (1 s if the mean gap is 0). `None` if there are no instants, or if one lies outside
    /// `length`.
    #[must_use]
    pub fn new(instants: impl Iterator<Item = Offset>, length: Option<Duration>, scale: TimeScale) -> Option<Self> {
        let length = length.map(Offset::from);
        let mut scaled: Vec<Offset> = Vec::with_capacity(instants.size_hint().0);
        for at in instants {
            if length.is_some_and(|length| at >= length) {
                return None;
            }
            scaled.push(scale.earlier(at));
        }
        if !scaled.is_sorted() {
            scaled.sort_unstable();
        }
        let (first, last) = (*scaled.first()?, *scaled.last()?);
        let end = match length {
            Some(length) if scale == TimeScale::ONE => length,
            Some(length) => Offset::from_nanos(libm::ceil(scale.apply(length)) as u64),
            None => {
                let mean_ns = last.since(first).as_nanos().checked_div(scaled.len() as u128 - 1).unwrap_or(0);
                last.plus(if mean_ns == 0 { Duration::from_secs(1) } else { Duration::from_nanos(mean_ns as u64) })
            }
        };
        // An instant that rounding moved to the end is still inside.
        let end = end.max(last.plus(Duration::from_nanos(1)));
        Some(Self { scale, instants: Arc::new(scaled), end })
    }

    /// These instants, `times` as fast.
    #[must_use]
    pub fn faster(&self, times: TimeScale) -> Self {
        let instants: Vec<Offset> = self.instants.iter().map(|at| times.earlier(*at)).collect();
        let after = instants.last().map_or(Offset::ZERO, |last| last.plus(Duration::from_nanos(1)));
        let end = Offset::from_nanos(libm::ceil(times.apply(self.end)) as u64).max(after);
        Self { scale: TimeScale(self.scale.0 * times.0), instants: Arc::new(instants), end }
    }

    /// The speed-up relative to the recorded speed.
    #[must_use]
    pub fn scale(&self) -> TimeScale {
        self.scale
    }

    /// The instants, each moved by `to`, which must keep their order. An instant moved out of the window is placed at
    /// its end. The instants are copied only if someone else holds them.
    pub(crate) fn moved(self, to: impl Fn(Offset) -> Offset) -> Self {
        let last = Offset::from_nanos(self.end.as_nanos().saturating_sub(1));
        let mut instants = Arc::unwrap_or_clone(self.instants);
        for at in &mut instants {
            *at = to(*at).min(last);
        }
        Self { scale: self.scale, instants: Arc::new(instants), end: self.end }
    }

    /// The instants in order.
    #[must_use]
    pub fn instants(&self) -> &[Offset] {
        &self.instants
    }

    /// The end of the window, which begins at the origin.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.end
    }

    /// Number of instants ÷ length of the window, per second.
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        self.instants.len() as f64 / self.end.as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offsets(ns: &[u64]) -> impl Iterator<Item = Offset> {
        ns.iter().copied().map(Offset::from_nanos)
    }

    #[test]
    fn the_window_ends_one_mean_gap_after_the_last() {
        let recorded = Recorded::new(offsets(&[0, 1_000, 5_000]), None, TimeScale::ONE).unwrap();
        assert_eq!(recorded.end(), Offset::from_nanos(7_500));
        let scaled = Recorded::new(offsets(&[0, 1_000, 5_000]), None, TimeScale::new(10.0).unwrap()).unwrap();
        assert_eq!(
            (scaled.instants(), scaled.end()),
            (offsets(&[0, 100, 500]).collect::<Vec<_>>().as_slice(), Offset::from_nanos(750))
        );
        for alone in [&[7][..], &[7, 7, 7]] {
            assert_eq!(
                Recorded::new(offsets(alone), None, TimeScale::ONE).unwrap().end(),
                Offset::from_nanos(1_000_000_007)
            );
        }
        assert_eq!(Recorded::new(offsets(&[]), None, TimeScale::ONE), None);
    }

    #[test]
    fn a_window_asked_for_is_that_long_and_half_open() {
        let length = Some(Duration::from_micros(1));
        let recorded = Recorded::new(offsets(&[0, 999]), length, TimeScale::new(10.0).unwrap()).unwrap();
        assert_eq!(recorded.end(), Offset::from_nanos(100));
        assert_eq!(Recorded::new(offsets(&[0, 1_000]), length, TimeScale::ONE), None);
    }

    proptest! {
        #[test]
        fn scaled_instants_keep_order_and_window(
            mut ns in prop::collection::vec(0u64..4_000_000_000_000_000, 1..50), factor in 0.001f64..1e6,
        ) {
            ns.sort_unstable();
            let length = Duration::from_nanos(ns.last().unwrap() + 1);
            let recorded = Recorded::new(offsets(&ns), Some(length), TimeScale::new(factor).unwrap()).unwrap();
            prop_assert!(recorded.instants().is_sorted() && recorded.instants().iter().all(|at| *at < recorded.end()));
            for (at, scaled) in ns.iter().zip(recorded.instants()) {
                let wanted = *at as f64 / factor;
                prop_assert!((scaled.as_nanos() as f64 - wanted).abs() <= 1.0_f64.max(wanted * 1e-15));
            }
        }
    }
}
