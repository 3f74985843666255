//! Owns points of a rate over time: their text, their CSV file, and the straight lines between them.

use std::io::BufRead;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Refusal};
use crate::schedule::clause::{Level, Time, Values, secs};
use crate::schedule::piece::{Layer, Pieces};
use crate::units::{Rate, parse_duration};

type Point = (Duration, f64);

/// Reads `TIME:RATE,TIME:RATE,…`.
pub(super) fn parse(values: Values<'_>) -> Result<Vec<Point>, Refusal> {
    let mut points = Vec::new();
    for text in values.text("points")?.split(',') {
        let (at, rate) =
            text.split_once(':').ok_or_else(|| values.refuse(&format!("`{text}` is not a point TIME:RATE")))?;
        points.push((values.span_of(at)?, values.level_of(rate)?));
    }
    check(&points).map_err(|why| values.refuse(&why)).map(|()| points)
}

/// The text that [`parse`] reads back.
pub(super) fn text(points: &[Point]) -> String {
    points.iter().map(|(at, rate)| format!("{}:{}", Time(*at), Level(*rate))).collect::<Vec<_>>().join(",")
}

fn check(points: &[Point]) -> Result<(), String> {
    if let Some(pair) = points.windows(2).find(|pair| pair[1].0 < pair[0].0) {
        return Err(format!("the point at {} comes after the point at {}", Time(pair[1].0), Time(pair[0].0)));
    }
    match points.last() {
        None | Some((Duration::ZERO, _)) => Err("no point is later than 0s, so the points have no length".to_owned()),
        Some(_) if points.len() > Pieces::MOST => {
            Err(format!("{} points are more than the maximum of {}", points.len(), Pieces::MOST))
        }
        Some(_) => Ok(()),
    }
}

/// Reads a CSV of `t_s,rate`.
pub(super) fn read(reader: impl BufRead, path: &Path) -> Result<Vec<Point>, Error> {
    let mut points: Vec<Point> = Vec::new();
    for (number, line) in (1..).zip(reader.lines()) {
        let line =
            line.map_err(|why| Error::input_at(path, number, format!("cannot be read: {why}; check the file")))?;
        let line = line.trim().trim_start_matches('\u{feff}');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if points.is_empty() && fields == ["t_s", "rate"] {
            continue;
        }
        let refuse = |why: &str| {
            Error::input_at(
                path,
                number,
                format!("`{line}` {why}; accepted is t_s,rate: seconds and requests per second"),
            )
        };
        let [at, rate] = fields[..] else { return Err(refuse("does not have two columns")) };
        let at = parse_duration(&format!("{at}s")).map_err(|_| refuse("has no time of 0 s or more"))?;
        let rate: f64 = rate.parse().map_err(|_| refuse("has no rate"))?;
        if !(0.0..=Rate::MAX_PER_S).contains(&rate) {
            return Err(refuse("has a rate out of range, 0 to 100000"));
        }
        if points.last().is_some_and(|(before, _)| at < *before) {
            return Err(refuse("comes after a later time"));
        }
        points.push((at, rate.abs()));
    }
    check(&points).map_err(|why| Error::input(path, format!("{why}; accepted is one line t_s,rate for each point")))?;
    Ok(points)
}

/// Adds straight lines between the points to `layer`; the first rate holds before the first point.
pub(super) fn lay(points: &[Point], layer: &mut Layer) {
    let start_s = layer.at_s();
    let mut before = points.first().map_or(0.0, |(_, rate)| *rate);
    for (at, rate) in points {
        layer.line(before, *rate, start_s + secs(*at));
        before = *rate;
    }
}
