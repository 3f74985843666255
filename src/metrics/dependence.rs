//! Owns what the blocks say about dependence: φ of misses and of exceedances, and the honest interval of a quantile.

use crate::metrics::block::Block;
use crate::metrics::buckets::Buckets;
use crate::metrics::series::Absorb;
use crate::metrics::{Distribution, Known, Metric, OriginOf, Summary};
use crate::stats::dispersion::{Batch, Dispersion, dispersion};
use crate::stats::ranks::quantile_interval;

/// The event whose dependence stands in for that of rarer ones: exceeding the observed p90.
const FREQUENT: f64 = 0.9;

/// φ for a decision about objective number `place`: that of its misses, shrunk towards that of exceedances of the observed p90 of
/// `metric`; with fewer than 10 misses the latter alone, widened. `None` when the data cannot give that either.
pub(super) fn decision_dispersion(summary: &Summary, place: usize, metric: Metric) -> Option<f64> {
    let batches = summary.blocks().slots().iter().map(|block| block.tally_of(place));
    let batches: Vec<Batch> = batches.map(|tally| Batch { hits: tally.misses, trials: tally.decided() }).collect();
    let frequent = exceedances(summary, metric, FREQUENT);
    match dispersion(&batches) {
        Some(own) => Some(own.shrunk(frequent)),
        None => frequent.map(|frequent| frequent.widened),
    }
}

/// φ of exceedances of the observed `share` quantile of `metric` over the blocks; `None` when there are too few.
///
/// The threshold is the class of the blocks' histograms (2 digits) whose share beyond it is closest to 1 − `share`, and between
/// half and twice of it. When one class holds so much that none is, as in a service of constant latency, there is nothing to
/// vary but membership of that class, and φ is 1.
fn exceedances(summary: &Summary, metric: Metric, share: f64) -> Option<Dispersion> {
    let (classes, missed) = merged(summary, metric);
    let wanted = (1.0 - share) * (classes.len() + missed) as f64;
    let distance = |beyond: u64| libm::fabs(beyond as f64 - wanted);
    let (mut beyond, mut fullest) = (missed, 0);
    let mut nearest: Option<(usize, u64)> = None;
    for (class, count) in classes.iter().rev() {
        if nearest.is_none_or(|(_, held)| distance(beyond) < distance(held)) {
            nearest = Some((class, beyond));
        }
        beyond += count;
        fullest = fullest.max(count);
    }
    let (class, held) = nearest?;
    if (0.5 * wanted..=2.0 * wanted).contains(&(held as f64)) {
        let batches = summary.blocks().slots().iter().map(|block| block.beyond(metric, class));
        return dispersion(&batches.map(|(hits, trials)| Batch { hits, trials }).collect::<Vec<_>>());
    }
    let constant = missed == 0 && fullest >= 100 && fullest as f64 > 0.5 * wanted;
    constant.then_some(Dispersion { plain: 1.0, widened: 1.0, episodes: f64::from(u16::MAX) })
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
    let prior = if share > FREQUENT { exceedances(summary, metric, FREQUENT) } else { None };
    let phi = exceedances(summary, metric, share)?.shrunk(prior);
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
    let mut whole = Block::default();
    summary.blocks().slots().iter().for_each(|block| whole.absorb(block));
    whole.quantile(metric, share)
}
