//! Owns `Figures`, the numbers of a search's answer. In JSON the keys name the quantity that was varied, and a
//! concurrency is a whole number.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::search::step::Bracket;
use crate::search::{Axis, Level};
use crate::units::plain;

/// Lower bound, best estimate and interval, in the unit of the axis. All are `None` before the first probe, and if
/// nothing meets the objectives.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// The quantity that was varied.
    pub over: Axis,
    /// The headline: the lower bound.
    pub safe: Option<f64>,
    /// The best estimate.
    pub best: Option<f64>,
    /// The interval. Its upper end is `None` if the highest load that may be sent meets the objectives.
    pub interval: Option<[Option<f64>; 2]>,
}

impl Figures {
    /// The figures of `bracket`. No level above `most` is tried, so no higher level is claimed. Numbers of users
    /// are rounded down, because a fraction of a user has no meaning.
    pub(super) fn of(over: Axis, Bracket { low, best, high }: Bracket, most: Option<f64>) -> Self {
        let most = most.unwrap_or(f64::INFINITY);
        let whole = |level: f64| if over == Axis::Concurrency { libm::floor(level) } else { level };
        let [low, best] = [low, best].map(|level| whole(level.min(most)));
        let high = Some(whole(high)).filter(|_| high <= most);
        Self { over, safe: Some(low), best: Some(best), interval: Some([Some(low), high]) }
    }

    /// Lower bound, best estimate and upper bound as texts without a unit, with no more digits than the interval
    /// supports. The upper bound is `None` if there is none.
    #[must_use]
    pub fn texts(&self) -> Option<([String; 2], Option<String>)> {
        let (low, best) = (self.safe?, self.best?);
        let high = self.interval.and_then(|[_, high]| high);
        Some(match (self.over, high) {
            (Axis::Concurrency, _) => {
                ([low, best].map(|level| format!("{level:.0}")), high.map(|level| format!("{level:.0}")))
            }
            (_, Some(high)) => {
                let [low, best, high] = rounded(low, best, high);
                ([low, best], Some(high))
            }
            (_, None) => ([plain(no_more_than(low)), plain(best)], None),
        })
    }

    /// The lower bound as it is printed, which is the level that is claimed. `None` for zero users.
    pub(super) fn claimed(&self) -> Option<Level> {
        let ([low, _], _) = self.texts()?;
        // If the interval is very wide, rounding leaves no digit.
        let printed = low.parse::<f64>().ok().filter(|printed| *printed > 0.0);
        printed.or(self.safe.filter(|safe| *safe > 0.0)).map(|level| self.over.level(level))
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [safe, best, interval] = self.over.keys();
        let number = |level: Option<f64>| match self.over {
            Axis::Concurrency => Value::from(level.map(|level| level as u64)),
            Axis::Rate | Axis::Sessions | Axis::TimeScale => Value::from(level),
        };
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("over", &self.over)?;
        map.serialize_entry(safe, &number(self.safe))?;
        map.serialize_entry(best, &number(self.best))?;
        map.serialize_entry(interval, &self.interval.map(|ends| ends.map(number)))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Figures {
    /// Results without the key `over` come from searches over rates.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map: BTreeMap<String, Value> = BTreeMap::deserialize(deserializer)?;
        let mut take = |key: &str| map.remove(key).unwrap_or(Value::Null);
        let over: Option<Axis> = serde_json::from_value(take("over")).map_err(D::Error::custom)?;
        let over = over.unwrap_or_default();
        let [safe, best, interval] = over.keys().map(take);
        Ok(Self {
            over,
            safe: serde_json::from_value(safe).map_err(D::Error::custom)?,
            best: serde_json::from_value(best).map_err(D::Error::custom)?,
            interval: serde_json::from_value(interval).map_err(D::Error::custom)?,
        })
    }
}

/// Three rates with no digit finer than a fifth of the distance between the outer two. The lower one is rounded
/// down, the upper one up.
fn rounded(low: f64, best: f64, high: f64) -> [String; 3] {
    let fifth = (high - low) / 5.0;
    let digits = if fifth > 0.0 { -libm::floor(libm::log10(fifth)) } else { 3.0 };
    let unit = libm::pow(10.0, -digits);
    let decimals = digits.clamp(0.0, 9.0) as usize;
    // A floating-point error must not reduce a whole number by one unit.
    let down = libm::floor(low / unit + 1e-9) * unit;
    let up = libm::ceil(high / unit - 1e-9) * unit;
    [down, libm::round(best / unit) * unit, up].map(|rate| format!("{rate:.decimals$}"))
}

/// A rate rounded down to three digits.
fn no_more_than(per_s: f64) -> f64 {
    let unit = libm::pow(10.0, libm::floor(libm::log10(per_s)) - 2.0);
    libm::floor(per_s / unit + 1e-9) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_is_what_is_printed_and_no_more_than_may_be_sent() {
        let claimed =
            |over, [low, best, high]: [f64; 3], most| Figures::of(over, Bracket { low, best, high }, most).claimed();
        for (found, most, expected) in [
            ([7.84, 8.43, 9.06], None, 7.8),
            ([29.41, 32.45, 35.18], Some(40.0), 29.0),
            ([512.6, 530.0, 600.0], Some(550.0), 512.0),
            ([512.6, 530.0, 600.0], Some(500.0), 500.0),
            ([0.4, 3.0, 10.0], None, 0.4),
        ] {
            let level = claimed(Axis::Rate, found, most).unwrap().value();
            assert!((level - expected).abs() < 1e-9, "{found:?}: {level}");
        }
        assert_eq!(claimed(Axis::Concurrency, [21.7, 22.9, 24.2], None), Some(Level::Concurrency(21)));
        assert_eq!(claimed(Axis::Concurrency, [0.7, 1.2, 2.2], None), None);
    }

    #[test]
    fn no_digit_is_finer_than_the_interval() {
        for ([low, best, high], expected) in [
            ([7.84, 8.43, 9.06], ["7.8", "8.4", "9.1"]),
            ([29.41, 32.45, 35.18], ["29", "32", "36"]),
            ([124.6, 131.2, 138.0], ["124", "131", "138"]),
            ([1_204.0, 1_310.0, 1_398.0], ["1200", "1310", "1400"]),
            ([0.0512, 0.0561, 0.0603], ["0.051", "0.056", "0.061"]),
        ] {
            assert_eq!(rounded(low, best, high), expected);
        }
    }

    #[test]
    fn keys_name_what_was_varied_and_are_read_again() {
        let bracket = Bracket { low: 21.7, best: 22.9, high: 24.2 };
        for (over, most, expected) in [
            (
                Axis::Rate,
                None,
                r#"{"over":"rate","safe_rate_per_s":21.7,"best_rate_per_s":22.9,"interval_per_s":[21.7,24.2]}"#,
            ),
            (
                Axis::Concurrency,
                None,
                r#"{"over":"concurrency","safe_concurrency":21,"best_concurrency":22,"interval_concurrency":[21,24]}"#,
            ),
            (
                Axis::Concurrency,
                Some(22.0),
                concat!(
                    r#"{"over":"concurrency","safe_concurrency":21,"best_concurrency":22,"#,
                    r#""interval_concurrency":[21,null]}"#,
                ),
            ),
        ] {
            let figures = Figures::of(over, bracket, most);
            assert_eq!(serde_json::to_string(&figures).unwrap(), expected);
            assert_eq!(serde_json::from_str::<Figures>(expected).unwrap(), figures);
        }
        let text =
            r#"{"over":"time_scale","safe_time_scale":2.1,"best_time_scale":2.3,"interval_time_scale":[2.1,2.5]}"#;
        assert_eq!(
            serde_json::from_str::<Figures>(text).unwrap(),
            Figures::of(Axis::TimeScale, Bracket { low: 2.1, best: 2.3, high: 2.5 }, None)
        );
        let before: Figures = serde_json::from_str(r#"{"safe_rate_per_s":7.8}"#).unwrap();
        assert_eq!((before.over, before.safe, before.best), (Axis::Rate, Some(7.8), None));
    }
}
