//! Owns the evidence for and against an objective: counts of misses, the distance of the values from the limit, and
//! means.

use crate::metrics::block::Tally;
use crate::metrics::buckets::Buckets;
use crate::metrics::dependence::{Dependence, merged, of_exceedances, quantities};
use crate::metrics::state::State;
use crate::metrics::{Limit, Metric, OriginOf, Summary, Unit};
use crate::stats::dispersion::{Portion, mean_dispersion};
use crate::stats::proportion::{exceeds, is_at_most, lower_bound, upper_bound};
use crate::stats::tail::{mean_factor, mean_factor_down};

/// One-sided confidence of the bound behind a fail.
const FAIL: f64 = 0.95;
/// One-sided confidence of the bounds behind a pass. Above 95 %, because φ is estimated, and its estimate is most often
/// too low in the calm runs that pass. With 97.5 %, fewer than 5 % of the passes at the limit itself are wrong.
const PASS: f64 = 0.975;
/// The tail is used only where at least this many misses would be expected at the limit itself: p99 needs 1 000
/// requests.
const LEAST_EXPECTED: f64 = 9.99;
/// Multiple of the allowed share: the tail is fitted to the largest values that make up this share of all values.
const TAIL_SHARE: f64 = 10.0;
/// An observed share above this many times the allowed one refutes the objective whatever the dependence: a positive
/// variable exceeds 20 times its mean with probability 5 % at most (Markov's inequality).
const MARKOV: f64 = 20.0;

/// Where every request took at least this many times the limit, the quantile is not met whatever the dependence.
const FAR: u32 = 10;
/// The least number of requests for the rule of [`FAR`].
const FAR_REQUESTS: u64 = 10;

/// Whether every request missed `limit`, and none took less than ten times the limit.
pub(super) fn all_far_beyond(summary: &Summary, tally: &Tally, limit: &Limit) -> bool {
    let far = (limit.limit * FAR).as_secs_f64();
    let least = summary.distribution(limit.metric, limit.origin).min();
    tally.met + tally.undecided == 0 && tally.misses >= FAR_REQUESTS && least.is_none_or(|least_s| least_s >= far)
}

/// The decision of an observed share of misses against the allowed share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    pub(super) met: Option<bool>,
    /// Lower and upper bound of the share; absent where the requests are worth fewer than four independent ones.
    pub(super) interval: Option<[f64; 2]>,
    /// Requests still needed for a decision, at the observed share and dependence.
    pub(super) needed: Option<u64>,
    /// Whether the decision depends on the undecided requests.
    pub(super) hangs_on_undecided: bool,
    /// Effective sample size: how many independent requests the requests are worth.
    pub(super) effective: f64,
}

/// The least effective sample size for which bounds are printed.
const LEAST_EFFECTIVE: f64 = 4.0;

/// The tail of a metric: its values above chosen quantiles.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    limit_s: f64,
    /// The threshold in seconds; `share` is the share of requests beyond it, `phi` the φ of exceeding it.
    threshold_s: f64,
    share: f64,
    phi: f64,
    /// (mean excess in seconds, share beyond, φ), for the threshold and for the quantile with half the share beyond.
    excesses: Vec<(f64, f64, f64)>,
}

impl Tail {
    /// The upper bound of the share beyond the limit, for an effective sample size `factor` times as large. It is the
    /// share beyond the threshold by counts, times an exponential tail whose scale is the upper bound of the mean
    /// excess. The mean excess of a tail heavier than exponential grows with the threshold, so it is taken at two
    /// thresholds and the larger bound counts. The bound follows from the number of independent exceedances, taken as 1
    /// at least, where the scale is 39 times the mean excess.
    fn share_beyond(&self, trials: f64, factor: f64) -> f64 {
        let effective = |phi: f64| (trials / phi).max(1.0) * factor;
        let scales =
            self.excesses.iter().map(|(mean, share, phi)| mean * mean_factor((effective(*phi) * share).max(1.0), PASS));
        let scale = scales.fold(0.0, f64::max);
        let beyond = upper_bound(self.share * effective(self.phi), effective(self.phi), PASS);
        if scale > 0.0 { beyond * libm::exp(-(self.limit_s - self.threshold_s) / scale) } else { 0.0 }
    }
}

/// The tail of the latency of `limit`: the largest values, ten times the allowed share of all (at most half). `None`
/// where values were missed or censored, where the threshold is not below the limit, or where the allowed share is too
/// large for a tail.
pub(super) fn tail(summary: &Summary, state: &State, limit: &Limit, allowed: f64) -> Option<Tail> {
    let values = values(summary, limit)?;
    let total: u64 = values.iter().map(|(_, count)| count).sum();
    let share = (TAIL_SHARE * allowed).min(0.5);
    if share < 1.5 * allowed {
        return None;
    }
    let limit_s = limit.limit.as_secs_f64();
    let mut tail = Tail { limit_s, ..Tail::default() };
    for share in [share, share / 2.0] {
        let (threshold_s, beyond, excess_s) = beyond(&values, total, share);
        if threshold_s >= limit_s {
            return None;
        }
        if beyond < 5 && !tail.excesses.is_empty() {
            break;
        }
        let [dependence] = of_exceedances(summary, state, limit.metric, [1.0 - share]);
        let phi = dependence?.phi;
        if tail.excesses.is_empty() {
            (tail.threshold_s, tail.share, tail.phi) = (threshold_s, beyond as f64 / total as f64, phi);
        }
        // Values are known to 1.6 %: an excess of that size within the class of the threshold is possible.
        tail.excesses.push((excess_s.max(0.016 * threshold_s), share, phi));
    }
    Some(tail)
}

/// The tail of a share: the value beyond which `share` of all values lie, how many lie beyond it, and their mean
/// excess.
fn beyond(values: &[(f64, u64)], total: u64, share: f64) -> (f64, u64, f64) {
    let wanted = libm::round(share * total as f64) as u64;
    let (mut beyond, mut sum) = (0, 0.0);
    for (value, count) in values.iter().rev() {
        if beyond + count > wanted {
            return (*value, beyond, if beyond > 0 { sum / beyond as f64 - value } else { 0.0 });
        }
        beyond += count;
        sum += value * *count as f64;
    }
    (0.0, beyond, if beyond > 0 { sum / beyond as f64 } else { 0.0 })
}

/// Classes of the observed values in seconds, in ascending order, with their counts. `None` without values, or where
/// some were missed or censored.
fn values(summary: &Summary, limit: &Limit) -> Option<Vec<(f64, u64)>> {
    let distribution = summary.distribution(limit.metric, limit.origin);
    if distribution.misses() + distribution.censored() > 0 || distribution.seen() == 0 {
        return None;
    }
    if matches!(limit.metric, Metric::Itl | Metric::Tbt) {
        let (classes, missed) = merged(summary, limit.metric);
        return (missed == 0).then(|| {
            classes.iter().map(|(class, count)| (Buckets::<6, u64>::highest(class) as f64 / 1e6, count)).collect()
        });
    }
    Some(distribution.counts().into_iter().map(|(micros, count)| (micros as f64 / 1e6, count)).collect())
}

/// Decides a share by its counts; where the counts leave it open, `tail` may decide a pass. `growing` is present when
/// the requests in flight grew over the window; it holds the misses and the decided requests of the last quarter.
pub(super) fn decide_share(
    tally: &Tally,
    allowed: f64,
    dependence: Dependence,
    tail: Option<&Tail>,
    growing: Option<(u64, u64)>,
) -> Share {
    let trials = (tally.decided() + tally.undecided) as f64;
    if trials <= 0.0 {
        return Share { met: None, interval: None, needed: None, hangs_on_undecided: false, effective: 0.0 };
    }
    let effective = trials / dependence.phi;
    let hits = |misses: u64, effective: f64| misses as f64 / trials * effective;
    let is_above = |misses: u64, effective: f64| exceeds(hits(misses, effective), effective, allowed, FAIL);
    let is_within = |misses: u64, effective: f64| is_at_most(hits(misses, effective), effective, allowed, PASS);
    let by_tail = |factor: f64| {
        let expected = allowed * trials * factor;
        tally.undecided == 0
            && expected >= LEAST_EXPECTED
            && tail.is_some_and(|tail| tail.share_beyond(trials, factor) <= allowed)
    };
    let passes = |misses: u64| is_within(misses, effective) || by_tail(1.0);
    let fails = |misses: u64| {
        let share = misses as f64 / trials;
        let overloaded =
            growing.is_some_and(|(late, of)| share > allowed && late as f64 > (2.0 * allowed).max(0.5) * of as f64);
        is_above(misses, effective) || share > MARKOV * allowed || overloaded
    };
    let met = if fails(tally.misses) {
        Some(false)
    } else if growing.is_none() && passes(tally.misses + tally.undecided) {
        Some(true)
    } else {
        None
    };
    let hangs_on_undecided = met.is_none()
        && tally.undecided > 0
        && (passes(tally.misses)
            || fails(tally.misses + tally.undecided)
            || tally.undecided as f64 > 0.1 * allowed * trials);
    let needed = if met.is_none() && !hangs_on_undecided {
        let likely = trials / dependence.likely_phi;
        let enough = |factor: f64| {
            let worth = likely * factor;
            is_within(tally.misses, worth) || is_above(tally.misses, worth) || by_tail(factor)
        };
        least_factor(enough).map(|factor| libm::ceil((trials * (factor - 1.0)).max(1.0)) as u64)
    } else {
        None
    };
    let interval = || {
        [
            lower_bound(hits(tally.misses, effective), effective, FAIL),
            upper_bound(hits(tally.misses + tally.undecided, effective), effective, PASS),
        ]
    };
    Share { met, interval: (effective >= LEAST_EFFECTIVE).then(interval), needed, hangs_on_undecided, effective }
}

/// The least factor, to 5 %, at which `enough` holds; `None` beyond a thousand, which is too long for any run.
fn least_factor(enough: impl Fn(f64) -> bool) -> Option<f64> {
    let mut factor = 1.05;
    while factor < 1e3 {
        if enough(factor) {
            return Some(factor);
        }
        factor *= 1.05;
    }
    None
}

/// A mean and its bounds, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mean {
    pub(super) value_s: f64,
    /// Lower and upper bound; absent where the requests are worth fewer than four independent ones.
    pub(super) interval: Option<[f64; 2]>,
    /// φ of the values.
    pub(super) phi: f64,
}

impl Mean {
    /// Whether the mean exceeds `limit_s` so far that it refutes it whatever the dependence.
    pub(super) fn refutes_alone(&self, limit_s: f64) -> bool {
        self.value_s > MARKOV * limit_s
    }
}

/// One-sided confidence of the body of a mean's upper bound; [`MEAN_TAILS`] holds the tails: (share of the values,
/// confidence).
const MEAN_BODY: f64 = 0.98;
const MEAN_TAILS: [(f64, f64); 2] = [(0.1, 0.99), (0.01, 0.975)];

/// The mean of `limit`'s metric from its origin, over the observed values; `part` picks (sum in ticks, number of
/// values) from a tally.
///
/// Bounds: the values are worth n/φ independent ones, and their sum is taken as gamma-distributed with the observed
/// coefficient of variation. For the upper bound, the tail's part of the mean is raised to the upper bound of the mean
/// excess, by the number of independent values in the tail, times the factor by which the mean excess grows from p90 to
/// p97.5. The errors of body and tail are added by squares. φ is the larger of two: by batch means, and by the requests
/// in flight.
pub(super) fn mean_of(
    summary: &Summary,
    state: &State,
    place: usize,
    limit: &Limit,
    part: fn(&Tally) -> (u128, u64),
) -> Option<Mean> {
    let ticks = Unit::Seconds.ticks();
    let portion = |tally: &Tally| {
        let (sum, count) = part(tally);
        Portion { sum: sum as f64 / ticks, count }
    };
    let portions: Vec<Portion> = summary.blocks().slots().iter().map(|block| portion(&block.tally_of(place))).collect();
    let (sum, count) = part(summary.tally(place)?);
    let mean_s = (count > 0).then(|| sum as f64 / count as f64 / ticks)?;
    let values = seen_values(summary, limit);
    let total: u64 = values.iter().map(|(_, count)| count).sum();
    let variance = values.iter().map(|(value, count)| (value - mean_s) * (value - mean_s) * *count as f64).sum::<f64>()
        / total.max(1) as f64;
    let trials = count as f64;
    let by_state =
        state.worth(&quantities(&[limit.metric])).map_or(1.0, |worth| trials / worth.effective_low.clamp(1.0, trials));
    let Some(by_batches) = mean_dispersion(&portions, variance) else {
        return Some(Mean { value_s: mean_s, interval: None, phi: by_state });
    };
    let phi = by_batches.max(by_state).clamp(1.0, trials.max(1.0));
    let effective = trials / phi;
    if effective < LEAST_EFFECTIVE {
        return Some(Mean { value_s: mean_s, interval: None, phi });
    }
    if variance <= 0.0 {
        return Some(Mean { value_s: mean_s, interval: Some([mean_s, mean_s]), phi });
    }
    let shape = effective * mean_s * mean_s / variance;
    let excess = |share: f64| beyond(&values, total, share).2;
    let growth = (excess(0.025) / excess(0.1).max(1e-9)).max(1.0);
    let tails = MEAN_TAILS.map(|(share, confidence)| {
        share * excess(share) * (mean_factor((effective * share).max(1.0), confidence) - 1.0)
    });
    let in_tail = tails.into_iter().fold(0.0, f64::max) * growth;
    let in_body = mean_s * (mean_factor(shape, MEAN_BODY) - 1.0);
    let high = mean_s + libm::sqrt(in_tail * in_tail + in_body * in_body);
    Some(Mean { value_s: mean_s, interval: Some([mean_s * mean_factor_down(shape, FAIL), high]), phi })
}

/// Classes of the observed values in seconds, with their counts; missed and censored values are left out.
fn seen_values(summary: &Summary, limit: &Limit) -> Vec<(f64, u64)> {
    if matches!(limit.metric, Metric::Itl | Metric::Tbt) {
        let (classes, _) = merged(summary, limit.metric);
        return classes.iter().map(|(class, count)| (Buckets::<6, u64>::highest(class) as f64 / 1e6, count)).collect();
    }
    let origin = if limit.metric.row().two_origins { limit.origin } else { OriginOf::Scheduled };
    let counts = summary.distribution(limit.metric, origin).counts();
    counts.into_iter().map(|(micros, count)| (micros as f64 / 1e6, count)).collect()
}
