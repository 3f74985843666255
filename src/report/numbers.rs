//! Owns how numbers are shown on the console: latencies, rates, shares, intervals.

use crate::metrics::{Known, Objective, ObjectiveJudgement};
use crate::units::{per_second, plain, seconds};

/// Stands where a figure is not known.
pub(super) const UNKNOWN: &str = "—";

/// A rate per second.
pub(super) fn rate(per_s: Option<f64>) -> String {
    per_s.map_or_else(|| UNKNOWN.to_owned(), plain)
}

/// A latency as the tables show it.
#[must_use]
pub fn shown_figure(figure: Option<Known>) -> String {
    shown(figure, "s")
}

/// A figure in `unit`, or the bound that is known of it.
pub(super) fn shown(figure: Option<Known>, unit: &str) -> String {
    match figure {
        None => UNKNOWN.to_owned(),
        Some(Known::At(value)) => value_text(value, unit),
        // Cut off before anything could be said of it.
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

/// A share with as many digits as tell 99.9 % from 100 %.
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

/// Two ends, the unit once where both have the same.
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

/// The unit in which an objective observes.
pub(super) fn unit_of(objective: &ObjectiveJudgement) -> &'static str {
    match objective.asked() {
        Some(Objective::Goodput(_)) => "/s",
        Some(Objective::ErrorRate(_) | Objective::Attainment(_)) => "share",
        Some(Objective::Latency(_)) | None => "s",
    }
}
