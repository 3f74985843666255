//! Owns `Quantile`, the p in p99.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// A quantile strictly between 0 and 1: `p99` is 0.99, `p999` and `p99.9` are 0.999.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Quantile(f64);

impl Quantile {
    /// A quantile; refused unless strictly between 0 and 1.
    pub fn new(share: f64) -> Result<Self, Refusal> {
        if share > 0.0 && share < 1.0 {
            Ok(Self(share))
        } else {
            Err(Refusal::new(format!("a quantile of {share} is out of range"), "accepted is p1 to p99.99"))
        }
    }

    /// The share of the distribution at or below it, 0 to 1.
    #[must_use]
    pub const fn share(self) -> f64 {
        self.0
    }
}

impl std::str::FromStr for Quantile {
    type Err = Refusal;

    /// Reads `p99`, `p99.9`, `p999` (three nines), `p50`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = || Refusal::new(format!("`{text}` is not a quantile"), "accepted is p50, p90, p99, p99.9");
        let digits = text.trim().strip_prefix(['p', 'P']).ok_or_else(refuse)?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(refuse());
        }
        // p999 is the field's usual way to write p99.9 without a point.
        let percent = if digits.len() > 2 && !digits.contains('.') && digits.starts_with('9') {
            format!("{}.{}", &digits[..2], &digits[2..])
        } else {
            digits.to_owned()
        };
        if percent.parse::<f64>().is_ok_and(|percent| percent >= 100.0) {
            let how = if percent == "100" { "is the largest value" } else { "is above p100" };
            return Err(Refusal::new(
                format!("p{percent} {how}"),
                "accepted is p1 to p99.99; `max ttft<=1s` limits the largest value",
            ));
        }
        // Rounded, so that p99.9 is 0.999 and not 0.9990000000000001.
        Self::new(libm::round(percent.parse::<f64>().map_err(|_| refuse())? * 1e10) / 1e12)
    }
}

impl TryFrom<f64> for Quantile {
    type Error = Refusal;
    fn try_from(share: f64) -> Result<Self, Refusal> {
        Self::new(share)
    }
}

impl From<Quantile> for f64 {
    fn from(quantile: Quantile) -> Self {
        quantile.0
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", (self.0 * 1e8).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_read_as_the_field_writes_them() {
        for (text, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("p999", 0.999), ("p5", 0.05)] {
            assert_eq!(text.parse::<Quantile>().map(Quantile::share), Ok(share), "{text}");
        }
        for text in ["99", "p0", "p100", "p101", "p", "pp", "p-1", "p1e1"] {
            assert!(text.parse::<Quantile>().is_err(), "{text}");
        }
        assert_eq!(Quantile(0.999).to_string(), "p99.9");
    }
}
