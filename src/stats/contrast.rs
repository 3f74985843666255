//! Owns the contrast of two independent estimates: their difference and their ratio, with limits.

use serde::{Deserialize, Serialize};

use crate::stats::dispersion::student_point;

/// An estimate with its two-sided 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimated value.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Degrees of freedom of the width of the interval; large where the width is known well.
    pub degrees: f64,
}

impl Estimate {
    /// Degrees of freedom of an interval whose width is known well: the normal law.
    pub const EXACT: f64 = 1e6;

    /// The distances from the value to the ends of its interval, in standard errors.
    fn errors(&self, of: impl Fn(f64) -> f64) -> [f64; 2] {
        let point = student_point(0.975, self.degrees);
        [(of(self.value) - of(self.low)) / point, (of(self.high) - of(self.value)) / point].map(|error| error.max(0.0))
    }
}

/// A difference on one scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// The difference.
    pub value: f64,
    /// Standard error towards lower and towards higher values.
    errors: [f64; 2],
    degrees: [f64; 2],
}

impl Gap {
    /// The difference `to` − `from`, each transformed by `of`.
    ///
    /// Each side takes the squares of the distances of both intervals (MOVER: Zou and Donner, 2008, eq. 4 and 5), which
    /// keeps intervals that are not symmetric. Degrees of freedom: Welch, 1947.
    fn between(from: &Estimate, to: &Estimate, of: impl Fn(f64) -> f64 + Copy) -> Self {
        let (before, after) = (from.errors(of), to.errors(of));
        let square = |value: f64| value * value;
        let side = |after: f64, before: f64| {
            let (one, other) = (square(after), square(before));
            let spread = square(one) / to.degrees + square(other) / from.degrees;
            let degrees = if spread > 0.0 { square(one + other) / spread } else { from.degrees.min(to.degrees) };
            (libm::sqrt(one + other), degrees)
        };
        let (down, up) = (side(after[0], before[1]), side(after[1], before[0]));
        Self { value: of(to.value) - of(from.value), errors: [down.0, up.0], degrees: [down.1, up.1] }
    }

    /// The one-sided lower limit at `confidence`.
    #[must_use]
    pub fn low(&self, confidence: f64) -> f64 {
        self.value - self.errors[0] * student_point(confidence, self.degrees[0])
    }

    /// The one-sided upper limit at `confidence`.
    #[must_use]
    pub fn high(&self, confidence: f64) -> f64 {
        self.value + self.errors[1] * student_point(confidence, self.degrees[1])
    }

    /// The two-sided interval at `confidence`.
    #[must_use]
    pub fn interval(&self, confidence: f64) -> [f64; 2] {
        let side = 1.0 - (1.0 - confidence) / 2.0;
        [self.low(side), self.high(side)]
    }

    /// Whether the two-sided interval at `confidence` lies on one side of 0.
    #[must_use]
    pub fn is_sure(&self, confidence: f64) -> bool {
        let [low, high] = self.interval(confidence);
        low > 0.0 || high < 0.0
    }

    /// How many times as long both runs must be, so that a true difference of `wanted` from the difference `from` is
    /// found with probability `power` at the one-sided `confidence`. The standard error falls with the root of the
    /// length.
    #[must_use]
    pub fn times_as_long(&self, wanted: f64, confidence: f64, power: f64) -> f64 {
        let error = self.errors[0].max(self.errors[1]);
        let points =
            student_point(confidence, self.degrees[0].min(self.degrees[1])) + student_point(power, Estimate::EXACT);
        let ratio = error * points / libm::fabs(wanted);
        ratio * ratio
    }
}

/// Two estimates compared: the second against the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// The second minus the first.
    pub difference: Gap,
    /// The natural logarithm of second ÷ first; `None` unless both intervals lie above 0.
    pub log_ratio: Option<Gap>,
    from: Estimate,
    to: Estimate,
}

impl Contrast {
    /// `to` against `from`, measured in independent runs.
    #[must_use]
    pub fn of(from: &Estimate, to: &Estimate) -> Self {
        let is_positive = from.low > 0.0 && to.low > 0.0;
        Self {
            difference: Gap::between(from, to, |value| value),
            log_ratio: is_positive.then(|| Gap::between(from, to, |value: f64| libm::log(value))),
            from: *from,
            to: *to,
        }
    }

    /// The second minus `factor` (at least 0) times the first: below 0 where second ÷ first is below `factor`. It needs
    /// no logarithm, so that a second value of 0 has it.
    #[must_use]
    pub fn beyond(&self, factor: f64) -> Gap {
        let Estimate { value, low, high, degrees } = self.from;
        let scaled = Estimate { value: value * factor, low: low * factor, high: high * factor, degrees };
        Gap::between(&scaled, &self.to, |value| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, low: f64, high: f64) -> Estimate {
        Estimate { value, low, high, degrees: Estimate::EXACT }
    }

    #[test]
    fn the_interval_of_a_difference_adds_the_squares_of_the_distances() {
        let contrast = Contrast::of(&estimate(10.0, 7.0, 14.0), &estimate(20.0, 17.0, 24.0));
        let [low, high] = contrast.difference.interval(0.95);
        // Down: 3 of the second and 4 of the first; up: 4 of the second and 3 of the first.
        assert!((low - 5.0).abs() < 1e-4 && (high - 15.0).abs() < 1e-4, "{low} {high}");
        assert!(contrast.difference.is_sure(0.95) && !contrast.difference.is_sure(0.999_99));
    }

    #[test]
    fn the_ratio_of_equal_errors_is_wider_by_the_root_of_two() {
        let one = estimate(1.0, 1.0 / 1.1, 1.1);
        let gap = Contrast::of(&one, &estimate(2.0, 2.0 / 1.1, 2.2)).log_ratio.unwrap();
        let [low, high] = gap.interval(0.95).map(f64::exp);
        let wide = 1.1f64.powf(2f64.sqrt());
        assert!((low - 2.0 / wide).abs() < 1e-4 && (high - 2.0 * wide).abs() < 1e-4, "{low} {high}");
        assert!(Contrast::of(&estimate(0.0, 0.0, 1.0), &one).log_ratio.is_none(), "no ratio to 0");
        let none = Contrast::of(&one, &estimate(0.0, 0.0, 0.0));
        assert!(none.log_ratio.is_none() && none.beyond(0.95).high(0.95) < 0.0 && none.beyond(0.0).high(0.95) >= 0.0);
    }

    #[test]
    fn few_degrees_of_freedom_widen_the_interval_as_welch_says() {
        let few = |value: f64| Estimate { value, low: value - 2.3646, high: value + 2.3646, degrees: 7.0 };
        // Two standard errors of 1 with 7 degrees each: error √2, 14 degrees, point 2.1448.
        let [low, high] = Contrast::of(&few(0.0), &few(0.0)).difference.interval(0.95);
        assert!((high - 2.1448 * 2f64.sqrt()).abs() < 1e-3 && (low + high).abs() < 1e-9, "{low} {high}");
    }

    #[test]
    fn four_times_as_long_finds_half_the_difference() {
        let gap = Contrast::of(&estimate(1.0, 0.9, 1.1), &estimate(1.0, 0.9, 1.1)).difference;
        let (coarse, fine) = (gap.times_as_long(0.2, 0.975, 0.95), gap.times_as_long(0.1, 0.975, 0.95));
        assert!((fine / coarse - 4.0).abs() < 1e-9);
        // The error is 0.1 · √2 ÷ 1.96; the points are 1.96 and 1.645.
        assert!((fine - (2f64.sqrt() / 1.96 * 3.605).powi(2)).abs() < 0.01, "{fine}");
    }
}
