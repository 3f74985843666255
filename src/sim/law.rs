//! Owns `Law`: how one span of the simulated server's time is drawn.

use std::fmt;
use std::time::Duration;

use rand_chacha::rand_core::Rng;

use crate::error::Refusal;
use crate::seed;
use crate::units::parse_duration;

/// What a law's text may be.
pub(crate) const ACCEPTED: &str = "20ms, exp:20ms or lognormal:20ms,0.5 (mean, coefficient of variation)";

/// The law of a span of time, mean 0 to 1 hour, drawn in whole nanoseconds.
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
}

impl Law {
    /// Always `span`; at most 1 hour.
    pub fn constant(span: Duration) -> Result<Self, Refusal> {
        Self::new(span, Shape::Constant)
    }

    /// Exponential of this mean, at most 1 hour.
    pub fn exponential(mean: Duration) -> Result<Self, Refusal> {
        Self::new(mean, Shape::Exponential)
    }

    /// Lognormal of this mean (at most 1 hour) and coefficient of variation (above 0, at most 10): mean·exp(σz − σ²/2), σ² = ln(1 + CV²).
    pub fn lognormal(mean: Duration, variation: f64) -> Result<Self, Refusal> {
        if variation > 0.0 && variation <= 10.0 {
            Self::new(mean, Shape::Lognormal(variation))
        } else {
            Err(Refusal::new(format!("a coefficient of variation of {variation} is out of range"), "accepted is above 0 to 10"))
        }
    }

    /// The default profile's laws; the caller keeps to the ranges of [`Law::lognormal`].
    pub(super) const fn modest(mean_ms: u64) -> Self {
        Self { mean_ns: mean_ms * 1_000_000, shape: Shape::Lognormal(0.1) }
    }

    fn new(mean: Duration, shape: Shape) -> Result<Self, Refusal> {
        if mean > Duration::from_hours(1) {
            return Err(Refusal::new(format!("a mean of {} s is out of range", mean.as_secs_f64()), "accepted is 0 to 1h"));
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

    /// One draw in nanoseconds. A constant draws nothing from `generator`, an exponential one number, a lognormal two.
    pub fn draw_ns(&self, generator: &mut impl Rng) -> u64 {
        let mean_ns = self.mean_ns as f64;
        match self.shape {
            Shape::Constant => self.mean_ns,
            Shape::Exponential => libm::round(mean_ns * seed::exponential(generator)) as u64,
            Shape::Lognormal(variation) => {
                let variance = libm::log1p(variation * variation);
                libm::round(mean_ns * libm::exp(libm::sqrt(variance) * seed::normal(generator) - variance / 2.0)) as u64
            }
        }
    }
}

impl std::str::FromStr for Law {
    type Err = Refusal;

    /// Reads `20ms`, `exp:20ms`, `lognormal:20ms,0.5`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: String| Refusal::new(why, format!("accepted is {ACCEPTED}"));
        let span = |text: &str| parse_duration(text).map_err(|refusal| refuse(refusal.why));
        let text = text.trim();
        if let Some(mean) = text.strip_prefix("exp:") {
            Self::exponential(span(mean)?)
        } else if let Some(rest) = text.strip_prefix("lognormal:") {
            let (mean, variation) = rest.split_once(',').ok_or_else(|| refuse(format!("`{text}` lacks a coefficient of variation")))?;
            let variation = variation.trim().parse().map_err(|_| refuse(format!("`{variation}` is not a number")))?;
            Self::lognormal(span(mean)?, variation)
        } else {
            Self::constant(span(text)?)
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Constant => write_span(f, self.mean()),
            Shape::Exponential => {
                f.write_str("exp:")?;
                write_span(f, self.mean())
            }
            Shape::Lognormal(variation) => {
                f.write_str("lognormal:")?;
                write_span(f, self.mean())?;
                write!(f, ",{variation}")
            }
        }
    }
}

/// Writes a span so that [`parse_duration`] reads exactly the same one.
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
        for (text, variation) in [("20ms", 0.0), ("exp:20ms", 1.0), ("lognormal:20ms,0.5", 0.5)] {
            let law: Law = text.parse().unwrap();
            let mut generator = Seed::new(3).stream("law").sequence();
            let draws: Vec<f64> = (0..40_000).map(|_| law.draw_ns(&mut generator) as f64 / 20e6).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let spread = (draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64).sqrt();
            assert!((mean - 1.0).abs() < 0.02, "{text}: mean {mean}");
            assert!((spread - variation).abs() < 0.03, "{text}: spread {spread}");
        }
    }

    #[test]
    fn a_law_that_cannot_be_is_refused() {
        for text in
            ["", "20", "exp:", "exp:5", "lognormal:20ms", "lognormal:20ms,0", "lognormal:20ms,nan", "lognormal:20ms,11", "2h", "-1ms"]
        {
            assert!(text.parse::<Law>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_law_survives_its_text(nanos in 0u64..3_600_000_000_000, variation in 0.001f64..10.0, shape in 0..3) {
            let mean = Duration::from_nanos(nanos);
            let law = match shape {
                0 => Law::constant(mean),
                1 => Law::exponential(mean),
                _ => Law::lognormal(mean, variation),
            }.unwrap();
            prop_assert_eq!(law.to_string().parse::<Law>(), Ok(law));
        }

        #[test]
        fn no_text_breaks_the_parser(text in "\\PC*") {
            let _ = text.parse::<Law>();
        }
    }
}
