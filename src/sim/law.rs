//! Owns `Law`: the distribution of one duration of the simulated server.

use std::fmt;
use std::time::Duration;

use rand_chacha::rand_core::Rng;

use crate::error::Refusal;
use crate::schedule::gamma;
use crate::seed;
use crate::units::parse_duration;

/// The accepted forms of a law's text.
pub(crate) const ACCEPTED: &str = "20ms, exp:20ms, lognormal:20ms,0.5, gamma:20ms,0.5, hyper:20ms,2 (mean, coefficient \
    of variation), \
     pareto:20ms,2.5 or pareto:20ms,1.5,1000 (mean, shape, largest ÷ smallest value)";

/// The law of a duration: mean 0 to 1 hour, drawn in whole nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Law {
    mean_ns: u64,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Constant,
    Exponential,
    /// Coefficient of variation, above 0 and at most 10.
    Lognormal(f64),
    /// Coefficient of variation, above 0 and at most 10.
    Gamma(f64),
    /// Coefficient of variation, above 1 and at most 10.
    Hyperexponential(f64),
    Pareto {
        shape: f64,
        /// Largest ÷ smallest value; infinite without a cut.
        cut: f64,
        /// The smallest value ÷ the mean.
        least: f64,
        /// P(X > largest value) of the law without a cut.
        beyond: f64,
    },
}

impl Law {
    /// Always `span`, at most 1 hour.
    pub fn constant(span: Duration) -> Result<Self, Refusal> {
        Self::new(span, Shape::Constant)
    }

    /// Exponential law of this mean, at most 1 hour.
    pub fn exponential(mean: Duration) -> Result<Self, Refusal> {
        Self::new(mean, Shape::Exponential)
    }

    /// Lognormal law of this mean (at most 1 hour) and coefficient of variation (above 0, at most 10): mean·exp(σz −
    /// σ²/2), σ² = ln(1 + CV²).
    pub fn lognormal(mean: Duration, variation: f64) -> Result<Self, Refusal> {
        if variation > 0.0 && variation <= 10.0 {
            Self::new(mean, Shape::Lognormal(variation))
        } else {
            Err(Refusal::new(
                format!("a coefficient of variation of {variation} is out of range"),
                "accepted is above 0 to 10",
            ))
        }
    }

    /// Gamma law of this mean (at most 1 hour) and coefficient of variation (above 0, at most 10).
    pub fn gamma(mean: Duration, variation: f64) -> Result<Self, Refusal> {
        if variation > 0.0 && variation <= 10.0 {
            Self::new(mean, Shape::Gamma(variation))
        } else {
            Err(Refusal::new(
                format!("a coefficient of variation of {variation} is out of range"),
                "accepted is above 0 to 10",
            ))
        }
    }

    /// Hyperexponential law of this mean (at most 1 hour) and coefficient of variation (above 1, at most 10), with
    /// two branches of balanced means. The branch of probability p has mean `mean`/2p, p = ½ + ½√((CV² − 1)/(CV² +
    /// 1)) (Whitt, "Approximating a point process by a renewal process", 1982, eq. 3.7).
    pub fn hyperexponential(mean: Duration, variation: f64) -> Result<Self, Refusal> {
        if variation > 1.0 && variation <= 10.0 {
            Self::new(mean, Shape::Hyperexponential(variation))
        } else {
            Err(Refusal::new(
                format!("a coefficient of variation of {variation} is out of range"),
                "accepted is above 1 to 10",
            ))
        }
    }

    /// Pareto law of this mean (at most 1 hour): P(X > x) = (m/x)^`shape` for x ≥ the smallest value m; shape above
    /// 1, at most 100.
    pub fn pareto(mean: Duration, shape: f64) -> Result<Self, Refusal> {
        Self::pareto_cut(mean, shape, f64::INFINITY)
    }

    /// Pareto law of `shape`, conditioned on values below `cut` (above 1) times the smallest value; `mean` is the
    /// mean of the law with the cut.
    pub fn pareto_cut(mean: Duration, shape: f64, cut: f64) -> Result<Self, Refusal> {
        if !(shape > 1.0 && shape <= 100.0) {
            return Err(Refusal::new(
                format!("a Pareto shape of {shape} is out of range"),
                "accepted is above 1 to 100",
            ));
        }
        if cut.is_nan() || cut <= 1.0 {
            return Err(Refusal::new(
                format!("a cut at {cut} times the smallest value is out of range"),
                "accepted is above 1",
            ));
        }
        let power = |exponent: f64| if cut.is_finite() { libm::exp(exponent * libm::log(cut)) } else { 0.0 };
        let beyond = power(-shape);
        // Mean ÷ smallest value: shape/(shape − 1) · (1 − cut^(1 − shape))/(1 − cut^−shape).
        let mean_over_least = shape / (shape - 1.0) * (1.0 - power(1.0 - shape)) / (1.0 - beyond);
        Self::new(mean, Shape::Pareto { shape, cut, least: 1.0 / mean_over_least, beyond })
    }

    /// The laws of the default profile; `mean_ms` must be within the range of [`Law::lognormal`].
    pub(super) const fn modest(mean_ms: u64) -> Self {
        Self { mean_ns: mean_ms * 1_000_000, shape: Shape::Lognormal(0.1) }
    }

    fn new(mean: Duration, shape: Shape) -> Result<Self, Refusal> {
        if mean > Duration::from_hours(1) {
            return Err(Refusal::new(
                format!("a mean of {} s is out of range", mean.as_secs_f64()),
                "accepted is 0 to 1h",
            ));
        }
        Ok(Self { mean_ns: u64::try_from(mean.as_nanos()).unwrap_or(u64::MAX), shape })
    }

    /// The mean.
    #[must_use]
    pub const fn mean(&self) -> Duration {
        Duration::from_nanos(self.mean_ns)
    }

    /// Whether every draw is the mean.
    #[must_use]
    pub const fn is_constant(&self) -> bool {
        matches!(self.shape, Shape::Constant)
    }

    /// Whether draws are exponential.
    #[must_use]
    pub const fn is_exponential(&self) -> bool {
        matches!(self.shape, Shape::Exponential)
    }

    /// One draw in nanoseconds. A constant takes no random number from `generator`, an exponential and a Pareto law
    /// one, a lognormal and a hyperexponential law two, a gamma law as many as its rejections need.
    pub fn draw_ns(&self, generator: &mut impl Rng) -> u64 {
        let mean_ns = self.mean_ns as f64;
        match self.shape {
            Shape::Constant => self.mean_ns,
            Shape::Exponential => libm::round(mean_ns * seed::exponential(generator)) as u64,
            Shape::Lognormal(variation) => {
                let variance = libm::log1p(variation * variation);
                libm::round(mean_ns * libm::exp(libm::sqrt(variance) * seed::normal(generator) - variance / 2.0)) as u64
            }
            Shape::Gamma(variation) => {
                let shape = 1.0 / (variation * variation);
                libm::round(mean_ns * gamma(shape, generator) / shape) as u64
            }
            Shape::Hyperexponential(variation) => {
                let squared = variation * variation;
                let likely = 0.5 + 0.5 * libm::sqrt((squared - 1.0) / (squared + 1.0));
                let branch = if seed::open_unit(generator) < likely { likely } else { 1.0 - likely };
                libm::round(mean_ns * seed::exponential(generator) / (2.0 * branch)) as u64
            }
            Shape::Pareto { shape, least, beyond, .. } => {
                let tail = beyond + (1.0 - beyond) * seed::open_unit(generator);
                libm::round(mean_ns * least * libm::exp(-libm::log(tail) / shape)) as u64
            }
        }
    }
}

impl std::str::FromStr for Law {
    type Err = Refusal;

    /// Reads `20ms`, `exp:20ms`, `lognormal:20ms,0.5`, `gamma:20ms,0.5`, `hyper:20ms,2`, `pareto:20ms,2.5`,
    /// `pareto:20ms,1.5,1000`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: String| Refusal::new(why, format!("accepted is {ACCEPTED}"));
        let span = |text: &str| parse_duration(text).map_err(|refusal| refuse(refusal.why));
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| refuse(format!("`{text}` is not a number")));
        let text = text.trim();
        let Some((name, rest)) = text.split_once(':') else { return Self::constant(span(text)?) };
        let values: Vec<&str> = rest.split(',').collect();
        match (name, values.as_slice()) {
            ("exp", [mean]) => Self::exponential(span(mean)?),
            ("lognormal", [mean, variation]) => Self::lognormal(span(mean)?, number(variation)?),
            ("gamma", [mean, variation]) => Self::gamma(span(mean)?, number(variation)?),
            ("hyper", [mean, variation]) => Self::hyperexponential(span(mean)?, number(variation)?),
            ("pareto", [mean, shape]) => Self::pareto(span(mean)?, number(shape)?),
            ("pareto", [mean, shape, cut]) => Self::pareto_cut(span(mean)?, number(shape)?, number(cut)?),
            ("lognormal" | "gamma" | "hyper", [_]) => Err(refuse(format!("`{text}` lacks a coefficient of variation"))),
            ("pareto", [_]) => Err(refuse(format!("`{text}` lacks a shape"))),
            _ => Err(refuse(format!("`{text}` is not a law"))),
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut named = |name: &str| {
            f.write_str(name)?;
            write_span(f, self.mean())
        };
        match self.shape {
            Shape::Constant => named(""),
            Shape::Exponential => named("exp:"),
            Shape::Lognormal(variation) => {
                named("lognormal:")?;
                write!(f, ",{variation}")
            }
            Shape::Gamma(variation) => {
                named("gamma:")?;
                write!(f, ",{variation}")
            }
            Shape::Hyperexponential(variation) => {
                named("hyper:")?;
                write!(f, ",{variation}")
            }
            Shape::Pareto { shape, cut, .. } => {
                named("pareto:")?;
                write!(f, ",{shape}")?;
                if cut.is_finite() { write!(f, ",{cut}") } else { Ok(()) }
            }
        }
    }
}

/// Writes a duration so that [`parse_duration`] reads the same value.
pub(super) fn write_span(f: &mut fmt::Formatter<'_>, span: Duration) -> fmt::Result {
    let nanos = span.as_nanos();
    if nanos.is_multiple_of(1_000_000_000) {
        write!(f, "{}s", nanos / 1_000_000_000)
    } else if nanos.is_multiple_of(1_000_000) {
        write!(f, "{}ms", nanos / 1_000_000)
    } else if nanos.is_multiple_of(1_000) {
        write!(f, "{}us", nanos / 1_000)
    } else {
        write!(f, "{}.{:03}us", nanos / 1_000, nanos % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seed::Seed;

    #[test]
    fn draws_have_the_mean_and_spread_that_the_text_promises() {
        for (text, variation) in [
            ("20ms", 0.0_f64),
            ("exp:20ms", 1.0),
            ("lognormal:20ms,0.5", 0.5),
            ("gamma:20ms,0.5", 0.5),
            ("gamma:20ms,2", 2.0),
            ("hyper:20ms,2", 2.0),
            // CV² of a Pareto law: 1/(shape · (shape − 2)).
            ("pareto:20ms,6", 0.2041),
            // From the moments of the law with a cut; in units of the smallest value, E X = 3 · 0.9/0.999, E X² = 3 ·
            // 9/0.999.
            ("pareto:20ms,1.5,100", 1.6432),
        ] {
            let law: Law = text.parse().unwrap();
            let mut generator = Seed::new(3).stream("law").sequence();
            let draws: Vec<f64> = (0..40_000).map(|_| law.draw_ns(&mut generator) as f64 / 20e6).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let spread = (draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64).sqrt();
            assert!((mean - 1.0).abs() < 0.02 * variation.max(1.0), "{text}: mean {mean}");
            assert!((spread - variation).abs() < 0.03 * variation.max(1.0), "{text}: spread {spread}");
        }
    }

    #[test]
    fn a_law_that_cannot_be_is_refused() {
        for text in [
            "",
            "20",
            "exp:",
            "exp:5",
            "lognormal:20ms",
            "lognormal:20ms,0",
            "lognormal:20ms,nan",
            "lognormal:20ms,11",
            "2h",
            "-1ms",
            "exp:1ms,1",
            "gamma:1ms",
            "gamma:1ms,0",
            "hyper:1ms,1",
            "hyper:1ms,x",
            "pareto:1ms",
            "pareto:1ms,1",
            "pareto:1ms,2,1",
            "pareto:1ms,2,nan",
            "zipf:1ms",
        ] {
            assert!(text.parse::<Law>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_law_survives_its_text(nanos in 0u64..3_600_000_000_000, variation in 0.001f64..10.0, shape in 0..7) {
            let mean = Duration::from_nanos(nanos);
            let law = match shape {
                0 => Law::constant(mean),
                1 => Law::exponential(mean),
                2 => Law::lognormal(mean, variation),
                3 => Law::gamma(mean, variation),
                4 => Law::hyperexponential(mean, 1.0 + 0.9 * variation),
                5 => Law::pareto(mean, 1.0 + variation),
                _ => Law::pareto_cut(mean, 1.0 + variation, 1.0 + 100.0 * variation),
            }.unwrap();
            prop_assert_eq!(law.to_string().parse::<Law>(), Ok(law));
        }

        #[test]
        fn no_text_breaks_the_parser(text in "\\PC*") {
            let _ = text.parse::<Law>();
        }
    }
}
