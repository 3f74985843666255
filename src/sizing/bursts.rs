//! Owns `Burst`: the largest burst of a demand that is shorter than the window the fleet is sized by, and more than
//! Poisson arrivals do.

use serde::Serialize;

use crate::trace::Row;
use crate::units::Offset;

/// Lengths of bursts that are looked for, in seconds.
const LENGTHS_S: [f64; 3] = [1.0, 5.0, 10.0];
/// A burst is told where Poisson arrivals at the peak rate would show one as large in less than this share of such
/// demands.
const RARE: f64 = 0.01;
/// Sliding windows find more than windows side by side: counted as so many times as many.
const SLIDING: f64 = 4.0;
/// A burst below so many times the peak rate is no matter.
const LEAST_TIMES: f64 = 1.2;

/// A burst. Rates are requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Burst {
    /// How long it is.
    pub length_s: f64,
    /// The mean rate inside it.
    pub rate_per_s: f64,
    /// The mean rate of the rest of the window around it that the fleet is sized by.
    pub rest_per_s: f64,
    /// The highest rate over such a length that Poisson arrivals at the peak rate show in 99 of 100 demands.
    pub poisson_per_s: f64,
}

impl Burst {
    /// How many times the rest it is; none where nothing else comes in that window.
    #[must_use]
    pub fn times(&self) -> Option<f64> {
        (self.rest_per_s > 0.0).then(|| self.rate_per_s / self.rest_per_s)
    }

    /// The same with every rate multiplied by `factor`.
    #[must_use]
    pub(super) fn grown(self, factor: f64) -> Self {
        let Self { length_s, rate_per_s, rest_per_s, poisson_per_s } = self;
        Self {
            length_s,
            rate_per_s: rate_per_s * factor,
            rest_per_s: rest_per_s * factor,
            poisson_per_s: poisson_per_s * factor,
        }
    }
}

/// What is counted in a stretch of a demand of `whole_s` seconds whose peak over `window_s` is `peak_per_s`.
pub(super) trait Counted {
    /// Where the busiest stretch of `length_s` begins, in seconds.
    fn busiest_s(&self, length_s: f64) -> f64;
    /// Requests from `from_s` on before `to_s`.
    fn between(&self, from_s: f64, to_s: f64) -> f64;
}

/// The burst that brings the most requests above the peak rate; none where no length has one that counts.
pub(super) fn burst_of(demand: &impl Counted, whole_s: f64, window_s: f64, peak_per_s: f64) -> Option<Burst> {
    let found = LENGTHS_S.into_iter().filter(|length_s| *length_s < window_s).filter_map(|length_s| {
        let start_s = demand.busiest_s(length_s);
        let inside = demand.between(start_s, start_s + length_s);
        let from_s = (start_s - (window_s - length_s) / 2.0).min(whole_s - window_s).max(0.0);
        let around = demand.between(from_s, from_s + window_s);
        let poisson_per_s = poisson_most(peak_per_s * length_s, SLIDING * whole_s / length_s) / length_s;
        let rate_per_s = inside / length_s;
        let rest_per_s = (around - inside).max(0.0) / (window_s - length_s);
        let counts = rate_per_s > poisson_per_s && rate_per_s > LEAST_TIMES * peak_per_s;
        counts.then_some(Burst { length_s, rate_per_s, rest_per_s, poisson_per_s })
    });
    let above = |burst: &Burst| (burst.rate_per_s - peak_per_s) * burst.length_s;
    found.max_by(|one, other| above(one).total_cmp(&above(other)))
}

/// The count of mean `mean` that `windows` independent ones reach with probability [`RARE`], by Chernoff's bound: at
/// mean (1 + u) it is below exp(−mean ((1 + u) ln(1 + u) − u)).
fn poisson_most(mean: f64, windows: f64) -> f64 {
    let wanted = libm::log(windows.max(1.0) / RARE);
    let (mut low, mut high) = (0.0, 1.0);
    let exponent = |u: f64| mean * ((1.0 + u) * libm::log1p(u) - u);
    while exponent(high) < wanted && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if exponent(middle) < wanted { low = middle } else { high = middle }
    }
    mean * (1.0 + high)
}

/// Rows in order of time, counted from the first.
pub(super) struct Rows<'a>(pub(super) &'a [Row]);

impl Rows<'_> {
    fn first(&self) -> Offset {
        self.0.first().map_or(Offset::ZERO, |row| row.at)
    }
}

impl Counted for Rows<'_> {
    fn busiest_s(&self, length_s: f64) -> f64 {
        let (mut end, mut most, mut place) = (0, 0, 0);
        for (start, row) in self.0.iter().enumerate() {
            while self.0.get(end).is_some_and(|later| later.at.secs_since(row.at) < length_s) {
                end += 1;
            }
            if end - start > most {
                (most, place) = (end - start, start);
            }
        }
        self.0.get(place).map_or(0.0, |row| row.at.secs_since(self.first()))
    }

    fn between(&self, from_s: f64, to_s: f64) -> f64 {
        let before = |limit_s: f64| self.0.partition_point(|row| row.at.secs_since(self.first()) < limit_s);
        (before(to_s) - before(from_s)) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_counts_rarely_exceed_the_bound() {
        // P(Poisson(10) ≥ 31) = 8e-8, P(≥ 30) = 3e-7: a hundred windows reach the bound of 1 % around 25, which
        // Chernoff puts at 27.
        let most = poisson_most(10.0, 100.0);
        assert!((24.0..29.0).contains(&most), "{most}");
        assert!(poisson_most(1_000.0, 100.0) < 1_150.0);
    }
}
