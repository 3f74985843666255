//! Owns `Price`, and the cost of a unit of work at a rate.

use serde::Serialize;

use crate::error::Refusal;

/// Hours in a month of cost: 365 × 24 ÷ 12.
pub(crate) const HOURS_PER_MONTH: f64 = 730.0;

/// The price of one GPU per hour, in the user's currency, from 0 to 1 000 000.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub(crate) struct Price(f64);

impl Price {
    /// A price per hour; refused below 0 and above 1 000 000.
    pub(crate) fn new(per_hour: f64) -> Result<Self, Refusal> {
        if (0.0..=1e6).contains(&per_hour) {
            Ok(Self(per_hour))
        } else {
            Err(Refusal::new(format!("a price of {per_hour} an hour is out of range"), "accepted is 0/h to 1000000/h"))
        }
    }

    /// The price per hour.
    #[must_use]
    pub(crate) const fn per_hour(self) -> f64 {
        self.0
    }
}

/// Currency signs that may stand before or after an amount.
const CURRENCIES: [char; 6] = ['$', '€', '£', '¥', '₹', '₩'];

impl std::str::FromStr for Price {
    type Err = Refusal;

    /// Reads `2.5/h`, `$2.5/h` or a bare price per hour. The currency sign is ignored.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let number = text.trim().trim_start_matches(CURRENCIES).trim();
        let number = ["/hour", "/hr", "/h"].iter().find_map(|unit| number.strip_suffix(unit)).unwrap_or(number);
        let number = number.trim().trim_end_matches(CURRENCIES).trim();
        let refuse =
            |_| Refusal::new(format!("`{text}` is not a price"), "accepted is the price of one GPU per hour: 2.5/h");
        Self::new(number.parse().map_err(refuse)?)
    }
}

/// The cost of a unit of work on a replica that is loaded with its rate under the SLO, not with its saturation rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the fields are keys of result.json")]
pub(crate) struct UnitCost {
    /// One request: price per hour ÷ (3 600 r).
    pub per_request: f64,
    /// One request that met every objective; `null` if their share is unknown.
    pub per_good_request: Option<f64>,
    /// 10⁶ output tokens: 10⁶ × price per hour ÷ (3 600 r × mean output tokens); `null` if the output tokens are
    /// unknown.
    pub per_million_output_tokens: Option<f64>,
}

impl UnitCost {
    /// The costs of a replica at `price_per_hour` that carries `rate_per_s` (> 0). `good_share` of the requests meet
    /// the objectives; a request has `output_tokens` on average.
    #[must_use]
    pub(crate) fn at(
        price_per_hour: f64,
        rate_per_s: f64,
        good_share: Option<f64>,
        output_tokens: Option<f64>,
    ) -> Self {
        let per_request = price_per_hour / (3600.0 * rate_per_s);
        let over = |amount: Option<f64>| amount.filter(|amount| *amount > 0.0).map(|amount| per_request / amount);
        Self {
            per_request,
            per_good_request: over(good_share),
            per_million_output_tokens: over(output_tokens).map(|each| each * 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_of_18_an_hour_that_carries_5_per_second_costs_a_thousandth_a_request() {
        let cost = UnitCost::at(18.0, 5.0, Some(0.8), Some(250.0));
        assert!((cost.per_request - 0.001).abs() < 1e-15);
        assert!((cost.per_good_request.unwrap() - 0.001_25).abs() < 1e-15);
        assert!((cost.per_million_output_tokens.unwrap() - 4.0).abs() < 1e-12);
        assert_eq!(
            UnitCost::at(18.0, 5.0, None, Some(0.0)).per_million_output_tokens,
            None,
            "without tokens there is no cost per token"
        );
    }

    #[test]
    fn prices_are_read_with_and_without_their_hour() {
        assert_eq!("2.5/h".parse::<Price>().map(Price::per_hour), Ok(2.5));
        assert_eq!(" 2.5 ".parse::<Price>().map(Price::per_hour), Ok(2.5));
        for text in ["$2.5/h", "€ 2.5 /h", "2.5 $/hr", "$2.5"] {
            assert_eq!(text.parse::<Price>().map(Price::per_hour), Ok(2.5), "{text}");
        }
        for text in ["-1/h", "2.5/s", "nan", "free", "$", "$-1/h"] {
            assert!(text.parse::<Price>().is_err(), "{text}");
        }
    }
}
