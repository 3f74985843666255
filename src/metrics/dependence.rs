//! Owns the dependence between the requests of a summary: how many independent requests they are worth, and the
//! interval of a quantile.
//!
//! Latencies near saturation depend on each other: a request that waits leaves a queue to the next one. `n` requests
//! are then worth n/φ independent ones; φ is the overdispersion of their misses. φ is estimated from two sources, and
//! the larger estimate counts:
//!
//! 1. **The requests in flight** ([`crate::metrics::state`]) are the state that carries dependence from one request to
//!    the next. They are known at every instant, whereas misses are rare. An autoregression gives the lower 95 % bound
//!    of the number of independent samples of that state; the bound is that of a unit-root test (Dickey and Fuller,
//!    1979). n/φ is at most this bound. A short run of a slow service looks calm. The bound is then near zero, because
//!    such a series cannot be distinguished from one that never returns to its mean. This source is left out where a
//!    latency does not depend on the requests in flight (slope of its logarithm on them).
//! 2. **The misses themselves**: φ by batch means over the blocks (Conway, 1963), the largest over the batch sizes. Its
//!    excess over 1 is raised to the upper 90 % bound for the number of *episodes*, the blocks that carry the misses:
//!    (Σ k)² / Σ k² of their counts k. The result is averaged with a prior, weighted by episodes. The prior is the
//!    larger of 4 and the φ of exceeding p50 and p90, and is worth 6 episodes.
//!
//! Neither source can bound a kind of event that did not happen in the run. Without a miss, only the prior of 4 allows
//! for episodes that were not observed.
//!
//! Measured error rates, on the services that the method was chosen on and on others: `benches/verdict.rs`.

use crate::metrics::block::Block;
use crate::metrics::buckets::Buckets;
use crate::metrics::series::Absorb;
use crate::metrics::state::{Quantity, State};
use crate::metrics::{Known, Metric, OriginOf, Summary};
use crate::stats::dispersion::{Batch, Dispersion, dispersion};
use crate::stats::mixing::Mixing;
use crate::stats::ranks::quantile_interval;
use crate::stats::tail::mean_factor;

/// φ assumed where no miss shows how misses cluster, no unit. With 4, no miss among 1 476 requests certifies 1 %.
const PRIOR_PHI: f64 = 4.0;
/// Weight of the prior, in episodes.
const PRIOR_EPISODES: f64 = 6.0;
/// One-sided confidence of the upper bound to which the φ of the misses is raised.
const OWN_CONFIDENCE: f64 = 0.9;
/// Confidence at which ranks are computed. Above 95 %, because φ is estimated: the printed interval then covers 95 %.
const RANK_CONFIDENCE: f64 = 0.98;
/// The least number of independent requests on the rarer side of a quantile for which its interval is printed.
const LEAST_BEYOND: f64 = 4.0;
/// The least number of episodes for which an interval is printed.
const LEAST_EPISODES: f64 = 5.0;

/// The dependence of requests, for a decision about a share of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dependence {
    /// Overdispersion to decide with: an upper estimate, at least 1.
    pub(super) phi: f64,
    /// Best estimate of the overdispersion, to predict the requests still needed.
    pub(super) likely_phi: f64,
    /// Number of blocks that carry the misses, (Σ k)² / Σ k²; 0 without misses.
    pub(super) episodes: f64,
}

/// The dependence of the hits of `batches`. `prior` is the φ of more frequent events; `worth` is the number of
/// independent samples by the requests in flight.
pub(super) fn dependence(batches: &[Batch], prior: f64, worth: Option<Mixing>) -> Dependence {
    let total = |of: fn(&Batch) -> u64| batches.iter().map(of).sum::<u64>() as f64;
    let (hits, trials) = (total(|batch| batch.hits), total(|batch| batch.trials));
    let prior = prior.max(PRIOR_PHI);
    let (plain, raised, episodes) = if let Some(Dispersion { plain, episodes }) = dispersion(batches) {
        (plain, 1.0 + (plain - 1.0) * mean_factor(episodes.max(1.0), OWN_CONFIDENCE), episodes)
    } else {
        // Too few misses for batch means: runs of blocks with misses are the episodes. Where nearly all requests
        // missed, runs of blocks with requests that met are.
        let few = hits.min(trials - hits);
        let squares = run_squares(batches, hits <= trials / 2.0);
        if few > 0.0 { (squares / few, squares / few, few * few / squares) } else { (1.0, 1.0, 0.0) }
    };
    let shrunk = |own: f64| (own * episodes + PRIOR_EPISODES * prior) / (episodes + PRIOR_EPISODES);
    let most = trials.max(1.0);
    let of_state =
        |samples: fn(&Mixing) -> f64| worth.as_ref().map_or(1.0, |mixing| trials / samples(mixing).clamp(1.0, most));
    Dependence {
        phi: shrunk(raised).max(plain).max(of_state(|mixing| mixing.effective_low)).clamp(1.0, most),
        likely_phi: shrunk(plain).max(of_state(|mixing| mixing.effective)).clamp(1.0, most),
        episodes,
    }
}

/// Σ of the squared hits of runs of blocks. Hits are the misses, or without `misses` the requests that met. Two blocks
/// with hits belong to one run when at most one block without hits lies between them.
fn run_squares(batches: &[Batch], misses: bool) -> f64 {
    let (mut squares, mut open, mut empty) = (0.0, 0u64, 0);
    for batch in batches {
        let hits = if misses { batch.hits } else { batch.trials - batch.hits };
        empty = if hits > 0 { 0 } else { empty + 1 };
        if empty > 1 {
            squares += (open * open) as f64;
            open = 0;
        }
        open += hits;
    }
    squares + (open * open) as f64
}

/// The dependence of the misses of objective number `place`. `metrics` are the latencies that it limits, if any.
pub(super) fn of_objective(summary: &Summary, state: &State, place: usize, metrics: &[Metric]) -> Dependence {
    let batches: Vec<Batch> = summary.blocks().slots().iter().map(|block| batch_of(block, place)).collect();
    let hits: u64 = batches.iter().map(|batch| batch.hits).sum();
    if metrics.is_empty() {
        // Errors: fewer than ten cannot show whether they depend on the requests in flight.
        let worth = state.worth_to_errors().filter(|_| hits >= 10);
        return dependence(&batches, PRIOR_PHI, worth);
    }
    let prior = metrics.iter().map(|metric| frequent_phi(summary, *metric)).fold(PRIOR_PHI, f64::max);
    dependence(&batches, prior, state.worth(&quantities(metrics)))
}

pub(super) fn quantities(metrics: &[Metric]) -> Vec<Quantity> {
    metrics.iter().map(|metric| Quantity::of(*metric)).collect()
}

fn batch_of(block: &Block, place: usize) -> Batch {
    let tally = block.tally_of(place);
    Batch { hits: tally.misses, trials: tally.decided() + tally.undecided }
}

/// The larger φ of exceeding the observed p50 and of exceeding the observed p90 of `metric`, at least 1.
fn frequent_phi(summary: &Summary, metric: Metric) -> f64 {
    frequent(summary, metric, &merged(summary, metric))
}

fn frequent(summary: &Summary, metric: Metric, times: &(Buckets<6, u64>, u64)) -> f64 {
    [0.5, 0.9]
        .into_iter()
        .filter_map(|share| Some(dispersion(&exceedances(summary, metric, times, share)?)?.plain))
        .fold(1.0, f64::max)
}

/// The dependence of the events "a value of `metric` exceeds its quantile at the share", for each of `shares`.
pub(super) fn of_exceedances<const N: usize>(
    summary: &Summary,
    state: &State,
    metric: Metric,
    shares: [f64; N],
) -> [Option<Dependence>; N] {
    let times = merged(summary, metric);
    let prior = frequent(summary, metric, &times);
    let worth = state.worth(&quantities(&[metric]));
    shares.map(|share| Some(dependence(&exceedances(summary, metric, &times, share)?, prior, worth)))
}

/// Exceedances of the observed `share` quantile of `metric` over the blocks, whose `merged` times are `times`; `None`
/// without values.
///
/// The threshold is the class of the blocks' histograms (2 digits) whose share beyond it is closest to 1 − `share`, if
/// that share is between half and twice 1 − `share`. Otherwise one class holds too many values, as in a service of
/// constant latency; the exceedances are then taken as evenly spread over the blocks.
fn exceedances(
    summary: &Summary,
    metric: Metric,
    (classes, missed): &(Buckets<6, u64>, u64),
    share: f64,
) -> Option<Vec<Batch>> {
    let ranked = classes.len() + missed;
    let wanted = (1.0 - share) * ranked as f64;
    let distance = |beyond: u64| libm::fabs(beyond as f64 - wanted);
    let mut beyond = *missed;
    let mut nearest: Option<(usize, u64)> = None;
    for (class, count) in classes.iter().rev() {
        if nearest.is_none_or(|(_, held)| distance(beyond) < distance(held)) {
            nearest = Some((class, beyond));
        }
        beyond += count;
    }
    let (class, held) = nearest?;
    let blocks = summary.blocks().slots().iter().map(|block| block.beyond(metric, class));
    if (0.5 * wanted..=2.0 * wanted).contains(&(held as f64)) {
        return Some(blocks.map(|(hits, trials)| Batch { hits, trials }).collect());
    }
    let even = blocks.map(|(_, trials)| Batch { hits: libm::round((1.0 - share) * trials as f64) as u64, trials });
    Some(even.collect())
}

/// The times of `metric` over all blocks, and the number of requests that missed it.
pub(super) fn merged(summary: &Summary, metric: Metric) -> (Buckets<6, u64>, u64) {
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

/// The 95 % intervals of displayed quantiles of a time of the cohort at `shares`, from the planned instant, in seconds:
/// order statistics at exact ranks of n/φ. `None` ("more requests needed") in any of these cases: fewer than four
/// independent requests on the rarer side of the quantile, fewer than five episodes, requests in flight that grew over
/// the window, or a bound among censored or missed values.
#[must_use]
pub(crate) fn quantile_intervals95<const N: usize>(
    summary: &Summary,
    state: &State,
    metric: Metric,
    shares: [f64; N],
) -> [Option<[f64; 2]>; N] {
    let distribution = summary.distribution(metric, OriginOf::Scheduled);
    let is_no_time_of_requests =
        matches!(metric, Metric::Itl | Metric::Tbt | Metric::OutputSpeed | Metric::InputTokens | Metric::OutputTokens);
    if is_no_time_of_requests || distribution.ranked() == 0 || state.is_growing() {
        return [None; N];
    }
    let (ranks, ranked) = (distribution.ranks(), distribution.ranked() as f64);
    let dependences = of_exceedances(summary, state, metric, shares);
    std::array::from_fn(|place| {
        let share = shares[place];
        let Dependence { phi, episodes, .. } = dependences[place]?;
        let effective = ranked / phi;
        if episodes < LEAST_EPISODES || effective * share.min(1.0 - share) < LEAST_BEYOND {
            return None;
        }
        let (low, high) = quantile_interval(share, effective, RANK_CONFIDENCE)?;
        match (ranks.at_share(low)?, ranks.at_share(high)?) {
            (Known::At(low), Known::At(high)) => Some([low, high]),
            _ => None,
        }
    })
}

/// A quantile of the requests' mean gaps (`itl`, `tbt`), to 2 digits, in seconds.
pub(super) fn mean_gap_quantile(summary: &Summary, metric: Metric, share: f64) -> Option<Known> {
    let mut whole = Block::default();
    summary.blocks().slots().iter().for_each(|block| whole.absorb(block));
    whole.quantile(metric, share)
}
