//! Owns `Offset`, an instant of a run, and `Window`, a half-open span of such instants.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Refusal;

/// An instant: whole nanoseconds since the run's origin. Serialised as seconds (exact to the nanosecond below 52 days,
/// and [`Offset::NEVER`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(u64);

impl Offset {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// Later than any instant of a run.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `seconds` after the origin, rounded to the nanosecond; negative and NaN become the origin.
    #[must_use]
    pub fn from_secs(seconds: f64) -> Self {
        Self(libm::round(seconds * 1e9) as u64)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the origin.
    #[must_use]
    pub fn as_secs(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Seconds from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub fn secs_since(self, earlier: Self) -> f64 {
        self.0.saturating_sub(earlier.0) as f64 / 1e9
    }

    /// The instant `later` after this one, at most [`Offset::NEVER`].
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The instant `earlier` before this one, at least the origin.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(earlier.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl From<Duration> for Offset {
    fn from(since_origin: Duration) -> Self {
        Self::ZERO.plus(since_origin)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.as_secs())
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_secs())
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if seconds.to_bits() == Self::NEVER.as_secs().to_bits() {
            Ok(Self::NEVER)
        } else if seconds.is_finite() && (0.0..4e9).contains(&seconds) {
            Ok(Self::from_secs(seconds))
        } else {
            Err(serde::de::Error::custom(format!("an instant must be 0 to 4e9 seconds, not {seconds}")))
        }
    }
}

/// A half-open span [start, end) of scheduled instants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First instant inside.
    #[serde(rename = "start_s")]
    pub start: Offset,
    /// First instant after it.
    #[serde(rename = "end_s")]
    pub end: Offset,
}

impl Window {
    /// Whether `at` lies inside.
    #[must_use]
    pub fn contains(&self, at: Offset) -> bool {
        self.start <= at && at < self.end
    }

    /// Its length in seconds.
    #[must_use]
    pub fn length_s(&self) -> f64 {
        self.end.secs_since(self.start)
    }

    /// Seconds of [from, until) that lie inside.
    #[must_use]
    pub fn overlap_s(&self, from: Offset, until: Offset) -> f64 {
        until.min(self.end).secs_since(from.max(self.start))
    }
}

/// Reads a span of time with its unit: `300ms`, `1.5s`, `2m`, `1h`, or several parts, the largest unit first:
/// `1h30m`. `0` alone needs no unit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, Refusal> {
    let accepted = "a time with its unit: 250us, 300ms, 1.5s, 2m, 1h, 1h30m";
    let refuse = || Refusal::new(format!("`{text}` is not a span of time"), format!("accepted is {accepted}"));
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut seconds, mut unit_before_s) = (0.0, f64::INFINITY);
    while !rest.is_empty() {
        let is_unit = |c: char| c.is_ascii_alphabetic() || c == 'µ';
        let (number, behind) = rest.split_at(rest.find(is_unit).ok_or_else(refuse)?);
        let (unit, behind) = behind.split_at(behind.find(|c| !is_unit(c)).unwrap_or(behind.len()));
        let number: f64 = number.trim().parse().map_err(|_| refuse())?;
        let unit_s = match unit {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(refuse()),
        };
        // Units must fall, and no later part may be negative: `30m1h` and `1h-5m` are mistakes.
        if unit_s >= unit_before_s || (number < 0.0 && unit_before_s.is_finite()) {
            return Err(refuse());
        }
        (seconds, unit_before_s) = (seconds + number * unit_s, unit_s);
        rest = behind.trim_start();
    }
    if unit_before_s.is_infinite() {
        return Err(refuse());
    }
    if seconds.is_finite() && (0.0..=3.2e7).contains(&seconds) {
        Ok(Duration::from_nanos(libm::round(seconds * 1e9) as u64))
    } else {
        Err(Refusal::new(format!("`{text}` is out of range"), "accepted is 0 to 1 year".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, nanos) in
            [("300ms", 300_000_000), ("1.5s", 1_500_000_000), ("2m", 120_000_000_000), ("0", 0), ("250us", 250_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
        for (text, nanos) in [
            ("1h30m", 5_400_000_000_000),
            ("1m 30s", 90_000_000_000),
            ("1s500ms", 1_500_000_000),
            ("2h0m1.5s", 7_201_500_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_unit_is_refused() {
        for text in
            ["5", "", "s", "-1s", "1 fortnight", "nans", "infs", "1e300h", "30m1h", "1h1h", "1h-5m", "1h30", "h30m"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_instant_survives_its_text(nanos in 0u64..4_000_000_000_000_000) {
            let offset = Offset::from_nanos(nanos);
            let text = serde_json::to_string(&offset).unwrap();
            prop_assert_eq!(serde_json::from_str::<Offset>(&text).unwrap(), offset);
            let never = serde_json::to_string(&Offset::NEVER).unwrap();
            prop_assert_eq!(serde_json::from_str::<Offset>(&never).unwrap(), Offset::NEVER);
        }
    }
}
