//! Owns how numbers are shown on the console: latencies, rates, shares, intervals.

use crate::metrics::{Known, Objective, ObjectiveJudgement};
use crate::units::{count, per_second, plain, seconds};

/// Shown in place of an unknown figure.
pub(super) const UNKNOWN: &str = "—";

/// The text of a rate per second.
pub(super) fn rate(per_s: Option<f64>) -> String {
    per_s.map_or_else(|| UNKNOWN.to_owned(), plain)
}

/// The text of a latency, as in the tables.
#[must_use]
pub(crate) fn shown_figure(figure: Option<Known>) -> String {
    shown(figure, "s")
}

/// The text of a figure in `unit`, or of its known bound.
pub(super) fn shown(figure: Option<Known>, unit: &str) -> String {
    match figure {
        None => UNKNOWN.to_owned(),
        Some(Known::At(value)) => value_text(value, unit),
        // The request was cut off before the figure had a bound.
        Some(Known::Above { above }) if above <= 0.0 => "unknown".to_owned(),
        Some(Known::Above { above }) => format!(">{}", value_text(above, unit)),
        Some(Known::Below { below }) => format!("<{}", value_text(below, unit)),
    }
}

/// The text of `value` in `unit`.
pub(super) fn value_text(value: f64, unit: &str) -> String {
    match unit {
        "s" => seconds(value),
        "/s" => per_second(value),
        "share" => percent(value),
        _ => plain(value),
    }
}

/// A figure in `unit` for other programs: a number without a unit, with the digits that [`shown`] shows. Empty where it
/// is unknown.
pub(super) fn machine(figure: Option<Known>, unit: &str) -> String {
    match figure {
        None => String::new(),
        Some(Known::At(value)) => bare(value, unit),
        Some(Known::Above { above }) if above <= 0.0 => String::new(),
        Some(Known::Above { above }) => format!(">{}", bare(above, unit)),
        Some(Known::Below { below }) => format!("<{}", bare(below, unit)),
    }
}

/// The number in the text of `value`, in the base unit: `12.3 ms` is `0.0123`, `98.2 %` is `0.982`.
fn bare(value: f64, unit: &str) -> String {
    let text = value_text(value, unit);
    let (number, unit) = text.split_once(' ').unwrap_or((text.as_str(), ""));
    let power = match unit {
        "µs" => "e-6",
        "ms" => "e-3",
        "%" => "e-2",
        _ => "",
    };
    let Ok(number) = format!("{number}{power}").parse::<f64>() else { return String::new() };
    match unit {
        "min" => format!("{:.1}", number * 60.0),
        "h" => format!("{:.0}", number * 3600.0),
        _ if number.is_finite() => number.to_string(),
        _ => String::new(),
    }
}

/// The text of a share in percent, with enough digits to distinguish 99.9 % from 100 %.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent == 0.0 || (percent - 100.0).abs() < f64::EPSILON {
        0
    } else if (1.0..=99.0).contains(&percent) {
        1
    } else {
        2
    };
    format!("{percent:.digits$} %")
}

/// The text of an interval. The unit is written once if both ends have the same unit.
pub(super) fn interval(low: f64, high: f64, unit: &str) -> String {
    let (low, high) = (value_text(low, unit), value_text(high, unit));
    if low == high {
        return low;
    }
    match (low.split_once(' '), high.split_once(' ')) {
        (Some((number, low_unit)), Some((_, high_unit))) if low_unit == high_unit => format!("{number}–{high}"),
        _ => format!("{low}–{high}"),
    }
}

/// The unit of the value that an objective observes.
pub(super) fn unit_of(objective: &ObjectiveJudgement) -> &'static str {
    match objective.asked() {
        Some(Objective::Goodput(_)) => "/s",
        Some(Objective::ErrorRate(_) | Objective::Attainment(_)) => "share",
        Some(Objective::Latency(_)) | None => "s",
    }
}

/// A number of turns of sessions.
pub(super) fn turns(number: u64) -> String {
    if number == 1 { "1 turn".to_owned() } else { format!("{} turns", count(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_for_programs_has_the_digits_of_the_page() {
        for (value, unit, expected) in [
            (0.012_345, "s", "0.0123"),
            (0.000_083_14, "s", "0.0000831"),
            (1.734, "s", "1.73"),
            (1234.5, "s", "1236.0"),
            (0.981_8, "share", "0.982"),
            (0.000_123, "share", "0.0001"),
            (12.345, "", "12.3"),
            (0.0, "s", "0"),
        ] {
            let number = machine(Some(Known::At(value)), unit);
            assert_eq!(number, expected);
            assert_eq!(value_text(number.parse().unwrap(), unit), value_text(value, unit), "{value}");
        }
        assert_eq!(machine(Some(Known::Above { above: 1.5 }), "s"), ">1.5");
        assert_eq!((machine(None, "s"), machine(Some(Known::At(f64::NAN)), "s")), (String::new(), String::new()));
    }
}
