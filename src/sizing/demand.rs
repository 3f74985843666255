//! Owns `Demand`: the rate that a fleet must carry. It is stated, or the peak of a profile or a trace over a window.

use std::time::Duration;

use serde::Serialize;

use crate::error::Refusal;
use crate::schedule::{Curve, Pattern, Profile};
use crate::seed::Seed;
use crate::sizing::bursts::{Burst, Counted, Rows, burst_of};
use crate::trace::{Row, sliding_peak};
use crate::units::{Offset, Rate, Window, seconds};

/// The windows of the peak-to-mean curve, in seconds.
const WINDOWS_S: [u64; 7] = [1, 10, 60, 300, 900, 3600, 21_600];
/// The part of an endless profile that is searched for its peak.
const A_DAY: Duration = Duration::from_hours(24);
/// Window starts that are tried per window length of a profile. The found peak is then at most 1 % of a window away
/// from the true one.
const STEPS_PER_WINDOW: f64 = 100.0;
/// The most window starts that are tried. It bounds the time that the peak of a long profile takes.
const MOST_STEPS: f64 = 200_000.0;

/// The rate that a fleet must carry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Demand {
    /// The source of the demand: `stated`, the profile as text, or the name of the trace.
    pub source: String,
    /// The planned growth factor; `null` if none was given. Every rate here already includes it.
    pub growth: Option<f64>,
    /// The stated rate, or the peak rate over the window, in requests per second.
    pub rate_per_s: Rate,
    /// The mean rate over the whole profile or trace, in requests per second; `null` for a stated rate.
    pub mean_per_s: Option<f64>,
    /// The window of the peak, in seconds; `null` for a stated rate.
    pub window_s: Option<f64>,
    /// The peak rate for each window length; empty for a stated rate.
    pub curve: Vec<PeakPoint>,
    /// How arrivals vary inside the window; `null` without a trace.
    pub burstiness: Option<Burstiness>,
    /// The largest burst inside the window that exceeds what Poisson arrivals do; `null` if there is none.
    pub burst: Option<Burst>,
}

/// A growth factor of today's demand, > 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth(f64);

impl Growth {
    /// The factor.
    #[must_use]
    pub const fn factor(self) -> f64 {
        self.0
    }
}

impl std::str::FromStr for Growth {
    type Err = Refusal;

    /// Reads `1.5`, from 0.001 to 1000.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let factor = text.trim().parse().ok().filter(|factor| (1e-3..=1e3).contains(factor));
        factor.map(Self).ok_or_else(|| {
            Refusal::new(format!("`{text}` is not a growth"), "accepted is a factor from 0.001 to 1000, as in 1.5")
        })
    }
}

impl Demand {
    /// The demand after `growth`. Refused if a rate exceeds the highest one that `Rate` accepts.
    pub fn grown(self, growth: Growth) -> Result<Self, Refusal> {
        let Growth(factor) = growth;
        let point = |point: &PeakPoint| PeakPoint { peak_per_s: point.peak_per_s * factor, ..*point };
        Ok(Self {
            growth: Some(self.growth.unwrap_or(1.0) * factor),
            rate_per_s: Rate::new(self.rate_per_s.per_s() * factor)?,
            mean_per_s: self.mean_per_s.map(|mean| mean * factor),
            curve: self.curve.iter().map(point).collect(),
            burst: self.burst.map(|burst| burst.grown(factor)),
            ..self
        })
    }
}

/// The peak rate over one window length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PeakPoint {
    /// The window, in seconds.
    pub window_s: f64,
    /// The highest mean rate over any window of this length, in requests per second.
    pub peak_per_s: f64,
    /// `peak_per_s` ÷ the mean rate of the whole demand.
    pub peak_to_mean: f64,
}

/// How the counts of arrivals per second vary inside windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Burstiness {
    /// Index of dispersion of the counts in 1 s around the mean of their window: 1 for Poisson arrivals, about CV² for
    /// a renewal process.
    pub dispersion: f64,
    /// The standard error of `dispersion` for Poisson arrivals: √(2 ÷ degrees of freedom).
    pub error: f64,
}

impl Burstiness {
    /// Whether the dispersion exceeds that of a process whose gaps have coefficient of variation `cv`, by more than 4
    /// standard errors.
    #[must_use]
    pub fn exceeds(self, cv: f64) -> bool {
        let expected = cv * cv;
        self.dispersion > expected + 4.0 * self.error * expected.max(1.0)
    }
}

/// The demand of a stated rate.
#[must_use]
pub(crate) fn demand_of_rate(rate: Rate) -> Demand {
    let source = "stated".to_owned();
    let (curve, burstiness, burst) = (Vec::new(), None, None);
    Demand { source, growth: None, rate_per_s: rate, mean_per_s: None, window_s: None, curve, burstiness, burst }
}

/// The peak of `profile` over `window`, or over the whole profile if that is shorter. An endless profile is searched
/// for one day; its noise is drawn with seed 1.
pub(crate) fn demand_of_profile(profile: &Profile, window: Duration) -> Result<Demand, Refusal> {
    let length_s = profile.length().unwrap_or(A_DAY).as_secs_f64();
    let pattern = Pattern { profile: profile.clone(), overlays: Vec::new() };
    let curve = pattern.curve(Duration::ZERO, length_s, length_s, Seed::new(1))?;
    let whole = Window { start: Offset::ZERO, end: Offset::from_secs(length_s) };
    let mean_per_s = curve.mean_per_s(whole);
    let point = |window_s: f64| {
        let peak_per_s = peak_of_curve(&curve, window_s, length_s);
        PeakPoint { window_s, peak_per_s, peak_to_mean: peak_per_s / mean_per_s }
    };
    let chosen = point(window_s_of(window)?.min(length_s));
    Ok(Demand {
        source: profile.to_string(),
        growth: None,
        rate_per_s: Rate::new(chosen.peak_per_s)?,
        mean_per_s: Some(mean_per_s),
        window_s: Some(chosen.window_s),
        curve: windows(length_s, chosen.window_s).map(point).collect(),
        burstiness: None,
        burst: burst_of(&Shape { curve: &curve, length_s }, length_s, chosen.window_s, chosen.peak_per_s),
    })
}

/// The peak rate of `rows` (in order of time) over `window`: the most rows in any window that begins at a row, ÷ the
/// window. `name` is the name of the trace. Refused if the trace is shorter than the window.
pub fn demand_of_rows(rows: &[Row], window: Duration, name: &str) -> Result<Demand, Refusal> {
    let span_s = rows.first().zip(rows.last()).map_or(0.0, |(first, last)| last.at.secs_since(first.at));
    let window_s = window_s_of(window)?;
    if window_s > span_s {
        return Err(Refusal::new(
            format!("a window of {} is longer than the trace, which spans {}", seconds(window_s), seconds(span_s)),
            "accepted is a window within the trace",
        ));
    }
    let mean_per_s = rows.len() as f64 / span_s;
    let point = |window_s: f64| {
        let peak_per_s = sliding_peak(rows, |row| row.at, Duration::from_secs_f64(window_s)) as f64 / window_s;
        PeakPoint { window_s, peak_per_s, peak_to_mean: peak_per_s / mean_per_s }
    };
    let peak_per_s = point(window_s).peak_per_s;
    Ok(Demand {
        source: name.to_owned(),
        growth: None,
        rate_per_s: Rate::new(peak_per_s)?,
        mean_per_s: Some(mean_per_s),
        window_s: Some(window_s),
        curve: windows(span_s, window_s).map(point).collect(),
        burstiness: burstiness(rows, window_s),
        burst: burst_of(&Rows(rows), span_s, window_s, peak_per_s),
    })
}

fn window_s_of(window: Duration) -> Result<f64, Refusal> {
    if window.is_zero() {
        return Err(Refusal::new("a window of 0 s has no rate", "accepted is a time above 0, for example 60s"));
    }
    Ok(window.as_secs_f64())
}

/// The windows of [`WINDOWS_S`] up to `most_s`, plus `chosen_s`, in seconds and ascending.
fn windows(most_s: f64, chosen_s: f64) -> impl Iterator<Item = f64> {
    let mut all: Vec<f64> =
        WINDOWS_S.iter().map(|window_s| *window_s as f64).filter(|window_s| *window_s <= most_s).collect();
    if !all.contains(&chosen_s) {
        all.push(chosen_s);
        all.sort_by(f64::total_cmp);
    }
    all.into_iter()
}

fn peak_of_curve(curve: &Curve, window_s: f64, length_s: f64) -> f64 {
    let shape = Shape { curve, length_s };
    let start_s = shape.busiest_s(window_s);
    shape.between(start_s, start_s + window_s) / window_s
}

/// A rate over time, as expected counts.
struct Shape<'a> {
    curve: &'a Curve,
    length_s: f64,
}

impl Counted for Shape<'_> {
    fn busiest_s(&self, length_s: f64) -> f64 {
        let free_s = self.length_s - length_s;
        let steps = libm::ceil(free_s / length_s * STEPS_PER_WINDOW).clamp(1.0, MOST_STEPS);
        let starts = (0..=steps as u64).map(|step| free_s * step as f64 / steps);
        let inside = starts.map(|start_s| (start_s, self.between(start_s, start_s + length_s)));
        inside.max_by(|one, other| one.1.total_cmp(&other.1)).map_or(0.0, |(start_s, _)| start_s)
    }

    fn between(&self, from_s: f64, to_s: f64) -> f64 {
        self.curve.expected(to_s) - self.curve.expected(from_s)
    }
}

/// The burstiness over complete windows that hold a row. Windows are whole seconds, counted from the first row. `None`
/// below 20 degrees of freedom.
fn burstiness(rows: &[Row], window_s: f64) -> Option<Burstiness> {
    let seconds_each = window_s as usize;
    let first = rows.first()?.at;
    let second = |row: &Row| row.at.secs_since(first) as usize;
    let complete = rows.last().map_or(0, |row| second(row) / seconds_each.max(1));
    let (mut spread, mut mean, mut degrees) = (0.0, 0.0, 0.0);
    if seconds_each < 2 {
        return None;
    }
    for inside in rows.chunk_by(|one, two| second(one) / seconds_each == second(two) / seconds_each) {
        if inside.first().is_none_or(|row| second(row) / seconds_each >= complete) {
            continue;
        }
        let here = inside.len() as f64 / seconds_each as f64;
        let squares: f64 =
            inside.chunk_by(|one, two| second(one) == second(two)).map(|tick| (tick.len() * tick.len()) as f64).sum();
        spread += squares - here * here * seconds_each as f64;
        mean += here * (seconds_each - 1) as f64;
        degrees += (seconds_each - 1) as f64;
    }
    (degrees >= 20.0).then(|| Burstiness { dispersion: spread / mean, error: libm::sqrt(2.0 / degrees) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::exponential;

    fn rows(instants_s: impl Iterator<Item = f64>) -> Vec<Row> {
        (0..)
            .zip(instants_s)
            .map(|(place, at_s)| Row { at: Offset::from_secs(at_s), input_tokens: 1, output_tokens: 1, place, copy: 0 })
            .collect()
    }

    fn profile(text: &str) -> Profile {
        text.parse().unwrap()
    }

    #[test]
    fn the_peak_of_a_profile_is_its_highest_mean_over_the_window() {
        for (text, window_s, peak) in [
            ("constant 50/s", 60, 50.0),
            ("ramp 1/s..100/s 60s; hold 120s; ramp 100/s..1/s 60s", 60, 100.0),
            ("constant 10/s 100s; constant 40/s 30s; constant 10/s 100s", 60, 25.0),
            ("ramp 0/s..100/s 100s", 10, 95.0),
            ("constant 8/s 10s", 60, 8.0),
        ] {
            let found = demand_of_profile(&profile(text), Duration::from_secs(window_s)).unwrap();
            assert!((found.rate_per_s.per_s() - peak).abs() < 0.01 * peak, "{text}: {found:?}");
        }
    }

    #[test]
    fn a_shorter_window_never_has_a_lower_peak() {
        let found =
            demand_of_profile(&profile("ramp 1/s..30/s 2h; ramp 30/s..1/s 2h"), Duration::from_mins(1)).unwrap();
        assert!(
            found.curve.len() >= 6
                && found.curve.windows(2).all(|pair| pair[0].peak_per_s >= pair[1].peak_per_s - 1e-9),
            "{found:?}"
        );
    }

    #[test]
    fn the_peak_of_a_trace_is_its_busiest_window() {
        // 10 rows in the first second, then one each 10 s.
        let rows = rows((0..10).map(|i| f64::from(i) / 10.0).chain((1..=10).map(|i| 10.0 * f64::from(i))));
        let found = demand_of_rows(&rows, Duration::from_secs(10), "t").unwrap();
        assert_eq!((found.rate_per_s.per_s(), found.mean_per_s), (1.0, Some(0.2)));
        assert_eq!(found.curve.iter().map(|point| point.window_s).collect::<Vec<_>>(), [1.0, 10.0, 60.0]);
        assert!(demand_of_rows(&rows, Duration::from_secs(101), "t").is_err(), "longer than the trace");
        assert!(demand_of_rows(&rows, Duration::ZERO, "t").is_err());
    }

    #[test]
    fn a_burst_inside_the_window_is_told_with_its_size_and_poisson_ones_are_not() {
        // 10/s, and 60/s for the first 5 s of each minute.
        let bursts = profile("constant 60/s 5s; constant 10/s 55s; repeat");
        let found = demand_of_profile(&bursts, Duration::from_mins(1)).unwrap();
        let burst = found.burst.unwrap();
        assert_eq!((burst.length_s, burst.times().map(libm::round)), (5.0, Some(6.0)), "{burst:?}");
        assert!((burst.rate_per_s - 60.0).abs() < 0.7 && (found.rate_per_s.per_s() - 14.17).abs() < 0.2, "{found:?}");
        let mut generator = Seed::new(3).stream("arrivals").sequence();
        let (mut at_s, mut instants) = (0.0, Vec::new());
        while at_s < 600.0 {
            at_s += exponential(&mut generator) / if at_s % 60.0 < 5.0 { 60.0 } else { 10.0 };
            instants.push(at_s);
        }
        let found = demand_of_rows(&rows(instants.into_iter()), Duration::from_mins(1), "t").unwrap();
        let burst = found.burst.unwrap();
        assert!(
            (4.9..5.1).contains(&burst.length_s) && burst.times().is_some_and(|times| (5.0..8.0).contains(&times)),
            "{burst:?}"
        );
        // Poisson arrivals of one rate, and a slow wave, have none.
        let (mut at_s, mut instants) = (0.0, Vec::new());
        while at_s < 1_200.0 {
            at_s += exponential(&mut generator) / 10.0;
            instants.push(at_s);
        }
        assert_eq!(demand_of_rows(&rows(instants.into_iter()), Duration::from_mins(1), "t").unwrap().burst, None);
        let slow =
            demand_of_profile(&profile("ramp 1/s..100/s 60s; hold 120s; ramp 100/s..1/s 60s"), Duration::from_mins(1))
                .unwrap();
        assert_eq!(slow.burst, None);
    }

    #[test]
    fn poisson_arrivals_whose_rate_changes_from_window_to_window_are_no_burstier_than_poisson() {
        let mut generator = Seed::new(7).stream("arrivals").sequence();
        let mut at_s = 0.0;
        let instants: Vec<f64> = std::iter::from_fn(|| {
            let rate = if ((at_s / 60.0) as u64).is_multiple_of(2) { 4.0 } else { 1.0 };
            at_s += exponential(&mut generator) / rate;
            (at_s < 3_600.0).then_some(at_s)
        })
        .collect();
        let seen =
            demand_of_rows(&rows(instants.iter().copied()), Duration::from_mins(1), "t").unwrap().burstiness.unwrap();
        assert!(!seen.exceeds(1.0) && seen.exceeds(0.0), "{seen:?}");
        let clumps = instants.iter().flat_map(|at_s| [*at_s; 3]);
        let seen = demand_of_rows(&rows(clumps), Duration::from_mins(1), "t").unwrap().burstiness.unwrap();
        assert!(seen.exceeds(1.0) && seen.dispersion > 2.5 && !seen.exceeds(2.0), "{seen:?}");
    }
}
