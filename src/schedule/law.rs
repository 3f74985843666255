//! Owns the check that planned instants follow the requested law.

use serde::Serialize;
use statrs::function::gamma::checked_gamma_lr;

use crate::schedule::{Arrival, Curve, Cv, Process};
use crate::stats::{ks_critical, ks_distance};

/// How instants compare with the requested law.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LawVerdict {
    /// The requested process.
    pub asked: Process,
    /// Random process: Kolmogorov–Smirnov distance between the gaps in operational time (gap × rate, if the rate is
    /// constant) and the law, 0 to 1. Even: the largest distance of an instant from its place, in seconds.
    pub statistic: f64,
    /// Upper limit of the statistic. Random process: its 1 − 10⁻⁴ quantile under the law. Even: 1 ns.
    pub critical: f64,
    /// Whether the statistic is at most `critical`.
    pub holds: bool,
}

/// Tests a stream of planned instants against `process` at the rate of a curve, by time rescaling: if t(i) follow it,
/// then Λ(t(i)) follow the process of rate 1, whatever the rate is.
///
/// It tests the first 2²⁰ gaps between successive arrivals (8 MiB at most, because the distance needs sorted gaps).
/// The gap from the origin to the first arrival is left out: it has the equilibrium law. Instants are whole
/// nanoseconds, so a gap is known only to ±1 ns. The distance allows for this at the curve's highest rate. Otherwise
/// the ties of a strongly bunched process would count against it.
#[derive(Debug, Clone)]
pub struct LawCheck {
    process: Process,
    curve: Curve,
    before: Option<f64>,
    gaps: Vec<f64>,
    largest_deviation_s: Option<f64>,
}

impl LawCheck {
    /// Maximum number of gaps that are tested.
    pub const MOST_GAPS: usize = 1 << 20;
    /// The probability that a process which follows its law fails the test.
    pub const ALPHA: f64 = 1e-4;
    /// Seconds. How far an even arrival may be from its place: the instant and the expected seconds are both rounded.
    const EVEN_TOLERANCE_S: f64 = 1e-9;

    /// A check that has seen nothing yet.
    #[must_use]
    pub fn new(process: Process, curve: impl Into<Curve>) -> Self {
        Self { process, curve: curve.into(), before: None, gaps: Vec::new(), largest_deviation_s: None }
    }

    /// Takes the next arrival.
    pub fn add(&mut self, arrival: Arrival) {
        if self.process == Process::Even {
            let deviation_s = self.deviation_s(arrival);
            self.largest_deviation_s = Some(self.largest_deviation_s.unwrap_or(0.0).max(deviation_s));
        } else if self.gaps.len() < Self::MOST_GAPS {
            let reached = self.curve.expected(arrival.at.as_secs());
            if let Some(before) = self.before {
                self.gaps.push(reached - before);
            }
            self.before = Some(reached);
        }
    }

    /// How far an even arrival is from its place, in seconds.
    fn deviation_s(&self, arrival: Arrival) -> f64 {
        let index = arrival.index as f64;
        if let Some(rate) = self.curve.constant() {
            // Compared with the index in nanoseconds, independent of the arithmetic of `Timeline`.
            return (arrival.at.as_nanos() as f64 - index * 1e9 / rate.per_s()).abs() / 1e9;
        }
        // Uses the integral, not its inverse: the difference from the index ÷ the rate there. Half a nanosecond on
        // either side allows for the rounding of the instant, 4 ε·index for the rounding of the sum.
        let at_s = arrival.at.as_secs();
        let (early, late) = (self.curve.expected((at_s - 0.5e-9).max(0.0)), self.curve.expected(at_s + 0.5e-9));
        let off = (early - index).max(index - late) - 4.0 * f64::EPSILON * index;
        if off <= 0.0 { 0.0 } else { off / self.curve.rate_per_s(at_s) }
    }

    /// The verdict; `None` if there is nothing to test (no arrival, or a single arrival of a random process).
    #[must_use]
    pub fn verdict(mut self) -> Option<LawVerdict> {
        let (statistic, critical) = match self.process {
            Process::Even => (self.largest_deviation_s?, Self::EVEN_TOLERANCE_S),
            Process::Poisson => self.distance(exponential_cdf)?,
            Process::Gamma { cv } => self.distance(|gap| gamma_cdf(cv, gap))?,
            Process::Weibull { cv } => {
                let shape = cv.weibull_shape();
                let rate = libm::tgamma(1.0 + 1.0 / shape);
                self.distance(|gap| exponential_cdf(libm::pow(rate * gap.max(0.0), shape)))?
            }
        };
        Some(LawVerdict { asked: self.process, statistic, critical, holds: statistic <= critical })
    }

    fn distance(&mut self, cdf: impl Fn(f64) -> f64) -> Option<(f64, f64)> {
        if self.gaps.is_empty() {
            return None;
        }
        self.gaps.sort_unstable_by(f64::total_cmp);
        let rounding = 1e-9 * self.curve.highest_per_s();
        Some((ks_distance(&self.gaps, rounding, cdf), ks_critical(self.gaps.len() as u64, Self::ALPHA)))
    }
}

/// P(gap ≤ `gap`) of the exponential law of mean 1.
fn exponential_cdf(gap: f64) -> f64 {
    -libm::expm1(-gap.max(0.0))
}

/// P(gap ≤ `gap`) of the gamma law of mean 1 and the given CV: the regularised incomplete gamma function P(k, k ·
/// gap), k = 1/CV².
fn gamma_cdf(cv: Cv, gap: f64) -> f64 {
    let shape = cv.gamma_shape();
    if gap <= 0.0 {
        return 0.0;
    }
    checked_gamma_lr(shape, shape * gap).unwrap_or(1.0)
}
