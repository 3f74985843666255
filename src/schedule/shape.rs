//! Owns `Shape`: a summary of a stream of instants (count, gaps, dispersion, picture), computed in one pass.

use serde::Serialize;

use crate::schedule::picture::Picture;
use crate::units::Offset;

/// The summary of a stream of instants over [0, span).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    /// Number of arrivals.
    pub count: u64,
    /// The gaps between successive arrivals.
    pub gap: GapShape,
    /// How far the counts of arrivals vary.
    pub dispersion: Dispersion,
    /// The arrival rate over time: two lines of text of at most 72 columns.
    pub picture: String,
}

/// The gaps between successive arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GapShape {
    /// Mean gap in seconds; `None` with fewer than two arrivals.
    pub mean_s: Option<f64>,
    /// Population standard deviation of the gaps ÷ their mean; `None` with fewer than three arrivals, or if all
    /// arrive at once.
    pub cv: Option<f64>,
}

/// Index of dispersion of the counts in complete windows [kW, (k+1)W) from the origin: population variance ÷ mean; 1
/// for Poisson, 0 for even arrivals. `None` with fewer than two complete windows, or if all of them are empty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Dispersion {
    /// W = 1 s.
    #[serde(rename = "1s")]
    pub over_1s: Option<f64>,
    /// W = 10 s.
    #[serde(rename = "10s")]
    pub over_10s: Option<f64>,
    /// W = 60 s.
    #[serde(rename = "60s")]
    pub over_60s: Option<f64>,
}

/// Reads instants in order, and keeps only sums.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    count: u64,
    before: Option<Offset>,
    gaps: Moments,
    windows: [Windows; 3],
    span: Offset,
    picture: Picture,
}

impl Observer {
    /// An observer of [0, `span`) that has seen nothing yet.
    #[must_use]
    pub(crate) fn new(span: Offset) -> Self {
        Self {
            count: 0,
            before: None,
            gaps: Moments::default(),
            windows: [1, 10, 60].map(Windows::new),
            span,
            picture: Picture::new(span.as_secs()),
        }
    }

    /// Takes the next instant.
    pub(crate) fn add(&mut self, at: Offset) {
        self.count += 1;
        if let Some(before) = self.before {
            self.gaps.add(at.secs_since(before));
        }
        self.before = Some(at);
        self.windows.iter_mut().for_each(|windows| windows.add(at));
        self.picture.add(at.as_secs());
    }

    /// The summary of all instants added.
    #[must_use]
    pub(crate) fn shape(self) -> Shape {
        let [over_1s, over_10s, over_60s] = self.windows.map(|windows| windows.dispersion(self.span));
        let cv =
            (self.gaps.count >= 2 && self.gaps.mean > 0.0).then(|| libm::sqrt(self.gaps.variance()) / self.gaps.mean);
        Shape {
            count: self.count,
            gap: GapShape { mean_s: (self.gaps.count >= 1).then_some(self.gaps.mean), cv },
            dispersion: Dispersion { over_1s, over_10s, over_60s },
            picture: self.picture.draw(),
        }
    }
}

/// Mean and variance of a stream (Welford, Technometrics 4 (1962) 419–420).
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
    }

    /// Population variance.
    fn variance(&self) -> f64 {
        self.squares / self.count as f64
    }
}

/// Counts in successive windows of one length.
#[derive(Debug, Clone, Copy)]
struct Windows {
    length_ns: u64,
    open: u64,
    in_open: u64,
    /// Sums over the windows before the open one; an empty window adds 0.
    sum: f64,
    squares: f64,
}

impl Windows {
    fn new(length_s: u64) -> Self {
        Self { length_ns: length_s * 1_000_000_000, open: 0, in_open: 0, sum: 0.0, squares: 0.0 }
    }

    fn add(&mut self, at: Offset) {
        let window = at.as_nanos() / self.length_ns;
        if window != self.open {
            self.close();
            self.open = window;
        }
        self.in_open += 1;
    }

    fn close(&mut self) {
        let count = self.in_open as f64;
        self.sum += count;
        self.squares += count * count;
        self.in_open = 0;
    }

    fn dispersion(mut self, span: Offset) -> Option<f64> {
        let complete = span.as_nanos() / self.length_ns;
        if self.open < complete {
            self.close();
        }
        if complete < 2 || self.sum == 0.0 {
            return None;
        }
        // The sums are whole numbers below 2⁵³: they are exact.
        let windows = complete as f64;
        let mean = self.sum / windows;
        Some((self.squares / windows - mean * mean) / mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(span_s: f64, instants_s: &[f64]) -> Shape {
        let mut observer = Observer::new(Offset::from_secs(span_s));
        for at_s in instants_s {
            observer.add(Offset::from_secs(*at_s));
        }
        observer.shape()
    }

    #[test]
    fn gaps_and_counts_are_those_of_a_hand_calculation() {
        // Gaps 1 and 3: mean 2, population deviation 1. The arrival at 4.2 s lies in no complete window of 1 s.
        let seen = shape(4.5, &[0.2, 1.2, 4.2]);
        assert_eq!((seen.count, seen.gap.mean_s, seen.gap.cv), (3, Some(2.0), Some(0.5)));
        assert!(
            (seen.dispersion.over_1s.unwrap() - 0.5).abs() < 1e-12,
            "counts 1, 1, 0, 0: variance 1/4 over mean 1/2"
        );
        assert_eq!(seen.dispersion.over_10s, None, "not one complete window");
    }

    #[test]
    fn what_is_undefined_is_none_and_never_zero() {
        assert_eq!(shape(100.0, &[]).gap, GapShape { mean_s: None, cv: None });
        assert_eq!(shape(100.0, &[]).dispersion, Dispersion { over_1s: None, over_10s: None, over_60s: None });
        assert_eq!(shape(100.0, &[1.0]).gap, GapShape { mean_s: None, cv: None });
        assert_eq!(shape(100.0, &[1.0, 2.0]).gap, GapShape { mean_s: Some(1.0), cv: None });
        assert_eq!(shape(100.0, &[1.0, 1.0, 1.0]).gap, GapShape { mean_s: Some(0.0), cv: None });
    }

    #[test]
    fn silence_at_the_end_counts_as_empty_windows() {
        let busy: Vec<f64> = (0..100).map(|i| f64::from(i) / 10.0).collect();
        assert_eq!(shape(10.0, &busy).dispersion.over_1s, Some(0.0));
        // Ten windows of 10 and ten of 0: mean 5, variance 25.
        assert_eq!(shape(20.0, &busy).dispersion.over_1s, Some(5.0));
    }
}
