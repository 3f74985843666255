//! Owns `Popularity`: how often each of several groups is drawn.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::workload::shares::Shares;

/// How often each of several groups is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Popularity {
    /// Each group is as likely.
    #[default]
    Uniform,
    /// Zipf's law: the probability of group k, from 1, is proportional to 1/k^s with this exponent s.
    Zipf(f64),
}

impl Popularity {
    /// The largest exponent: beyond it, the first group has all requests.
    const MOST_EXPONENT: f64 = 10.0;

    /// The probability of each of `groups` groups.
    pub(super) fn shares(self, groups: u32) -> Shares {
        Shares::of((1..=groups).map(|rank| match self {
            Self::Uniform => 1.0,
            Self::Zipf(exponent) => libm::pow(f64::from(rank), -exponent),
        }))
    }
}

impl fmt::Display for Popularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf(exponent) => write!(f, "zipf:{exponent}"),
        }
    }
}

impl FromStr for Popularity {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = || {
            Refusal::new(
                format!("`{text}` is no popularity"),
                "accepted is uniform, or zipf:S with an exponent S above 0 and up to 10, as in zipf:1.1",
            )
        };
        match text.trim().split_once(':') {
            None if text.trim() == "uniform" => Ok(Self::Uniform),
            Some(("zipf", exponent)) => {
                let exponent: f64 = exponent.trim().parse().map_err(|_| refuse())?;
                let fits = exponent > 0.0 && exponent <= Self::MOST_EXPONENT;
                if fits { Ok(Self::Zipf(exponent)) } else { Err(refuse()) }
            }
            _ => Err(refuse()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_popularity_is_read_as_it_is_shown_and_anything_else_is_refused() {
        for text in ["uniform", "zipf:1.1", "zipf:10"] {
            assert_eq!(text.parse::<Popularity>().unwrap().to_string(), text);
        }
        for text in ["", "zipf", "zipf:", "zipf:0", "zipf:-1", "zipf:11", "zipf:nan", "zipf:inf", "pareto:2"] {
            let refusal = text.parse::<Popularity>().unwrap_err().to_string();
            assert!(refusal.contains("accepted is uniform, or zipf:S"), "{refusal}");
        }
    }

    #[test]
    fn the_shares_of_groups_are_those_of_their_law() {
        let uniform = Popularity::Uniform.shares(4);
        // 1 + 1/2 + 1/3 = 11/6.
        let zipf = Popularity::Zipf(1.0).shares(3);
        for (shares, expected) in [(uniform, &[0.25; 4][..]), (zipf, &[6.0 / 11.0, 3.0 / 11.0, 2.0 / 11.0])] {
            for (group, expected) in expected.iter().enumerate() {
                assert!((shares.share(group) - expected).abs() < 1e-12, "{shares:?}");
            }
        }
    }
}
