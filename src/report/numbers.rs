//! Owns how numbers are shown on the console: latencies, rates, shares, intervals.

use crate::metrics::{Known, Objective, ObjectiveJudgement};
use crate::units::{per_second, plain, seconds};

/// Shown in place of an unknown figure.
pub(super) const UNKNOWN: &str = "—";

/// The text of a rate per second.
pub(super) fn rate(per_s: Option<f64>) -> String {
    per_s.map_or_else(|| UNKNOWN.to_owned(), plain)
}

/// The text of a latency, as in the tables.
#[must_use]
pub fn shown_figure(figure: Option<Known>) -> String {
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

fn value_text(value: f64, unit: &str) -> String {
    match unit {
        "s" => seconds(value),
        "/s" => per_second(value),
        "share" => percent(value),
        _ => plain(value),
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
