//! Owns `Burst`: the largest burst of a demand that is shorter than the peak window and exceeds what Poisson arrivals
//! do.

use serde::Serialize;

use crate::trace::Row;
use crate::units::Offset;

/// The burst lengths that are searched, in seconds.
const LENGTHS_S: [f64; 3] = [1.0, 5.0, 10.0];
/// A burst is reported only if fewer than this share of Poisson demands at the peak rate have a burst of its size.
const RARE: f64 = 0.01;
/// Factor on the number of windows: sliding windows find larger counts than disjoint windows.
const SLIDING: f64 = 4.0;
/// The least burst that is reported, as a multiple of the peak rate. Smaller bursts do not matter in practice.
const LEAST_TIMES: f64 = 1.2;

/// A burst. All rates are requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Burst {
    /// The length of the burst, in seconds.
    pub length_s: f64,
    /// The mean rate inside the burst.
    pub rate_per_s: f64,
    /// The mean rate of the rest of the peak window around the burst.
    pub rest_per_s: f64,
    /// The bound on the rate over `length_s` that 99 of 100 demands of Poisson arrivals at the peak rate stay below.
    pub poisson_per_s: f64,
}

impl Burst {
    /// The burst rate ÷ the rate of the rest of the window; `None` if the rest has no requests.
    #[must_use]
    pub fn times(&self) -> Option<f64> {
        (self.rest_per_s > 0.0).then(|| self.rate_per_s / self.rest_per_s)
    }

    /// The burst with every rate multiplied by `factor`.
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

/// A demand whose requests can be counted over time.
pub(super) trait Counted {
    /// The start of the busiest stretch of `length_s`, in seconds.
    fn busiest_s(&self, length_s: f64) -> f64;
    /// The number of requests from `from_s` to just before `to_s`.
    fn between(&self, from_s: f64, to_s: f64) -> f64;
}

/// The burst with the most requests above the peak rate, in a demand of `whole_s` seconds whose peak over `window_s` is
/// `peak_per_s`. `None` if no burst length has a reportable burst.
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

/// The count that any of `windows` independent Poisson counts of mean `mean` reaches with a probability of at most
/// [`RARE`]. By Chernoff's bound, a count reaches mean (1 + u) with a probability below exp(−mean ((1 + u) ln(1 + u) −
/// u)).
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

/// Rows in order of time; instants count from the first row.
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
        // P(Poisson(10) ≥ 31) = 8e-8 and P(Poisson(10) ≥ 30) = 3e-7. For 100 windows, the exact 1 % bound is about 25;
        // Chernoff's bound is 27.
        let most = poisson_most(10.0, 100.0);
        assert!((24.0..29.0).contains(&most), "{most}");
        assert!(poisson_most(1_000.0, 100.0) < 1_150.0);
    }
}
