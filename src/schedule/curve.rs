//! Owns `Curve`: the rate over time λ(t) that a timeline follows, its integral Λ(t), and the arrivals that its
//! inverse places.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::schedule::piece::Pieces;
use crate::units::{Offset, Rate, Window};

/// λ(t) ≥ 0 in requests per second, and Λ(t) = ∫ λ from the origin, in requests. Cheap to clone.
///
/// A process of rate 1 with arrivals S(i) becomes one of rate λ(t) by the exact change of time t(i) = Λ⁻¹(S(i)):
/// counts in any span have the mean ∫ λ, and Λ(t(i)) has the law of the process, whatever λ is. Where Λ stands still
/// (λ = 0) the latest such t is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve(Kind);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Constant(Rate),
    Shaped(Arc<Pieces>),
}

impl From<Rate> for Curve {
    /// The same rate without end.
    fn from(rate: Rate) -> Self {
        Self(Kind::Constant(rate))
    }
}

impl From<Pieces> for Curve {
    fn from(pieces: Pieces) -> Self {
        Self(Kind::Shaped(Arc::new(pieces)))
    }
}

impl Curve {
    /// The rate, where it is the same for ever.
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

    /// The mean rate inside `window`, ∫ λ over its length; λ at its start where it has none.
    #[must_use]
    pub fn mean_per_s(&self, window: Window) -> f64 {
        match &self.0 {
            Kind::Constant(rate) => rate.per_s(),
            Kind::Shaped(pieces) if window.length_s() <= 0.0 => pieces.rate(window.start.as_secs()),
            Kind::Shaped(_) => self.expected_in(window) / window.length_s(),
        }
    }

    /// What λ never exceeds.
    #[must_use]
    pub fn highest_per_s(&self) -> f64 {
        match &self.0 {
            Kind::Constant(rate) => rate.per_s(),
            Kind::Shaped(pieces) => pieces.highest(),
        }
    }

    /// Λ⁻¹: the instant at which so many requests are expected to have come; [`Offset::NEVER`] where they never are.
    #[must_use]
    pub fn instant(&self, reached: f64) -> Offset {
        self.walk().instant(reached)
    }

    /// Λ⁻¹ for numbers that only rise.
    pub(crate) fn walk(&self) -> Walk {
        Walk { curve: self.clone(), number: 0 }
    }
}

/// Goes along a [`Curve`]: Λ⁻¹ of numbers that never fall, each from its own number alone, the piece it lies in found
/// from the last one's.
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
