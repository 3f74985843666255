//! Owns `Ratio`, a share between 0 and 1 that people write as a percentage.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// A share, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Ratio(f64);

impl Ratio {
    /// A share; refused outside 0 to 1.
    pub fn new(share: f64) -> Result<Self, Refusal> {
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            let meant =
                if (1.0..=100.0).contains(&share) { format!("for {share} % write {share}%; ") } else { String::new() };
            Err(Refusal::new(
                format!("a share of {share} is out of range"),
                format!("{meant}accepted is 0% to 100%, or 0 to 1"),
            ))
        }
    }

    /// The share, 0 to 1.
    #[must_use]
    pub const fn share(self) -> f64 {
        self.0
    }
}

impl std::str::FromStr for Ratio {
    type Err = Refusal;

    /// Reads `99%`, or a bare share `0.99`. The refusal quotes what was typed.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = || Refusal::new(format!("`{text}` is not a share"), "accepted is 99% or 0.99");
        match text.trim().strip_suffix('%') {
            Some(percent) => {
                let percent = percent.trim().parse::<f64>().map_err(|_| refuse())?;
                if !(0.0..=100.0).contains(&percent) {
                    return Err(Refusal::new(
                        format!("a share of {percent}% is out of range"),
                        "accepted is 0% to 100%, or 0 to 1",
                    ));
                }
                Self::new(libm::round(percent * 1e10) / 1e12)
            }
            None => Self::new(text.trim().parse::<f64>().map_err(|_| refuse())?),
        }
    }
}

impl TryFrom<f64> for Ratio {
    type Error = Refusal;
    fn try_from(share: f64) -> Result<Self, Refusal> {
        Self::new(share)
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> Self {
        ratio.0
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", (self.0 * 1e8).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_percent_or_fraction() {
        assert_eq!("99%".parse::<Ratio>().map(Ratio::share), Ok(0.99));
        assert_eq!("0.1%".parse::<Ratio>().map(Ratio::share), Ok(0.001));
        assert_eq!("0.5".parse::<Ratio>().map(Ratio::share), Ok(0.5));
        for text in ["101%", "-1%", "99", "x%", ""] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
        assert_eq!(Ratio(0.999).to_string(), "99.9%");
        assert!("20".parse::<Ratio>().unwrap_err().to_string().contains("write 20%"));
        assert!("150%".parse::<Ratio>().unwrap_err().to_string().starts_with("a share of 150% is out of range"));
    }
}
