//! Owns `Balancing`: how a fleet splits its requests, and whether the rate of a replica holds for what then reaches
//! one.

use serde::Serialize;

use crate::error::Refusal;
use crate::schedule::Process;
use crate::sizing::{Capacity, Evidence, RateDoubt};

/// How requests are split among replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balancing {
    /// At random, or in any way that looks so to a replica: whatever comes to the fleet, each replica sees nearly
    /// Poisson arrivals.
    #[default]
    Random,
    /// One after the other: arrivals that are even at the fleet are even at each replica.
    RoundRobin,
}

impl std::str::FromStr for Balancing {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text.trim() {
            "random" => Ok(Self::Random),
            "round-robin" => Ok(Self::RoundRobin),
            other => Err(Refusal::new(format!("`{other}` is no way to balance"), "accepted is random or round-robin")),
        }
    }
}

/// Whether arrivals called `process` are smoother than Poisson ones: even, or gaps of a coefficient of variation below
/// 1.
#[must_use]
pub fn is_smooth(process: Option<&str>) -> bool {
    process.and_then(|text| text.parse::<Process>().ok()).is_some_and(|process| process.cv() < 1.0)
}

impl Balancing {
    /// `capacity` for a fleet that is balanced so. Refused where tonnage measured it under arrivals smoother than the
    /// fleet passes on; of another tool's result that is a doubt.
    pub fn hold(self, capacity: Capacity) -> Result<Capacity, Refusal> {
        if self == Self::RoundRobin || !is_smooth(capacity.process.as_deref()) {
            return Ok(capacity);
        }
        let process = capacity.process.clone().unwrap_or_default();
        match capacity.evidence {
            Evidence::Vllm | Evidence::Guidellm => {
                let mut capacity = capacity;
                capacity.doubt_kinds.push(RateDoubt::SmoothArrivals { process });
                Ok(capacity)
            }
            Evidence::Stated | Evidence::Search | Evidence::Measured | Evidence::Observed => Err(Refusal::new(
                format!(
                    "the rate was measured with {process} arrivals, and a fleet that splits requests at random sends \
                     each replica nearly Poisson arrivals, which miss more: N × rate is not safe"
                ),
                "measure with Poisson arrivals (the option process poisson); or give the option balancing round-robin, \
                 where requests come to the fleet evenly and are dealt in turn",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Rate;

    #[test]
    fn a_rate_of_smooth_arrivals_does_not_hold_for_a_random_split() {
        for (process, smooth) in [
            (None, false),
            (Some("even"), true),
            (Some("poisson"), false),
            (Some("gamma:0.5"), true),
            (Some("weibull:2"), false),
        ] {
            let of = |evidence| Capacity {
                process: process.map(str::to_owned),
                evidence,
                ..Capacity::stated(Rate::new(4.0).unwrap())
            };
            assert_eq!(Balancing::Random.hold(of(Evidence::Search)).is_err(), smooth, "{process:?}");
            assert_eq!(
                Balancing::Random.hold(of(Evidence::Guidellm)).unwrap().doubt_kinds.len(),
                usize::from(smooth),
                "{process:?}"
            );
            assert!(Balancing::RoundRobin.hold(of(Evidence::Search)).unwrap().doubt_kinds.is_empty(), "{process:?}");
        }
        let even = Capacity {
            process: Some("even".to_owned()),
            evidence: Evidence::Search,
            ..Capacity::stated(Rate::new(4.0).unwrap())
        };
        let refused = Balancing::Random.hold(even).unwrap_err().to_string();
        assert!(refused.contains("not safe") && refused.contains("the option process poisson"), "{refused}");
    }
}
