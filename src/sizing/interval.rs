//! Owns `RateInterval`: a rate, and how far it may be off.

use serde::Serialize;

use crate::error::Refusal;
use crate::units::Rate;

/// A rate and how far it may be off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RateInterval {
    low: Rate,
    best: Rate,
    high: Option<Rate>,
}

impl RateInterval {
    /// From the bound that is safe over the best estimate to the upper bound, where there is one; refused out of order.
    pub fn new(low: Rate, best: Rate, high: Option<Rate>) -> Result<Self, Refusal> {
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

    /// The bound that is safe: what fleets are sized by.
    #[must_use]
    pub const fn low(self) -> Rate {
        self.low
    }

    /// The best estimate.
    #[must_use]
    pub const fn best(self) -> Rate {
        self.best
    }

    /// The upper bound; none where nothing above was measured.
    #[must_use]
    pub const fn high(self) -> Option<Rate> {
        self.high
    }

    /// A rate that is known exactly.
    pub(super) const fn exact(rate: Rate) -> Self {
        Self { low: rate, best: rate, high: Some(rate) }
    }
}
