//! Owns `ServerSeries`: what the pages said over one load, and its averages over a window.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quantity::{Combined, Quantity};
use super::view::{LevelView, ServerPoint, ServerView};
use crate::units::Window;

/// Most points of the series in a result. Longer series are averaged over bins.
const MOST_POINTS: u64 = 200;

/// One reading of one source: a line of the series' file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scraped {
    /// When its answer had come, in seconds from the origin of the load; negative before the origin.
    pub at_s: f64,
    /// The number of the round: all sources are read once a round.
    pub round: u64,
    /// The number of the source, from 0.
    pub source: usize,
    /// The values; empty if the reading failed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<Quantity, f64>,
    /// Why the reading failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The readings of one load.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerSeries {
    /// The names of the sources.
    sources: Vec<String>,
    readings: Vec<Scraped>,
}

/// A value at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    round: u64,
    at_s: f64,
    value: f64,
}

impl ServerSeries {
    /// A series of `sources`, without readings.
    pub(crate) fn new(sources: Vec<String>) -> Self {
        Self { sources, readings: Vec::new() }
    }

    /// Adds a reading.
    pub(crate) fn push(&mut self, reading: Scraped) {
        self.readings.push(reading);
    }

    /// What the sources said in `window`; `None` without any reading. `output_tokens_per_s` are the output tokens that
    /// arrived at the load generator in the window, per second.
    pub(crate) fn over(&self, window: Window, output_tokens_per_s: Option<f64>) -> Option<ServerView> {
        if self.readings.is_empty() {
            return None;
        }
        let (start_s, end_s) = (window.start.as_secs(), window.end.as_secs());
        let mut view = ServerView {
            sources: self.sources.clone(),
            scrapes: self.readings.len() as u64,
            failed: self.readings.iter().filter(|reading| reading.failure.is_some()).count() as u64,
            last_failure: self.readings.iter().rev().find_map(|reading| reading.failure.clone()),
            ..ServerView::default()
        };
        let mut points: BTreeMap<Quantity, Vec<Point>> = BTreeMap::new();
        for quantity in self.quantities() {
            let found = self.points(quantity);
            match quantity.combined() {
                Combined::Sum | Combined::Mean => {
                    if let Some(level) = level(&found, start_s, end_s) {
                        view.levels.insert(quantity, level);
                    }
                    points.insert(quantity, found);
                }
                Combined::Total => {
                    if let Some((increase, covered_s)) = increase(&found, start_s, end_s) {
                        view.increases.insert(quantity, increase);
                        if quantity == Quantity::EnergyJ {
                            view.power_w = Some(increase / covered_s);
                        }
                    }
                }
            }
        }
        view.power_w = view.power_w.or_else(|| view.levels.get(&Quantity::PowerW).map(|level| level.mean));
        view.joules_per_output_token =
            view.power_w.zip(output_tokens_per_s.filter(|per_s| *per_s > 0.0)).map(|(power_w, per_s)| power_w / per_s);
        view.prefix_hit_share = hit_share(&view.increases);
        view.points = binned(&points);
        Some(view)
    }

    /// The quantities that any source gave.
    fn quantities(&self) -> Vec<Quantity> {
        let mut found: Vec<Quantity> =
            self.readings.iter().flat_map(|reading| reading.values.keys().copied()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The values of `quantity`, one for each round in which every source that ever gave it gave it: a source that
    /// fails must not look like a smaller load. Counters are made to rise over restarts of their server first.
    fn points(&self, quantity: Quantity) -> Vec<Point> {
        let mut by_source: BTreeMap<usize, Vec<Point>> = BTreeMap::new();
        for Scraped { at_s, round, source, values, .. } in &self.readings {
            if let Some(&value) = values.get(&quantity) {
                by_source.entry(*source).or_default().push(Point { round: *round, at_s: *at_s, value });
            }
        }
        if quantity.combined() == Combined::Total {
            for points in by_source.values_mut() {
                raise(points);
            }
        }
        let count = by_source.len() as f64;
        let mut rounds: BTreeMap<u64, Vec<Point>> = BTreeMap::new();
        for point in by_source.values().flatten() {
            rounds.entry(point.round).or_default().push(*point);
        }
        rounds.retain(|_, points| points.len() == by_source.len());
        let combined = |(round, points): (u64, Vec<Point>)| {
            let sum: f64 = points.iter().map(|point| point.value).sum();
            let value = if quantity.combined() == Combined::Mean { sum / count } else { sum };
            Point { round, at_s: points.iter().map(|point| point.at_s).sum::<f64>() / count, value }
        };
        let mut found: Vec<Point> = rounds.into_iter().map(combined).collect();
        found.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
        found
    }
}

/// Adds what a counter had before each restart, so that it never falls.
fn raise(points: &mut [Point]) {
    let (mut before, mut last) = (0.0, f64::NEG_INFINITY);
    for point in points {
        if point.value < last {
            before += last;
        }
        last = point.value;
        point.value += before;
    }
}

/// The value at `at_s` on the line between the two points beside it; `None` outside of the points.
fn between(points: &[Point], at_s: f64) -> Option<f64> {
    let after = points.iter().position(|point| point.at_s >= at_s)?;
    let next = points[after];
    let Some(previous) = after.checked_sub(1).map(|before| points[before]) else {
        return (next.at_s <= at_s).then_some(next.value);
    };
    let share = (at_s - previous.at_s) / (next.at_s - previous.at_s);
    Some((next.value - previous.value).mul_add(share, previous.value))
}

/// (instant, value) of the points in [`start_s`, `end_s`], with the values at both ends where points lie beyond them.
fn clipped(points: &[Point], start_s: f64, end_s: f64) -> Vec<(f64, f64)> {
    let end = |at_s: f64| between(points, at_s).map(|value| (at_s, value));
    let inside = points.iter().filter(|point| point.at_s > start_s && point.at_s < end_s);
    let inside = inside.map(|point| (point.at_s, point.value));
    end(start_s).into_iter().chain(inside).chain(end(end_s)).collect()
}

/// The mean over time of a level, which is taken to change evenly between two readings; and its largest value.
fn level(points: &[Point], start_s: f64, end_s: f64) -> Option<LevelView> {
    let points = clipped(points, start_s, end_s);
    let ((first_s, first), (last_s, _)) = (*points.first()?, *points.last()?);
    let span_s = last_s - first_s;
    let area: f64 = points.windows(2).map(|pair| f64::midpoint(pair[0].1, pair[1].1) * (pair[1].0 - pair[0].0)).sum();
    let mean = if span_s > 0.0 { area / span_s } else { first };
    Some(LevelView { mean, max: points.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max) })
}

/// The increase of a counter, and the seconds in which readings saw it; `None` below two readings.
fn increase(points: &[Point], start_s: f64, end_s: f64) -> Option<(f64, f64)> {
    let points = clipped(points, start_s, end_s);
    let ((first_s, first), (last_s, last)) = (*points.first()?, *points.last()?);
    let covered_s = last_s - first_s;
    (covered_s > 0.0).then_some((last - first, covered_s))
}

/// Hits ÷ looked-up tokens; `None` if none were looked up.
fn hit_share(increases: &BTreeMap<Quantity, f64>) -> Option<f64> {
    let queried = *increases.get(&Quantity::PrefixQueriedTokens)?;
    let hits = *increases.get(&Quantity::PrefixHitTokens)?;
    (queried > 0.0).then_some(hits / queried)
}

/// The levels over time, at most [`MOST_POINTS`] of them: means over bins of equal numbers of rounds. A quantity that
/// lacks a round lacks it there, and is not moved to another instant.
fn binned(series: &BTreeMap<Quantity, Vec<Point>>) -> Vec<ServerPoint> {
    let rounds = || series.values().flatten().map(|point| point.round);
    let Some((first, last)) = rounds().min().zip(rounds().max()) else { return Vec::new() };
    let width = (last - first + 1).div_ceil(MOST_POINTS);
    let mut bins: BTreeMap<u64, BTreeMap<Quantity, Vec<Point>>> = BTreeMap::new();
    for (quantity, points) in series {
        for point in points {
            let bin = bins.entry((point.round - first) / width).or_default();
            bin.entry(*quantity).or_default().push(*point);
        }
    }
    let mean = |points: &mut dyn Iterator<Item = f64>| {
        let (count, sum) = points.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
        sum / count
    };
    let point = |bin: BTreeMap<Quantity, Vec<Point>>| ServerPoint {
        at_s: mean(&mut bin.values().flatten().map(|point| point.at_s)),
        values: bin.iter().map(|(of, points)| (*of, mean(&mut points.iter().map(|point| point.value)))).collect(),
    };
    bins.into_values().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Offset;

    fn series(sources: &[&[(f64, f64)]], quantity: Quantity) -> ServerSeries {
        let mut series = ServerSeries::new((0..sources.len()).map(|source| format!("s{source}")).collect());
        for (source, points) in sources.iter().enumerate() {
            for (round, (at_s, value)) in (0..).zip(points.iter()) {
                let failure = value.is_nan().then(|| "refused".to_owned());
                let values = if value.is_nan() { BTreeMap::new() } else { BTreeMap::from([(quantity, *value)]) };
                series.push(Scraped { at_s: *at_s, round, source, values, failure });
            }
        }
        series
    }

    fn window(start_s: f64, end_s: f64) -> Window {
        Window { start: Offset::from_secs(start_s), end: Offset::from_secs(end_s) }
    }

    #[test]
    fn a_level_is_averaged_over_time_between_the_bounds_of_the_window() {
        // From 0 to 10 in 10 s: in [2, 4] the mean is 3, and the largest value is that at the end.
        for (points, expected) in [
            (&[(0.0, 0.0), (10.0, 10.0)][..], (3.0, 4.0)),
            (&[(-1.0, 3.0), (3.0, 3.0), (9.0, 3.0)], (3.0, 3.0)),
            (&[(2.5, 8.0)], (8.0, 8.0)),
            // Uneven readings: 1 for one second, then 5.
            (&[(2.0, 1.0), (3.0, 1.0), (3.0, 5.0), (4.0, 5.0)], (3.0, 5.0)),
        ] {
            let view = series(&[points], Quantity::Running).over(window(2.0, 4.0), None).expect("a view");
            let level = view.levels[&Quantity::Running];
            assert!((level.mean - expected.0).abs() < 1e-12, "{points:?}: {level:?}");
            assert!((level.max - expected.1).abs() < 1e-12, "{points:?}: {level:?}");
        }
    }

    #[test]
    fn a_counter_gives_its_increase_also_over_a_restart_and_energy_gives_joules_a_token() {
        let points = &[(0.0, 100.0), (5.0, 150.0), (6.0, 10.0), (10.0, 30.0)][..];
        let view = series(&[points], Quantity::EnergyJ).over(window(0.0, 10.0), Some(4.0)).expect("a view");
        assert!((view.increases[&Quantity::EnergyJ] - 80.0).abs() < 1e-9, "{view:?}");
        assert_eq!((view.power_w, view.joules_per_output_token), (Some(8.0), Some(2.0)));
        let view = series(&[&[(0.0, 500.0), (9.0, 500.0)]], Quantity::PowerW).over(window(1.0, 8.0), Some(250.0));
        let view = view.expect("a view");
        assert_eq!((view.power_w, view.joules_per_output_token), (Some(500.0), Some(2.0)));
    }

    #[test]
    fn a_source_that_fails_in_a_round_takes_the_round_away_and_not_the_load() {
        let one = &[(0.0, 4.0), (1.0, 4.0), (2.0, 4.0), (3.0, 4.0)][..];
        let other = &[(0.0, 6.0), (1.0, f64::NAN), (2.0, 6.0), (3.0, 6.0)][..];
        let view = series(&[one, other], Quantity::Waiting).over(window(0.0, 3.0), None).expect("a view");
        assert_eq!(view.levels[&Quantity::Waiting], LevelView { mean: 10.0, max: 10.0 });
        assert_eq!((view.scrapes, view.failed, view.last_failure.as_deref()), (8, 1, Some("refused")));
        let shares = series(&[one, other], Quantity::KvUse).over(window(0.0, 3.0), None).expect("a view");
        assert!((shares.levels[&Quantity::KvUse].mean - 5.0).abs() < 1e-12, "shares are averaged");
    }

    #[test]
    fn a_long_series_stays_small_in_the_result() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|second| (f64::from(second), f64::from(second % 2))).collect();
        let view = series(&[&points], Quantity::Running).over(window(0.0, 9_999.0), None).expect("a view");
        assert!(view.points.len() as u64 <= MOST_POINTS, "{}", view.points.len());
        assert!(view.points.iter().all(|point| (point.values[&Quantity::Running] - 0.5).abs() < 1e-12));
    }

    #[test]
    fn a_reading_that_is_lacking_moves_no_other_reading_in_time() {
        let mut series = ServerSeries::new(vec!["server".to_owned(), "host".to_owned()]);
        for round in 0..6_u32 {
            let at_s = f64::from(round);
            let mut put = |source: usize, quantity: Quantity| {
                let values = BTreeMap::from([(quantity, at_s)]);
                series.push(Scraped { at_s, round: round.into(), source, values, failure: None });
            };
            put(0, Quantity::Running);
            // The host says nothing in its first two rounds.
            if round >= 2 {
                put(1, Quantity::HostCpu);
            }
        }
        let view = series.over(window(0.0, 5.0), None).expect("a view");
        assert_eq!(view.points.len(), 6);
        for point in &view.points {
            assert!(point.values.values().all(|value| (value - point.at_s).abs() < 1e-12), "{point:?}");
        }
    }
}
