//! Owns the decision of one objective: by proportion, with the requests' dependence taken out of the sample size.

use serde::{Deserialize, Serialize};

use crate::metrics::block::Tally;
use crate::metrics::dependence::{decision_dispersion, mean_gap_quantile};
use crate::metrics::{Known, Limit, Metric, Objective, Statistic, Summary, Unit};
use crate::stats::dispersion::{LEAST_HITS, Portion, mean_half_width};
use crate::stats::proportion::{lower_bound, trials_to_certify, trials_to_refute, upper_bound};
use crate::units::count;

/// The one-sided confidence of every decision.
pub const CONFIDENCE: f64 = 0.95;

/// What was found about one objective, as it stands in `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveJudgement {
    /// The objective, canonically.
    pub text: String,
    /// The observed quantile, mean or maximum in seconds; the observed share for error rate, attainment and bare limits; good
    /// requests per second for goodput.
    pub observed: Option<Known>,
    /// The limit in the same unit (a bare limit's in seconds).
    pub limit: f64,
    /// Requests beyond the limit (for attainment and goodput: not good).
    pub misses: u64,
    /// Requests for which that is decided.
    pub decided: u64,
    /// Completed requests for which the metric does not exist.
    pub undefined: u64,
    /// Requests cut off before they were decided: counted either way.
    pub undecided: u64,
    /// The share of misses that is allowed, where the decision is by proportion.
    pub allowed_share: Option<f64>,
    /// φ: how much more the misses vary than independent ones; absent where the data cannot give it.
    pub overdispersion: Option<f64>,
    /// The one-sided 95 % bounds, lower and upper, of what is decided: the share of misses, or the mean in seconds. Undecided
    /// requests count as met in the lower and as misses in the upper. Absent when φ is.
    pub interval95: Option<[f64; 2]>,
    /// `true` met, `false` not met, absent inconclusive or (bare limits) judged through the attainment.
    pub met: Option<bool>,
    /// Whether the verdict asks for it by itself; bare limits are judged through the attainment.
    pub decides: bool,
    /// Requests still needed for a decision, at the shares and the dependence seen so far.
    pub requests_needed: Option<u64>,
    /// Why it is not met or not decided, ending with advice.
    pub reason: Option<String>,
    /// Whether a `false` rests on misses that neither lateness nor shedding can have caused.
    #[serde(default)]
    pub refuted_firmly: bool,
}

/// A share decided against what is allowed.
struct Share {
    met: Option<bool>,
    interval: Option<[f64; 2]>,
    needed: Option<u64>,
    /// Decided but for the undecided.
    hangs_on_undecided: bool,
}

fn decide_share(tally: &Tally, allowed: f64, phi: Option<f64>) -> Share {
    let trials = (tally.decided() + tally.undecided) as f64;
    let Some(phi) = phi.filter(|_| trials > 0.0) else {
        return Share { met: None, interval: None, needed: None, hangs_on_undecided: false };
    };
    let low = |misses: u64| lower_bound(misses as f64 / phi, trials / phi, CONFIDENCE);
    let high = |misses: u64| upper_bound(misses as f64 / phi, trials / phi, CONFIDENCE);
    let (lower, upper) = (low(tally.misses), high(tally.misses + tally.undecided));
    let met = if upper <= allowed {
        Some(true)
    } else if lower > allowed {
        Some(false)
    } else {
        None
    };
    let hangs_on_undecided = met.is_none() && (high(tally.misses) <= allowed || low(tally.misses + tally.undecided) > allowed);
    let share = tally.misses as f64 / trials;
    let enough = if share < allowed { trials_to_certify(share, allowed, CONFIDENCE) } else { trials_to_refute(share, allowed, CONFIDENCE) };
    let needed =
        if met.is_none() && !hangs_on_undecided { enough.map(|enough| libm::ceil((enough * phi - trials).max(1.0)) as u64) } else { None };
    Share { met, interval: Some([lower, upper]), needed, hangs_on_undecided }
}

/// Judges objective number `place` of the summary.
#[must_use]
pub fn judge_objective(summary: &Summary, place: usize, objective: &Objective) -> ObjectiveJudgement {
    let tally = summary.tally(place).cloned().unwrap_or_default();
    let offered = summary.cohort().planned as f64;
    let window_s = summary.frame().window.length_s();
    let miss_share = (tally.decided() > 0).then(|| tally.misses as f64 / tally.decided() as f64);
    let good_share = (offered > 0.0).then(|| Known::At(tally.met as f64 / offered));
    let start = ObjectiveJudgement {
        text: objective.to_string(),
        observed: None,
        limit: 0.0,
        misses: tally.misses,
        decided: tally.decided(),
        undefined: tally.undefined,
        undecided: tally.undecided,
        allowed_share: None,
        overdispersion: None,
        interval95: None,
        met: None,
        decides: true,
        requests_needed: None,
        reason: None,
        refuted_firmly: false,
    };
    match objective {
        Objective::Latency(limit) => {
            let start = ObjectiveJudgement { limit: limit.limit.as_secs_f64(), ..start };
            match limit.statistic {
                Statistic::Quantile(quantile) => {
                    let observed = observed_quantile(summary, limit, quantile.share());
                    by_share(summary, place, limit.metric, &tally, rest(quantile.share()), ObjectiveJudgement { observed, ..start })
                }
                Statistic::Mean => by_mean(summary, place, &tally, start),
                Statistic::Max => by_max(summary, limit, &tally, start),
                Statistic::EachRequest => {
                    let met = (tally.decided() > 0).then(|| Known::At(tally.met as f64 / tally.decided() as f64));
                    ObjectiveJudgement { observed: met, decides: false, ..start }
                }
            }
        }
        Objective::ErrorRate(share) => {
            let start = ObjectiveJudgement { observed: miss_share.map(Known::At), limit: share.share(), ..start };
            by_share(summary, place, Metric::E2e, &tally, share.share(), start)
        }
        Objective::Attainment(share) => {
            let start = ObjectiveJudgement { observed: good_share, limit: share.share(), ..start };
            by_share(summary, place, Metric::E2e, &tally, rest(share.share()), start)
        }
        Objective::Goodput(rate) => {
            let observed = (window_s > 0.0).then(|| Known::At(tally.met as f64 / window_s));
            let start = ObjectiveJudgement { observed, limit: rate.per_s(), ..start };
            // Good per second ≥ G ⇔ the share that is not good ≤ 1 − G · window ÷ offered.
            let allowed = 1.0 - rate.per_s() * window_s / offered.max(1.0);
            if allowed < 0.0 {
                // That nobody asked for more says nothing about what the service can do.
                let reason = format!(
                    "{}: only {:.3} requests per second were offered, which proves nothing about the service; offer more than {rate}",
                    start.text,
                    offered / window_s.max(1e-9)
                );
                return ObjectiveJudgement { reason: Some(reason), ..start };
            }
            by_share(summary, place, Metric::E2e, &tally, allowed, start)
        }
    }
}

/// 1 − share, rounded so that p99 allows 0.01 and not 0.010000000000000009.
fn rest(share: f64) -> f64 {
    libm::round((1.0 - share) * 1e12) / 1e12
}

fn observed_quantile(summary: &Summary, limit: &Limit, share: f64) -> Option<Known> {
    if matches!(limit.metric, Metric::Itl | Metric::Tbt) {
        return mean_gap_quantile(summary, limit.metric, share);
    }
    summary.distribution(limit.metric, limit.origin).at_share(share)
}

/// By proportion: few misses have the dependence of the slowest tenth instead of their own.
fn by_share(summary: &Summary, place: usize, metric: Metric, tally: &Tally, allowed: f64, start: ObjectiveJudgement) -> ObjectiveJudgement {
    // Where a fair number of requests missed and none met, nothing varies, and nothing needs to.
    let phi = decision_dispersion(summary, place, metric).or((tally.met == 0 && tally.misses >= LEAST_HITS).then_some(1.0));
    let share = decide_share(tally, allowed, phi);
    let decided = start.decided + start.undecided;
    let reason = match (share.met, phi) {
        (Some(true), _) => None,
        (Some(false), _) => Some(format!(
            "{}: {} of {} requests missed it, {:.3}% where {:.3}% are allowed; lower the rate or raise the limit",
            start.text,
            count(start.misses),
            count(start.decided),
            100.0 * start.misses as f64 / start.decided.max(1) as f64,
            100.0 * allowed
        )),
        (None, _) if summary.cohort().planned == 0 => Some(nothing_measured(&start)),
        (None, _) if decided == 0 => Some(format!("{}: no request says anything about it; check the target and the mode", start.text)),
        (None, None) => Some(format!(
            "{}: {} requests are too few, or lie too close together, to show how they depend on each other; run longer, or at a higher rate",
            start.text,
            count(decided)
        )),
        (None, Some(_)) if share.hangs_on_undecided => Some(format!(
            "{}: it hangs on {} requests that were cut off before they were decided; use a longer --drain",
            start.text,
            count(start.undecided)
        )),
        (None, Some(_)) if allowed <= 0.0 => {
            Some(format!("{}: that no request ever misses cannot be certified by any sample; allow a small share", start.text))
        }
        (None, Some(phi)) => Some(match share.needed {
            Some(needed) => format!(
                "{}: {} of {} requests missed it, which decides nothing at the dependence seen (phi {phi:.1}); about {} more requests are \
                 needed, run longer",
                start.text,
                count(start.misses),
                count(decided),
                count(needed)
            ),
            None => format!("{}: the share of misses lies on the limit; run longer, or choose another limit", start.text),
        }),
    };
    let firm = Tally { misses: tally.firm_misses, met: tally.decided() - tally.firm_misses, ..tally.clone() };
    ObjectiveJudgement {
        allowed_share: Some(allowed),
        overdispersion: phi,
        interval95: share.interval,
        met: share.met,
        requests_needed: share.needed,
        reason,
        refuted_firmly: share.met == Some(false) && decide_share(&firm, allowed, phi).met == Some(false),
        ..start
    }
}

/// The mean over the values seen, by batch means.
fn by_mean(summary: &Summary, place: usize, tally: &Tally, start: ObjectiveJudgement) -> ObjectiveJudgement {
    let (mean, interval) = mean_of(summary, place, tally, |tally| (tally.sum_ticks, tally.seen));
    let met = interval.and_then(|[low, high]| match (high <= start.limit, low > start.limit) {
        // What was cut off may have been anything longer: it can refute, never support.
        (true, _) if tally.undecided == 0 => Some(true),
        (_, true) => Some(false),
        _ => None,
    });
    let reason = match (met, interval) {
        (Some(true), _) => None,
        (Some(false), _) => Some(format!("{}: the mean is above the limit; lower the rate or raise the limit", start.text)),
        (None, None) if summary.cohort().planned == 0 => Some(nothing_measured(&start)),
        (None, None) => Some(format!("{}: too few requests for an interval of the mean; run longer", start.text)),
        (None, Some(_)) if tally.undecided > 0 => Some(format!(
            "{}: {} requests were cut off before their value was known; use a longer --drain",
            start.text,
            count(tally.undecided)
        )),
        (None, Some(_)) => Some(format!("{}: the interval of the mean holds the limit; run longer", start.text)),
    };
    // A late send adds to a mean; what refutes by itself is the mean counted from the send.
    let (_, service) = mean_of(summary, place, tally, |tally| (tally.service_sum_ticks, tally.service_seen));
    let refuted_firmly = met == Some(false) && service.is_some_and(|[low, _]| low > start.limit);
    ObjectiveJudgement { observed: mean.map(Known::At), interval95: interval, met, reason, refuted_firmly, ..start }
}

/// A mean in seconds and its interval by batch means; `part` picks (sum in ticks, values).
fn mean_of(summary: &Summary, place: usize, whole: &Tally, part: fn(&Tally) -> (u128, u64)) -> (Option<f64>, Option<[f64; 2]>) {
    let ticks = Unit::Seconds.ticks();
    let portion = |tally: &Tally| {
        let (sum, count) = part(tally);
        Portion { sum: sum as f64 / ticks, count }
    };
    let portions: Vec<Portion> = summary.blocks().slots().iter().map(|block| portion(&block.tally_of(place))).collect();
    let (sum, count) = part(whole);
    let mean = (count > 0).then(|| sum as f64 / count as f64 / ticks);
    let interval = mean.zip(mean_half_width(&portions, CONFIDENCE)).map(|(mean, half)| [(mean - half).max(0.0), mean + half]);
    (mean, interval)
}

/// Why an empty cohort decides nothing.
fn nothing_measured(start: &ObjectiveJudgement) -> String {
    format!("{}: no request fell into the measured window; let the run reach it, or give a shorter --warmup", start.text)
}

/// The largest observed value, no more.
fn by_max(summary: &Summary, limit: &Limit, tally: &Tally, start: ObjectiveJudgement) -> ObjectiveJudgement {
    let observed = match limit.metric {
        Metric::Itl | Metric::Tbt => mean_gap_quantile(summary, limit.metric, 1.0),
        _ => summary.distribution(limit.metric, limit.origin).max(),
    };
    let met = match (tally.misses, tally.undecided, tally.met) {
        (1.., _, _) => Some(false),
        (0, 0, 1..) => Some(true),
        _ => None,
    };
    let reason = match met {
        Some(true) => None,
        Some(false) => Some(format!("{}: {} requests are beyond it; lower the rate or raise the limit", start.text, count(tally.misses))),
        None if summary.cohort().planned == 0 => Some(nothing_measured(&start)),
        None => {
            Some(format!("{}: {} requests were cut off before they were decided; use a longer --drain", start.text, count(tally.undecided)))
        }
    };
    ObjectiveJudgement { observed, met, reason, refuted_firmly: tally.firm_misses > 0, ..start }
}
