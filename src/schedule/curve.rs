//! Owns `Curve`: the rate over time λ(t) of a timeline, its integral Λ(t), and the inverse that gives the arrivals.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::schedule::piece::Pieces;
use crate::units::{Offset, Rate, Window};

/// λ(t) ≥ 0 in requests per second, and Λ(t) = ∫ λ from the origin, in requests. Cheap to clone.
///
/// A process of rate 1 with arrivals S(i) becomes one of rate λ(t) by the exact change of time t(i) = Λ⁻¹(S(i)):
/// counts in any span have the mean ∫ λ, and Λ(t(i)) has the law of the process, whatever λ is. Where Λ is constant
/// (λ = 0), the latest t with that Λ is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve(Kind);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Constant(Rate),
    Shaped(Arc<Pieces>),
}

impl From<Rate> for Curve {
    /// A constant rate without end.
    fn from(rate: Rate) -> Self {
        Self(Kind::Constant(rate))
    }
}

impl From<Pieces> for Curve {
    fn from(pieces: Pieces) -> Self {
        Self(Kind::Shaped(Arc::new(pieces)))
    }
}

/// A jump of the rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateStep {
    /// When, in seconds from the origin.
    pub at_s: f64,
    /// λ before it, in requests per second.
    pub from_per_s: f64,
    /// λ after it, in requests per second.
    pub to_per_s: f64,
}

impl Curve {
    /// The most steps that are told.
    const MOST_STEPS: usize = 24;
    /// The least ratio of the rates on both sides of a step.
    const LEAST_STEP: f64 = 1.2;

    /// The rate, if it is constant.
    #[must_use]
    pub fn constant(&self) -> Option<Rate> {
        match &self.0 {
            Kind::Constant(rate) => Some(*rate),
            Kind::Shaped(_) => None,
        }
    }

    /// λ at `at_s` seconds from the origin.
    #[must_use]
    pub fn rate_per_s(&self, at_s: f64) -> f64 {
        match &self.0 {
            Kind::Constant(rate) => rate.per_s(),
            Kind::Shaped(pieces) => pieces.rate(at_s),
        }
    }

    /// Λ at `at_s` seconds from the origin: the requests expected before it.
    #[must_use]
    pub fn expected(&self, at_s: f64) -> f64 {
        match &self.0 {
            Kind::Constant(rate) => rate.per_s() * at_s,
            Kind::Shaped(pieces) => pieces.area(at_s),
        }
    }

    /// The requests expected inside `window`.
    #[must_use]
    pub fn expected_in(&self, window: Window) -> f64 {
        match &self.0 {
            Kind::Constant(rate) => rate.per_s() * window.length_s(),
            Kind::Shaped(pieces) => pieces.area(window.end.as_secs()) - pieces.area(window.start.as_secs()),
        }
    }

    /// The mean rate inside `window`: ∫ λ ÷ its length, or λ at its start if its length is 0.
    #[must_use]
    pub fn mean_per_s(&self, window: Window) -> f64 {
        match &self.0 {
            Kind::Constant(rate) => rate.per_s(),
            Kind::Shaped(pieces) if window.length_s() <= 0.0 => pieces.rate(window.start.as_secs()),
            Kind::Shaped(_) => self.expected_in(window) / window.length_s(),
        }
    }

    /// The instants at which λ jumps by at least a fifth. Empty where there are more than `MOST_STEPS`: such a
    /// rate is noise.
    #[must_use]
    pub fn steps(&self) -> Vec<RateStep> {
        let Kind::Shaped(pieces) = &self.0 else { return Vec::new() };
        let is_step =
            |(_, from, to): &(f64, f64, f64)| from.max(*to) > 0.0 && from.max(*to) >= Self::LEAST_STEP * from.min(*to);
        let steps = pieces.borders().filter(is_step);
        let steps: Vec<RateStep> = steps
            .map(|(at_s, from_per_s, to_per_s)| RateStep { at_s, from_per_s, to_per_s })
            .take(Self::MOST_STEPS + 1)
            .collect();
        if steps.len() > Self::MOST_STEPS { Vec::new() } else { steps }
    }

    /// An upper bound of λ, in requests per second.
    #[must_use]
    pub fn highest_per_s(&self) -> f64 {
        match &self.0 {
            Kind::Constant(rate) => rate.per_s(),
            Kind::Shaped(pieces) => pieces.highest(),
        }
    }

    /// Λ⁻¹: the instant at which `reached` requests are expected to have arrived; [`Offset::NEVER`] if there is none.
    #[must_use]
    pub fn instant(&self, reached: f64) -> Offset {
        self.walk().instant(reached)
    }

    /// Λ⁻¹ for numbers that never fall.
    pub(crate) fn walk(&self) -> Walk {
        Walk { curve: self.clone(), number: 0 }
    }
}

/// Λ⁻¹ of a [`Curve`] for numbers that never fall. Each result depends only on its own number; the search for its
/// piece starts at the last piece found.
#[derive(Debug, Clone)]
pub(crate) struct Walk {
    curve: Curve,
    number: usize,
}

impl Walk {
    /// The instant at which the integral passes `reached`, to the nanosecond.
    pub(crate) fn instant(&mut self, reached: f64) -> Offset {
        match &self.curve.0 {
            Kind::Constant(rate) => Offset::from_secs(reached / rate.per_s()),
            Kind::Shaped(pieces) => {
                self.number = pieces.find(reached, self.number);
                pieces.inverse_in(self.number, reached).map_or(Offset::NEVER, Offset::from_secs)
            }
        }
    }
}
