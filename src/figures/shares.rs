//! Owns the reading of the stored histograms: the values of a metric by the share of requests at or below them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use crate::figures::TrialView;
use crate::metrics::{Known, Metric};

/// Steps of the curve for each power of ten of the share above.
const STEPS: u32 = 10;
/// Powers of ten of the share above at which the curve ends: p99.99.
const MOST_POWERS: u32 = 4;
/// Shares that are always on the curve.
const NAMED: [f64; 3] = [0.5, 0.75, 0.95];

impl TrialView {
    /// The distribution of `metric`: pairs of (share of requests, value in the unit of the metric), ascending. Missed
    /// and censored requests rank above all observed values. The curve ends before them, and where fewer than one
    /// request is above. Empty without a stored histogram.
    #[must_use]
    pub fn shares(&self, metric: Metric) -> Vec<(f64, f64)> {
        let (Some(histogram), Some(view)) =
            (self.histograms.get(&metric).and_then(|text| read(text)), self.metrics.get(&metric))
        else {
            return Vec::new();
        };
        let stats = view.headline();
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
                let counted = (value.value_iterated_to() * unit.ticks_per_count()) as f64 / unit.ticks();
                curve.push((share, printed(share).unwrap_or(counted)));
            }
        }
        curve
    }
}

/// The histogram in `text`; `None` if it is none.
fn read(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}
