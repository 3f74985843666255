//! Owns `Rate`, requests per second.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// Requests per second: finite, 0.001 to 100 000.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Rate(f64);

impl Rate {
    /// The smallest rate, one request in 1 000 s.
    pub const MIN_PER_S: f64 = 0.001;
    /// The largest rate.
    pub const MAX_PER_S: f64 = 100_000.0;

    /// A rate of `per_s` requests per second; refused outside 0.001 to 100 000.
    pub fn new(per_s: f64) -> Result<Self, Refusal> {
        if (Self::MIN_PER_S..=Self::MAX_PER_S).contains(&per_s) {
            Ok(Self(per_s))
        } else {
            Err(Refusal::new(
                format!("a rate of {per_s} requests per second is out of range"),
                "accepted is 0.001/s to 100000/s",
            ))
        }
    }

    /// Requests per second.
    #[must_use]
    pub const fn per_s(self) -> f64 {
        self.0
    }
}

impl std::str::FromStr for Rate {
    type Err = Refusal;

    /// Reads `12.5/s`, `90/min`, `100/h`, or a bare number of requests per second.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let per_s = parse_per_s(text)?;
        // The refusal quotes the text as typed, which may be shorter than the number with all its digits.
        Self::new(per_s)
            .map_err(|refusal| Refusal::new(format!("a rate of {} is out of range", text.trim()), refusal.accepted))
    }
}

/// Reads requests per second from the same text as a [`Rate`], but accepts any number: the caller checks the range.
pub(crate) fn parse_per_s(text: &str) -> Result<f64, Refusal> {
    let (number, unit) = text.trim().split_once('/').unwrap_or((text.trim(), "s"));
    let refuse = || {
        Refusal::new(
            format!("`{text}` is not a rate"),
            "accepted is 12.5/s, 90/min, 100/h or a number of requests per second",
        )
    };
    let number: f64 = number.trim().parse().map_err(|_| refuse())?;
    let per_unit_s = match unit.trim() {
        "s" | "sec" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(refuse()),
    };
    Ok(number / per_unit_s)
}

impl TryFrom<f64> for Rate {
    type Error = Refusal;
    fn try_from(per_s: f64) -> Result<Self, Refusal> {
        Self::new(per_s)
    }
}

impl From<Rate> for f64 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_with_their_unit() {
        for (text, per_s) in [("12.5/s", 12.5), ("90/min", 1.5), ("7", 7.0), ("3600/h", 1.0), ("0.001", 0.001)] {
            assert_eq!(text.parse::<Rate>().map(Rate::per_s), Ok(per_s), "{text}");
        }
    }

    #[test]
    fn impossible_rates_are_refused() {
        for text in ["0", "-3/s", "nan", "inf", "1e9", "5/week", "", "/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
