//! Owns the check that planned instants follow the law that was asked for.

use serde::Serialize;
use statrs::function::gamma::checked_gamma_lr;

use crate::schedule::{Arrival, Cv, Process};
use crate::stats::{ks_critical, ks_distance};
use crate::units::{Offset, Rate};

/// How instants compare with the law asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LawVerdict {
    /// The process asked for.
    pub asked: Process,
    /// Random process: Kolmogorov–Smirnov distance of gaps × rate from the law, 0 to 1. Even: largest |instant − i/rate|, in seconds.
    pub statistic: f64,
    /// What the statistic may reach. Random process: its 1 − 10⁻⁴ quantile under the law. Even: 1 ns.
    pub critical: f64,
    /// Whether the statistic stays within it.
    pub holds: bool,
}

/// Judges a stream of planned instants against `process` at `rate`.
///
/// The gaps between successive arrivals are judged (not the first, from the origin, which has the equilibrium law), the first 2²⁰ of them,
/// since the distance needs them sorted: 8 MiB at most. Instants are whole nanoseconds, so that a gap is known to ±1 ns only; the distance
/// allows for that, otherwise the ties of a strongly bunched process would be held against it.
#[derive(Debug, Clone)]
pub struct LawCheck {
    process: Process,
    rate: Rate,
    before: Option<Offset>,
    gaps: Vec<f64>,
    largest_deviation_s: Option<f64>,
}

impl LawCheck {
    /// Most gaps that are judged.
    pub const MOST_GAPS: usize = 1 << 20;
    /// The chance that a process which follows its law is refused.
    pub const ALPHA: f64 = 1e-4;
    /// How far an even arrival may stand from i/rate: rounding to the nanosecond, and of the seconds it is held against.
    const EVEN_TOLERANCE_S: f64 = 1e-9;

    /// A check that has seen nothing yet.
    #[must_use]
    pub fn new(process: Process, rate: Rate) -> Self {
        Self { process, rate, before: None, gaps: Vec::new(), largest_deviation_s: None }
    }

    /// Takes the next arrival.
    pub fn add(&mut self, arrival: Arrival) {
        if self.process == Process::Even {
            // Held against the index in integers, apart from the arithmetic of `Timeline`.
            let deviation_s = (arrival.at.as_nanos() as f64 - arrival.index as f64 * 1e9 / self.rate.per_s()).abs() / 1e9;
            self.largest_deviation_s = Some(self.largest_deviation_s.unwrap_or(0.0).max(deviation_s));
        } else if self.gaps.len() < Self::MOST_GAPS {
            if let Some(before) = self.before {
                self.gaps.push(arrival.at.secs_since(before) * self.rate.per_s());
            }
            self.before = Some(arrival.at);
        }
    }

    /// The verdict; none where there is nothing to judge (no arrival, or a single one of a random process).
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
        let rounding = 1e-9 * self.rate.per_s();
        Some((ks_distance(&self.gaps, rounding, cdf), ks_critical(self.gaps.len() as u64, Self::ALPHA)))
    }
}

/// P(gap ≤ `gap`) of the exponential law of mean 1.
fn exponential_cdf(gap: f64) -> f64 {
    -libm::expm1(-gap.max(0.0))
}

/// P(gap ≤ `gap`) of the gamma law of mean 1 and the given CV: the regularised incomplete gamma function P(k, k · gap), k = 1/CV².
fn gamma_cdf(cv: Cv, gap: f64) -> f64 {
    let shape = cv.gamma_shape();
    if gap <= 0.0 {
        return 0.0;
    }
    checked_gamma_lr(shape, shape * gap).unwrap_or(1.0)
}
