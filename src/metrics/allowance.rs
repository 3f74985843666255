//! Owns `Allowance`: the largest worsening of a measure that a comparison accepts (`p99 ttft +10%`), and its decision.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::metrics::Direction;
use crate::metrics::measure::{Measure, MeasureUnit};
use crate::stats::contrast::{Contrast, Gap};
use crate::units::{parse_duration, parse_per_s};

/// One-sided confidence of a decision.
const CONFIDENCE: f64 = 0.95;
/// Chance with which the run length that is said to decide does decide.
const POWER: f64 = 0.8;

/// A change of a value, with its sign.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    /// A share of the first value: 0.1 is +10 %.
    Relative(f64),
    /// A number in the unit of the measure. An error rate changes by points of a percent.
    Absolute(f64),
}

/// The largest worsening that is accepted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Allowance {
    /// The measure.
    pub measure: Measure,
    change: Change,
    text: String,
}

/// The decision on an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ruling {
    /// Surely more worsening than is accepted.
    Worse,
    /// Surely less worsening than is accepted.
    Within,
    /// Neither is sure.
    Undecided,
}

impl Allowance {
    /// The decision, each side at one-sided 95 % confidence.
    #[must_use]
    pub(crate) fn ruling(&self, contrast: &Contrast) -> Ruling {
        let (gap, limit) = self.gap(contrast);
        let (low, high) = (gap.low(CONFIDENCE), gap.high(CONFIDENCE));
        let (is_within, is_worse) = match self.measure.better() {
            Direction::Higher => (low >= limit, high < limit),
            Direction::Lower | Direction::Neither => (high <= limit, low > limit),
        };
        if is_worse {
            Ruling::Worse
        } else if is_within {
            Ruling::Within
        } else {
            Ruling::Undecided
        }
    }

    /// How many times as long both runs must be to decide with a chance of 80 %, if the observed difference is the true
    /// one.
    #[must_use]
    pub(crate) fn times_as_long(&self, contrast: &Contrast) -> f64 {
        let (gap, limit) = self.gap(contrast);
        gap.times_as_long(limit - gap.value, CONFIDENCE, POWER)
    }

    /// The difference and the largest accepted difference, on the scale of the allowance.
    fn gap(&self, contrast: &Contrast) -> (Gap, f64) {
        match self.change {
            Change::Relative(share) => {
                contrast.log_ratio.map_or_else(|| (contrast.beyond(1.0 + share), 0.0), |gap| (gap, libm::log1p(share)))
            }
            Change::Absolute(change) => (contrast.difference, change),
        }
    }
}

impl fmt::Display for Allowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const ACCEPTED: &str = "accepted is `p99 ttft +10%`, `p50 e2e +20ms`, `tokens/s -5%`, `error_rate +1%`";

impl std::str::FromStr for Allowance {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refuse = |why: &str| Refusal::new(format!("`{text}` {why}"), ACCEPTED);
        let Some(place) = text.rfind(['+', '-']) else { return Err(refuse("has no change with its sign")) };
        let (name, change) = text.split_at(place);
        let (sign, size) = change.split_at(1);
        let measure: Measure = name.trim().parse()?;
        let wanted = match measure.better() {
            Direction::Higher => ("-", "higher is better, so that a fall is limited"),
            Direction::Lower | Direction::Neither => ("+", "lower is better, so that a rise is limited"),
        };
        if sign != wanted.0 {
            let size = size.trim();
            return Err(Refusal::new(
                format!("`{text}`: {}", wanted.1),
                format!("write `{measure} {}{size}`", wanted.0),
            ));
        }
        let factor = if sign == "-" { -1.0 } else { 1.0 };
        let size = size.trim();
        let (change, shown) = if let Some(percent) = size.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| refuse("has no number before the `%`"))?;
            if !(percent.is_finite() && percent >= 0.0 && (sign == "+" || percent < 100.0)) {
                return Err(refuse("is out of range"));
            }
            let share = factor * percent / 100.0;
            let change = if measure == Measure::ErrorRate { Change::Absolute(share) } else { Change::Relative(share) };
            (change, format!("{percent}%"))
        } else {
            let absolute = match measure.unit() {
                MeasureUnit::Seconds => parse_duration(size).map(|span| span.as_secs_f64()),
                MeasureUnit::PerSecond => parse_per_s(size),
                MeasureUnit::Share => Err(refuse("has no `%`")),
            };
            let absolute = absolute.map_err(|refusal| Refusal::new(format!("`{text}`: {}", refusal.why), ACCEPTED))?;
            (Change::Absolute(factor * absolute), size.to_owned())
        };
        Ok(Self { measure, change, text: format!("{measure} {sign}{shown}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::contrast::Estimate;

    fn ruling(text: &str, from: [f64; 3], to: [f64; 3]) -> Ruling {
        let estimate = |[low, value, high]: [f64; 3]| Estimate { value, low, high, degrees: Estimate::EXACT };
        text.parse::<Allowance>().unwrap().ruling(&Contrast::of(&estimate(from), &estimate(to)))
    }

    #[test]
    fn a_change_is_judged_against_what_is_accepted_and_not_against_zero() {
        let base = [0.099, 0.1, 0.101];
        for (text, to, expected) in [
            ("p99 ttft +10%", [0.119, 0.12, 0.121], Ruling::Worse),
            ("p99 ttft +30%", [0.119, 0.12, 0.121], Ruling::Within),
            ("p99 ttft +20%", [0.119, 0.12, 0.121], Ruling::Undecided),
            ("p99 ttft +10%", [0.08, 0.12, 0.18], Ruling::Undecided),
            ("p50 e2e +10ms", [0.119, 0.12, 0.121], Ruling::Worse),
            ("p50 e2e +50ms", [0.119, 0.12, 0.121], Ruling::Within),
            ("tokens/s -5%", [0.089, 0.09, 0.091], Ruling::Worse),
            ("tokens/s -20%", [0.089, 0.09, 0.091], Ruling::Within),
            ("tokens/s -5%", [0.119, 0.12, 0.121], Ruling::Within),
            ("tokens/s -5%", [0.0, 0.0, 0.0], Ruling::Worse),
            ("error_rate +1%", [0.119, 0.12, 0.121], Ruling::Worse),
        ] {
            assert_eq!(ruling(text, base, to), expected, "{text} {to:?}");
        }
    }

    #[test]
    fn a_refusal_teaches() {
        for (text, wanted) in [
            ("p99 ttft", "`p99 ttft` has no change with its sign; accepted is `p99 ttft +10%`"),
            ("p99 ttft -10%", "lower is better, so that a rise is limited; write `p99 ttft +10%`"),
            ("tokens/s +5%", "higher is better, so that a fall is limited; write `tokens/s -5%`"),
            ("p99 stall +10%", "`stall` is not compared; accepted is a quantile of ttft, tpot, itl or e2e"),
            ("p99 ttft +10", "`p99 ttft +10`: "),
            ("p99 ttft +x%", "has no number before the `%`"),
            ("tokens/s -100%", "`tokens/s -100%` is out of range"),
            ("error_rate +1ms", "has no `%`"),
            ("ttft +10%", "`ttft` has no quantile; write `p99 ttft`"),
        ] {
            let said = text.parse::<Allowance>().unwrap_err().to_string();
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }

    #[test]
    fn an_allowance_survives_its_text() {
        for text in ["p99 ttft +10%", "p50 e2e +20ms", "tokens/s -5%", "error_rate +0.5%", "goodput -2/s"] {
            let read: Allowance = text.parse().unwrap();
            assert_eq!((read.to_string().as_str(), read.to_string().parse()), (text, Ok(read.clone())));
        }
        assert_eq!(" p99  TTFT+10 %".parse::<Allowance>().unwrap().to_string(), "p99 ttft +10%");
    }
}
