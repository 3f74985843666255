//! Owns the measures of the spacing of a trace's rows in time: gaps, ties, window counts, peaks,
//! and the tick of the clock.

use std::time::Duration;

use crate::trace::Row;
use crate::units::Offset;

/// Statistics of the gaps between rows.
pub(crate) struct Gaps {
    /// Population standard deviation ÷ mean; `None` with fewer than two rows or an empty span.
    pub(crate) cv: Option<f64>,
    /// The longest gap and the number of the row before it, from 1.
    pub(crate) longest: Option<(Offset, u64)>,
}

impl Gaps {
    pub(crate) fn of(rows: &[Row]) -> Self {
        let gaps = || rows.windows(2).map(|pair| Offset::from(pair[1].at.since(pair[0].at)));
        let mut longest: Option<(Offset, u64)> = None;
        for (row, gap) in (1..).zip(gaps()) {
            if longest.is_none_or(|(most, _)| gap > most) {
                longest = Some((gap, row));
            }
        }
        let count = rows.len().saturating_sub(1) as f64;
        let mean_s = gaps().map(Offset::as_secs).sum::<f64>() / count;
        let squares = gaps().map(|gap| (gap.as_secs() - mean_s) * (gap.as_secs() - mean_s)).sum::<f64>();
        Self { cv: (count > 0.0 && mean_s > 0.0).then(|| libm::sqrt(squares / count) / mean_s), longest }
    }
}

/// Statistics of the instants that rows share.
pub(crate) struct Times {
    /// Number of distinct instants.
    pub(crate) distinct: u64,
    /// Largest number of rows at one instant.
    pub(crate) max_tie: u64,
}

impl Times {
    pub(crate) fn of(rows: &[Row]) -> Self {
        let ties = || rows.chunk_by(|one, two| one.at == two.at);
        Self { distinct: ties().count() as u64, max_tie: ties().map(<[Row]>::len).max().unwrap_or(0) as u64 }
    }
}

/// Statistics of the row counts in the windows [kW, (k+1)W), from the first row to the last.
pub(crate) struct Counts {
    /// Largest number of rows in one window.
    pub(crate) most: u64,
    /// Population variance ÷ mean of the row counts.
    pub(crate) dispersion: f64,
}

impl Counts {
    pub(crate) fn of(rows: &[Row], length_s: u64) -> Self {
        let first = rows.first().map_or(Offset::ZERO, |row| row.at);
        let window = |row: &Row| row.at.since(first).as_nanos() / u128::from(length_s * 1_000_000_000);
        let windows = rows.last().map_or(0, |row| window(row) as u64 + 1) as f64;
        let (mut most, mut squares) = (0, 0.0);
        for inside in rows.chunk_by(|one, two| window(one) == window(two)) {
            most = most.max(inside.len() as u64);
            squares += (inside.len() * inside.len()) as f64;
        }
        let mean = rows.len() as f64 / windows;
        Self { most, dispersion: (squares / windows - mean * mean) / mean }
    }
}

/// The largest number of `rows` in any window [t, t + `length`) that begins at a row. `rows` must be in order of `at`.
#[must_use]
pub(crate) fn sliding_peak<T>(rows: &[T], at: impl Fn(&T) -> Offset, length: Duration) -> u64 {
    let mut end = 0;
    let mut most = 0;
    for (start, row) in rows.iter().enumerate() {
        let until = at(row).plus(length);
        while rows.get(end).is_some_and(|row| at(row) < until) {
            end += 1;
        }
        most = most.max(end - start);
    }
    most as u64
}

/// The duration of the load of `rows`: until one mean gap after the last row. When there is no gap, one second takes
/// the place of the mean gap.
#[must_use]
pub(crate) fn natural_length(rows: &[Row]) -> Duration {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Duration::ZERO };
    let mean_ns = last.at.since(first.at).as_nanos().checked_div(rows.len() as u128 - 1).unwrap_or(0);
    let mean = if mean_ns == 0 { Duration::from_secs(1) } else { Duration::from_nanos(mean_ns as u64) };
    last.at.plus(mean).since(Offset::ZERO)
}

/// The tick of a recorder's clock, in nanoseconds. When at least 90 % of the steps between instants are within 10 % of
/// the median step, the tick is the median (a recorder that samples every three seconds). Otherwise it is the greatest
/// common divisor of all steps (whole seconds). `None` when no rows share an instant, or all rows do.
pub(crate) fn tick_of(rows: &[Row]) -> Option<u64> {
    let steps = || rows.windows(2).map(|pair| pair[1].at.as_nanos() - pair[0].at.as_nanos()).filter(|step| *step > 0);
    let number = steps().count();
    if number == 0 || number + 1 == rows.len() {
        return None;
    }
    let mut some: Vec<u64> = steps().step_by(number.div_ceil(MOST_STEPS)).collect();
    let middle = some.len() / 2;
    let usual = *some.select_nth_unstable(middle).1;
    let alike = steps().filter(|step| step.abs_diff(usual) <= usual / 10).count();
    if alike * 10 >= number * 9 { Some(usual) } else { steps().reduce(greatest_common_divisor) }
}

/// Maximum number of steps for the median step, spread over the trace. The steps of 40 million rows would take 320 MB.
const MOST_STEPS: usize = 1_000_000;

fn greatest_common_divisor(mut one: u64, mut two: u64) -> u64 {
    while two > 0 {
        (one, two) = (two, one % two);
    }
    one
}
