//! Owns `Balancing`: how a fleet splits its requests, and whether a replica's measured rate holds for that split.

use serde::Serialize;

use crate::error::Refusal;
use crate::schedule::Process;
use crate::sizing::{Capacity, Evidence, RateDoubt};

/// How requests are split among replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Balancing {
    /// At random, or in any way that looks random to a replica. Each replica gets nearly Poisson arrivals, whatever the
    /// arrivals at the fleet are.
    #[default]
    Random,
    /// In turn: arrivals that are even at the fleet are even at each replica.
    RoundRobin,
}

impl std::str::FromStr for Balancing {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text.trim() {
            "random" => Ok(Self::Random),
            "round-robin" => Ok(Self::RoundRobin),
            other => {
                Err(Refusal::new(format!("`{other}` is not a way to balance"), "accepted is random or round-robin"))
            }
        }
    }
}

/// Whether arrivals of `process` are smoother than Poisson arrivals: the coefficient of variation of their gaps is
/// below 1. `false` for an unknown process.
#[must_use]
pub(crate) fn is_smooth(process: Option<&str>) -> bool {
    process.and_then(|text| text.parse::<Process>().ok()).is_some_and(|process| process.cv() < 1.0)
}

impl Balancing {
    /// `capacity` for a fleet with this balancing. Refused if tonnage measured it with smoother arrivals than a replica
    /// of the fleet gets. For another tool's result that is a doubt only.
    pub(crate) fn hold(self, capacity: Capacity) -> Result<Capacity, Refusal> {
        if self == Self::RoundRobin || !is_smooth(capacity.process.as_deref()) {
            return Ok(capacity);
        }
        let process = capacity.process.clone().unwrap_or_default();
        match capacity.evidence {
            Evidence::Foreign(_) => {
                let mut capacity = capacity;
                capacity.doubt_kinds.push(RateDoubt::SmoothArrivals { process });
                Ok(capacity)
            }
            Evidence::Stated | Evidence::Search | Evidence::Measured | Evidence::Observed => Err(Refusal::new(
                format!(
                    "the rate was measured with {process} arrivals, but a fleet that splits requests at random sends \
                     each replica nearly Poisson arrivals, which cause more misses: N × rate is not safe"
                ),
                "measure with Poisson arrivals (the option process poisson); or give the option balancing round-robin, \
                 if requests reach the fleet evenly and are routed in turn",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::ForeignTool;
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
                Balancing::Random.hold(of(Evidence::Foreign(ForeignTool::GuideLlm))).unwrap().doubt_kinds.len(),
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
