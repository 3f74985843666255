//! Owns `RateInterval`: a rate with its lower and upper bound.

use serde::Serialize;

use crate::error::Refusal;
use crate::units::Rate;

/// A rate with its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct RateInterval {
    low: Rate,
    best: Rate,
    high: Option<Rate>,
}

impl RateInterval {
    /// An interval of the safe lower bound, the best estimate and the upper bound, if any. Refused unless they ascend.
    pub(crate) fn new(low: Rate, best: Rate, high: Option<Rate>) -> Result<Self, Refusal> {
        if low > best || high.is_some_and(|high| best > high) {
            return Err(Refusal::new(
                format!(
                    "the rates {low}, {best} and {} are out of order",
                    high.map_or_else(|| "none".to_owned(), |high| high.to_string())
                ),
                "accepted is lower bound ≤ best estimate ≤ upper bound",
            ));
        }
        Ok(Self { low, best, high })
    }

    /// The safe lower bound, by which fleets are sized.
    #[must_use]
    pub(crate) const fn low(self) -> Rate {
        self.low
    }

    /// The best estimate.
    #[must_use]
    pub(crate) const fn best(self) -> Rate {
        self.best
    }

    /// The upper bound; `None` if no higher rate was measured.
    #[must_use]
    pub(crate) const fn high(self) -> Option<Rate> {
        self.high
    }

    /// A rate that is known exactly.
    pub(super) const fn exact(rate: Rate) -> Self {
        Self { low: rate, best: rate, high: Some(rate) }
    }
}
