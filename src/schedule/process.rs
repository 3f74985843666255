//! Owns `Process`: the random law of arrivals at a given rate, and its notation.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// The law of the gaps between arrivals, at mean gap 1 ("operational time"). Written `even`, `poisson`, `gamma:2`,
/// `weibull:2`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Process {
    /// Exactly even: arrival i is at i.
    Even,
    /// Poisson: exponential gaps.
    Poisson,
    /// Gamma gaps of the given coefficient of variation: shape 1/CV², scale CV².
    Gamma {
        /// Standard deviation over mean (1 is Poisson).
        cv: Cv,
    },
    /// Weibull gaps of the given coefficient of variation; above 1 the tail is heavier than that of gamma gaps.
    Weibull {
        /// Standard deviation over mean (1 is Poisson).
        cv: Cv,
    },
}

impl Process {
    /// Gamma gaps of coefficient of variation `cv`; refused outside 0.01 to 30.
    pub fn gamma(cv: f64) -> Result<Self, Refusal> {
        Ok(Self::Gamma { cv: Cv::new(cv)? })
    }

    /// Weibull gaps of coefficient of variation `cv`; refused outside 0.01 to 30.
    pub fn weibull(cv: f64) -> Result<Self, Refusal> {
        Ok(Self::Weibull { cv: Cv::new(cv)? })
    }

    /// Coefficient of variation of the gaps: 0 even, 1 Poisson.
    #[must_use]
    pub const fn cv(self) -> f64 {
        match self {
            Self::Even => 0.0,
            Self::Poisson => 1.0,
            Self::Gamma { cv } | Self::Weibull { cv } => cv.ratio(),
        }
    }
}

/// A coefficient of variation, standard deviation over mean: 0.01 to 30 (published traces reach 27).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Cv(f64);

impl Cv {
    /// The smallest: gaps even to 1 %.
    pub const MIN: f64 = 0.01;
    /// The largest.
    pub const MAX: f64 = 30.0;

    /// A coefficient of variation; refused outside 0.01 to 30.
    pub fn new(cv: f64) -> Result<Self, Refusal> {
        if (Self::MIN..=Self::MAX).contains(&cv) {
            Ok(Self(cv))
        } else {
            Err(Refusal::new(
                format!("a coefficient of variation of {cv} is out of range"),
                "accepted is 0.01 to 30 (`even` has none, `poisson` is 1)",
            ))
        }
    }

    /// Standard deviation over mean.
    #[must_use]
    pub const fn ratio(self) -> f64 {
        self.0
    }

    /// The shape of the gamma law with this coefficient: k = 1/CV².
    #[must_use]
    pub fn gamma_shape(self) -> f64 {
        1.0 / (self.0 * self.0)
    }

    /// The shape c of the Weibull law with this coefficient: CV² = Γ(1 + 2/c) / Γ(1 + 1/c)² − 1, which falls as c
    /// grows, by bisection.
    #[must_use]
    pub fn weibull_shape(self) -> f64 {
        // CV is 1.9e5 at the lower end and 0.0013 at the upper.
        let (mut low, mut high) = (0.05, 1_000.0);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            let squared = libm::expm1(libm::lgamma(1.0 + 2.0 / middle) - 2.0 * libm::lgamma(1.0 + 1.0 / middle));
            if squared > self.0 * self.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }
}

impl std::str::FromStr for Process {
    type Err = Refusal;

    /// Reads `even`, `poisson`, `gamma:CV`, `weibull:CV`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let accepted = "accepted is even, poisson, gamma:CV or weibull:CV, as in gamma:2";
        let refuse = || Refusal::new(format!("`{text}` is not an arrival process"), accepted);
        match text.trim().split_once(':') {
            None if text.trim() == "even" => Ok(Self::Even),
            None if text.trim() == "poisson" => Ok(Self::Poisson),
            Some(("gamma", cv)) => Self::gamma(cv.trim().parse().map_err(|_| refuse())?),
            Some(("weibull", cv)) => Self::weibull(cv.trim().parse().map_err(|_| refuse())?),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Even => f.write_str("even"),
            Self::Poisson => f.write_str("poisson"),
            Self::Gamma { cv } => write!(f, "gamma:{}", cv.0),
            Self::Weibull { cv } => write!(f, "weibull:{}", cv.0),
        }
    }
}

impl TryFrom<String> for Process {
    type Error = Refusal;
    fn try_from(text: String) -> Result<Self, Refusal> {
        text.parse()
    }
}

impl From<Process> for String {
    fn from(process: Process) -> Self {
        process.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn processes_are_read_as_they_are_shown() {
        for text in ["even", "poisson", "gamma:2", "gamma:0.25", "gamma:0.01", "gamma:30", "weibull:2", "weibull:0.5"] {
            assert_eq!(text.parse::<Process>().map(|process| process.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn impossible_processes_are_refused_with_what_is_accepted() {
        for text in [
            "",
            "uniform",
            "gamma",
            "gamma:",
            "gamma:0",
            "gamma:-1",
            "gamma:nan",
            "gamma:31",
            "weibull",
            "weibull:0",
            "weibull:31",
            "even:2",
            "poisson:1",
            "Poisson",
        ] {
            let refusal = text.parse::<Process>().expect_err(text);
            assert!(refusal.accepted.starts_with("accepted is"), "{refusal}");
        }
    }

    #[test]
    fn every_process_knows_its_variation() {
        let variation = |text: &str| text.parse::<Process>().map(Process::cv);
        assert_eq!((variation("even"), variation("poisson"), variation("gamma:2.5")), (Ok(0.0), Ok(1.0), Ok(2.5)));
        assert_eq!(variation("weibull:2.5"), Ok(2.5));
    }

    #[test]
    fn the_weibull_shape_is_the_one_with_the_asked_variation() {
        // Γ is known exactly: c = 1 is the exponential law, c = 1/2 has CV² = 24/4 − 1, c = 1/4 has 8!/4!² − 1, c = 2
        // (Rayleigh) has 4/π − 1.
        for (squared, shape) in [(1.0, 1.0), (5.0, 0.5), (69.0, 0.25), (4.0 / std::f64::consts::PI - 1.0, 2.0)] {
            let found = Cv(libm::sqrt(squared)).weibull_shape();
            assert!((found - shape).abs() < 1e-9, "CV² {squared}: {found} against {shape}");
        }
        let ends = [Cv::MIN, Cv::MAX].map(|cv| Cv(cv).weibull_shape());
        assert!(ends[0] > 100.0 && ends[1] > 0.1 && ends[1] < 0.2, "{ends:?}");
    }

    proptest! {
        #[test]
        fn a_process_survives_its_text(cv in Cv::MIN..=Cv::MAX) {
            for process in [Process::gamma(cv).unwrap(), Process::weibull(cv).unwrap()] {
                prop_assert_eq!(process.to_string().parse::<Process>().unwrap(), process);
                prop_assert_eq!(serde_json::from_str::<Process>(&serde_json::to_string(&process).unwrap()).unwrap(),
                    process);
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,20}") {
            let _ = text.parse::<Process>();
        }
    }
}
