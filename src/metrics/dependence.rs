//! Owns what the blocks say about dependence: φ of misses and of exceedances, and the honest interval of a quantile.

use crate::metrics::block::Tally;
use crate::metrics::buckets::Buckets;
use crate::metrics::{Distribution, Known, Metric, OriginOf, Summary};
use crate::stats::dispersion::{Batch, overdispersion};
use crate::stats::ranks::quantile_interval;

/// φ of the misses of objective number `place`; `None` with fewer than 10 misses (or fewer than 10 met).
pub(super) fn tally_dispersion(summary: &Summary, place: usize, tally: &Tally) -> Option<f64> {
    if tally.misses < crate::stats::dispersion::LEAST_HITS {
        return None;
    }
    let batches = summary.blocks().slots().iter().map(|block| block.tally_of(place));
    let batches: Vec<Batch> = batches.map(|tally| Batch { hits: tally.misses, trials: tally.decided() }).collect();
    overdispersion(&batches)
}

/// φ of exceedances of the observed `share` quantile of `metric` over the blocks; `None` when there are too few.
///
/// The threshold is the class of the blocks' histograms (2 digits) whose share beyond it is closest to 1 − `share` among those
/// between half and twice of it. When one class holds so much that none is, as in a service of constant latency, nothing
/// varies in time but membership of a class, and φ is 1.
pub(super) fn exceedance_dispersion(summary: &Summary, metric: Metric, share: f64) -> Option<f64> {
    let blocks = summary.blocks().slots();
    let (classes, missed) = merged(summary, metric);
    let ranked = classes.len() + missed;
    let wanted = (1.0 - share) * ranked as f64;
    let mut beyond = missed;
    let mut best: Option<(usize, u64)> = None;
    let mut largest_class = 0;
    for (class, count) in classes.iter().collect::<Vec<_>>().into_iter().rev() {
        let distance = |beyond: u64| libm::fabs(beyond as f64 - wanted);
        if best.is_none_or(|(_, held)| distance(beyond) < distance(held)) {
            best = Some((class, beyond));
        }
        beyond += count;
        largest_class = largest_class.max(count);
    }
    let (class, held) = best?;
    if ranked >= 100 && (held as f64) < 0.5 * wanted || (held as f64) > 2.0 * wanted {
        return (missed == 0 && largest_class as f64 > 0.5 * wanted).then_some(1.0);
    }
    let batches: Vec<Batch> = blocks.iter().map(|block| block.beyond(metric, class)).map(|(hits, trials)| Batch { hits, trials }).collect();
    overdispersion(&batches)
}

/// The times of `metric` over all blocks, and the requests that missed it.
fn merged(summary: &Summary, metric: Metric) -> (Buckets<6, u64>, u64) {
    let mut all = Buckets::<6, u64>::default();
    let mut missed = 0;
    for block in summary.blocks().slots() {
        for (class, times) in block.times(metric) {
            all.add(Buckets::<6, u64>::highest(class), u64::from(times));
        }
        missed += block.missed(metric);
    }
    (all, missed)
}

/// The 95 % interval of a displayed quantile of a time of the cohort, from the planned instant, in seconds: order statistics
/// at exact ranks of n/φ. `None` ("more requests needed") when φ cannot be estimated, when a rank does not exist, or when
/// a bound falls among values cut off or missed.
#[must_use]
pub(super) fn quantile_interval95(summary: &Summary, metric: Metric, share: f64) -> Option<[f64; 2]> {
    if matches!(metric, Metric::Itl | Metric::Tbt | Metric::OutputSpeed | Metric::InputTokens | Metric::OutputTokens) {
        return None;
    }
    let distribution = summary.distribution(metric, OriginOf::Scheduled);
    let phi = exceedance_dispersion(summary, metric, share)?;
    let (low, high) = quantile_interval(share, distribution.ranked() as f64 / phi, 0.95)?;
    bounds(distribution, low, high)
}

fn bounds(distribution: &Distribution, low: f64, high: f64) -> Option<[f64; 2]> {
    match (distribution.at_share(low)?, distribution.at_share(high)?) {
        (Known::At(low), Known::At(high)) => Some([low, high]),
        _ => None,
    }
}

/// A quantile of the requests' mean gaps (`itl`, `tbt`), to 2 digits, in seconds.
pub(super) fn mean_gap_quantile(summary: &Summary, metric: Metric, share: f64) -> Option<Known> {
    let (classes, missed) = merged(summary, metric);
    let ranked = classes.len() + missed;
    let rank = libm::ceil(share * ranked as f64 - 1e-9).max(1.0) as u64;
    let mut passed = 0;
    let mut last = 0.0;
    for (class, count) in classes.iter() {
        passed += count;
        last = Buckets::<6, u64>::highest(class) as f64 / 1e6;
        if passed >= rank {
            return Some(Known::At(last));
        }
    }
    (ranked > 0).then_some(Known::Above { above: last })
}
