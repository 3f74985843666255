//! Owns the reading of the stored histograms: the values of a metric by the share of requests at or below them, and
//! the shares of requests by value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use crate::figures::{ClassView, StatsView, TrialView};
use crate::metrics::{Known, Metric, Unit};

/// Steps of the curve for each power of ten of the share above.
const STEPS: u32 = 10;
/// Powers of ten of the share above at which the curve ends: p99.99.
const MOST_POWERS: u32 = 4;
/// Shares that are always on the curve.
const NAMED: [f64; 3] = [0.5, 0.75, 0.95];
/// The most bars of a histogram.
const MOST_BARS: u32 = 36;
/// Empty bars on each side of a histogram of counts.
const MARGIN: u64 = 2;

/// A histogram with few bars, in the unit of the metric.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bars {
    /// The ends of the bars, ascending: one more than bars. A bar holds the values from its lower end up to below its
    /// upper end.
    pub ends: Vec<f64>,
    /// The share of requests in each bar, for each histogram that was asked for.
    pub shares: Vec<Vec<f64>>,
}

impl TrialView {
    /// The distribution of `metric`: pairs of (share of requests, value in the unit of the metric), ascending. Missed
    /// and censored requests rank above all observed values. The curve ends before them, and where fewer than one
    /// request is above. Empty without a stored histogram.
    #[must_use]
    pub fn shares(&self, metric: Metric) -> Vec<(f64, f64)> {
        match (self.histograms.get(&metric), self.metrics.get(&metric)) {
            (Some(text), Some(view)) => curve(text, view.headline(), metric),
            _ => Vec::new(),
        }
    }

    /// The histogram of `metric`: the share of all requests (of all gaps, for `itl` and `tbt`) by value. Bars of times
    /// have equal ratios of their ends. `None` without a stored histogram.
    #[must_use]
    pub fn bars(&self, metric: Metric) -> Option<Bars> {
        let histogram = read(self.histograms.get(&metric)?)?;
        let stats = self.metrics.get(&metric)?.headline();
        let total = histogram.len() + stats.missed + stats.censored;
        bars(&[(&histogram, total)], metric)
    }

    /// The lengths asked for, and those that came, as shares of requests: two histograms with the same bars. `None`
    /// where one of them is not stored.
    #[must_use]
    pub fn lengths(&self, metric: Metric) -> Option<Bars> {
        let (asked, came) = (read(self.asked_histograms.get(&metric)?)?, read(self.histograms.get(&metric)?)?);
        bars(&[(&asked, asked.len()), (&came, came.len())], metric)
    }
}

impl ClassView {
    /// The distribution of `metric`, as [`TrialView::shares`] gives it.
    #[must_use]
    pub fn shares(&self, metric: Metric) -> Vec<(f64, f64)> {
        match (self.histograms.get(&metric), self.metrics.get(&metric)) {
            (Some(text), Some(view)) => curve(text, view.headline(), metric),
            _ => Vec::new(),
        }
    }
}

fn curve(text: &str, stats: &StatsView, metric: Metric) -> Vec<(f64, f64)> {
    let Some(histogram) = read(text) else { return Vec::new() };
    let total = (histogram.len() + stats.missed + stats.censored) as f64;
    let unit = metric.unit();
    let grid = (0..=STEPS * MOST_POWERS).map(|step| 1.0 - libm::pow(10.0, -f64::from(step) / f64::from(STEPS)));
    let mut wanted: Vec<f64> = grid.chain(NAMED).filter(|share| (1.0 - share) * total >= 1.0 - 1e-9).collect();
    wanted.sort_by(f64::total_cmp);
    let printed = |share: f64| {
        let named = [(0.5, stats.p50), (0.75, stats.p75), (0.9, stats.p90), (0.95, stats.p95), (0.99, stats.p99)];
        let near = named.into_iter().chain([(0.999, stats.p999)]).find(|(name, _)| libm::fabs(name - share) < 1e-9);
        near.and_then(|(_, figure)| if let Some(Known::At(value)) = figure { Some(value) } else { None })
    };
    let (mut curve, mut wanted) = (Vec::new(), wanted.into_iter().peekable());
    let mut below = 0;
    for value in histogram.iter_recorded() {
        below += value.count_since_last_iteration();
        while let Some(share) = wanted.next_if(|share| below as f64 >= share * total - 1e-6) {
            curve.push((share, printed(share).unwrap_or_else(|| in_unit(value.value_iterated_to(), unit))));
        }
    }
    curve
}

/// A value of a histogram in `unit`.
fn in_unit(value: u64, unit: Unit) -> f64 {
    (value * unit.ticks_per_count()) as f64 / unit.ticks()
}

/// Each histogram with the number of requests of which its shares are shares. `None` without a value.
fn bars(histograms: &[(&Histogram<u64>, u64)], metric: Metric) -> Option<Bars> {
    let values = || histograms.iter().flat_map(|(histogram, _)| histogram.iter_recorded());
    let low = values().map(|value| value.value_iterated_to()).min()?;
    let high = values().map(|value| value.value_iterated_to()).max()?;
    let ends = ends(low, high, metric.unit());
    let shares = histograms.iter().map(|(histogram, total)| {
        let mut counts = vec![0u64; ends.len() - 1];
        for value in histogram.iter_recorded() {
            // A time of 0 has no place on an axis of ratios: it is in the first bar.
            let place = ends.partition_point(|end| *end <= value.value_iterated_to() as f64).saturating_sub(1);
            counts[place.min(ends.len() - 2)] += value.count_since_last_iteration();
        }
        counts.into_iter().map(|count| count as f64 / (*total).max(1) as f64).collect()
    });
    let shares = shares.collect();
    let unit = metric.unit();
    let scale = unit.ticks_per_count() as f64 / unit.ticks();
    Some(Bars { ends: ends.into_iter().map(|end| end * scale).collect(), shares })
}

/// The ends of bars that hold the values from `low` to `high`: of equal ratio for times, of equal width for counts.
fn ends(low: u64, high: u64, unit: Unit) -> Vec<f64> {
    if unit != Unit::Seconds {
        let width = (high - low + 1).div_ceil(u64::from(MOST_BARS)).max(1);
        // Room beside the values: a load of one length is then a bar, not a full plot.
        let low = low.saturating_sub(MARGIN * width);
        let number = (high - low) / width + 1 + MARGIN;
        return (0..=number).map(|place| (low + place * width) as f64).collect();
    }
    // Values are kept to three digits: closer ends would leave gaps between bars.
    let (low, high) = (low.max(1) as f64, high.max(1) as f64 * 1.002 + 1.0);
    let number = libm::ceil(libm::log(high / low) / 0.005).clamp(1.0, f64::from(MOST_BARS));
    let ratio = libm::log(high / low) / number;
    let inner = (1..number as u32).map(|place| low * libm::exp(ratio * f64::from(place)));
    [low].into_iter().chain(inner).chain([high]).collect()
}

/// The histogram in `text`; `None` if it is none.
fn read(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        values.into_iter().for_each(|value| histogram.saturating_record(value));
        histogram
    }

    #[test]
    fn every_value_is_in_one_bar_whatever_the_range() {
        for metric in [Metric::Ttft, Metric::InputTokens, Metric::OutputSpeed] {
            for values in [
                vec![0],
                vec![1],
                vec![128; 5],
                vec![0, 3, 900, 7_000_000],
                (1..2_000).collect(),
                vec![3_600_000_000, 1],
            ] {
                let number = values.len();
                let one = histogram(values.clone());
                let bars = bars(&[(&one, one.len())], metric).unwrap();
                assert!(bars.ends.len() - 1 <= MOST_BARS as usize + 4 && bars.ends.is_sorted(), "{values:?}: {bars:?}");
                let sum: f64 = bars.shares[0].iter().sum();
                assert!((sum - 1.0).abs() < 1e-9 && bars.shares[0].len() == bars.ends.len() - 1, "{number}: {bars:?}");
            }
        }
        assert_eq!(bars(&[(&histogram([]), 0)], Metric::Ttft), None);
    }

    #[test]
    fn two_histograms_share_their_bars() {
        let (asked, came) = (histogram([100, 100, 100, 100]), histogram([98, 100, 102, 140]));
        let bars = bars(&[(&asked, 4), (&came, 8)], Metric::InputTokens).unwrap();
        assert_eq!((bars.ends[2], bars.ends[3]), (98.0, 100.0));
        assert_eq!((bars.shares[0][2], bars.shares[0][3]), (0.0, 1.0));
        assert_eq!((bars.shares[1][2], bars.shares[1][3], bars.shares[1][4]), (0.125, 0.125, 0.125));
    }
}
