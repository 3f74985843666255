//! Owns the picture of a rate over time in a few lines of text.

use crate::schedule::Curve;
use crate::units::{Offset, per_second, seconds};

/// Counts arrivals in columns of a round width, and draws their rate.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    width_s: f64,
    span_s: f64,
    counts: Vec<u64>,
}

/// Widths of a column, in seconds, that people read at a glance.
const WIDTHS_S: [f64; 29] = [
    1e-6, 1e-5, 1e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0,
    120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21_600.0, 86_400.0,
];

const MOST_COLUMNS: f64 = 60.0;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Picture {
    /// A picture of `span_s` seconds in at most 60 columns. All columns but the last have one width; the last takes
    /// the remaining time.
    pub(crate) fn new(span_s: f64) -> Self {
        let least = span_s / MOST_COLUMNS;
        // The factor allows for the rounding of the division, so that 60 s make 60 columns of 1 s. Beyond the table:
        // 60 columns of any width.
        let width_s = WIDTHS_S.into_iter().find(|width_s| *width_s >= least * 0.999_999).unwrap_or(least);
        let columns = libm::round(span_s / width_s).clamp(1.0, MOST_COLUMNS) as usize;
        Self { width_s, span_s, counts: vec![0; columns] }
    }

    /// Takes an arrival at `at_s` seconds from the origin.
    pub(crate) fn add(&mut self, at_s: f64) {
        let last = self.counts.len() - 1;
        self.counts[((at_s / self.width_s) as usize).min(last)] += 1;
    }

    /// Two lines: the columns (height: the rate, from 0 to the highest; `·`: no arrivals), then the scale. Without
    /// arrivals: one line.
    pub(crate) fn draw(&self) -> String {
        let rates: Vec<f64> = (0..self.counts.len()).map(|i| self.counts[i] as f64 / self.length_s(i)).collect();
        self.draw_of(&rates).unwrap_or_else(|| "no arrivals".to_owned())
    }

    /// The length of column `i` in seconds; the last column takes the remaining time.
    fn length_s(&self, i: usize) -> f64 {
        let last = self.counts.len() - 1;
        if i == last { self.span_s - last as f64 * self.width_s } else { self.width_s }
    }

    fn draw_of(&self, rates: &[f64]) -> Option<String> {
        let (columns, highest) = bars(rates)?;
        Some(format!(
            "{columns}\n0 to {}; █ up to {}; one column {}",
            seconds(self.span_s),
            per_second(highest),
            seconds(self.width_s)
        ))
    }
}

/// The rate of `curve` over [0, `end`), drawn like arrivals: the mean rate in each column.
pub(crate) fn draw_rate(curve: &Curve, end: Offset) -> String {
    let picture = Picture::new(end.as_secs());
    let mean = |i: usize| {
        let start_s = i as f64 * picture.width_s;
        (curve.expected(start_s + picture.length_s(i)) - curve.expected(start_s)) / picture.length_s(i)
    };
    picture.draw_of(&(0..picture.counts.len()).map(mean).collect::<Vec<_>>()).unwrap_or_else(|| "no rate".to_owned())
}

/// One block for each rate, and the highest rate; `None` if all rates are 0.
pub(crate) fn bars(rates: &[f64]) -> Option<(String, f64)> {
    let highest = rates.iter().copied().fold(0.0, f64::max);
    let bar = |rate: &f64| if *rate <= 0.0 { '·' } else { BLOCKS[((rate / highest * 8.0) as usize).min(7)] };
    (highest > 0.0).then(|| (rates.iter().map(bar).collect(), highest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(span_s: f64, instants_s: impl Iterator<Item = f64>) -> String {
        let mut picture = Picture::new(span_s);
        instants_s.for_each(|at_s| picture.add(at_s));
        picture.draw()
    }

    #[test]
    fn an_even_load_is_a_full_bar() {
        insta::assert_snapshot!(picture(10.0, (0..2000).map(|i| f64::from(i) / 200.0 + 1e-9)), @r"
        ██████████████████████████████████████████████████
        0 to 10.0 s; █ up to 200/s; one column 200 ms
        ");
    }

    #[test]
    fn a_ramp_rises_and_a_silence_is_dots() {
        let ramp = (0..30)
            .flat_map(|second| (0..=second).map(move |i| f64::from(second) + f64::from(i) / f64::from(second + 1)));
        insta::assert_snapshot!(picture(60.0, ramp), @r"
        ▁▁▁▂▂▂▂▃▃▃▃▄▄▄▅▅▅▅▆▆▆▆▇▇▇▇████······························
        0 to 60.0 s; █ up to 30.0/s; one column 1.00 s
        ");
        assert_eq!(picture(60.0, std::iter::empty()), "no arrivals");
    }

    #[test]
    fn no_span_is_too_short_or_too_long_for_72_columns() {
        for span_s in [0.0, 1e-9, 0.001, 0.7, 1.0, 20.0, 61.0, 3_600.0, 86_400.0, 3e7] {
            for line in picture(span_s, (0..100).map(|i| span_s * f64::from(i) / 100.0)).lines() {
                assert!(line.chars().count() <= 72, "{span_s} s: {line}");
            }
        }
    }

    #[test]
    fn a_short_rest_does_not_tower_over_the_picture() {
        // 10.01 s of one arrival every 10 ms: the last 10 ms belong to the column before.
        let text = picture(10.01, (0..1001).map(|i| f64::from(i) / 100.0 + 1e-9));
        assert!(text.lines().next().unwrap().chars().all(|column| column >= '▇'), "{text}");
    }
}
