//! Owns the decision of one objective: by proportion, with the sample size reduced for the dependence of the requests.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metrics::block::Tally;
use crate::metrics::dependence::{mean_gap_quantile, of_objective};
use crate::metrics::evidence::{Share, all_far_beyond, decide_share, mean_of, tail};
use crate::metrics::health::lag_limit_s;
use crate::metrics::state::State;
use crate::metrics::{Known, Limit, Metric, Objective, Objectives, Reason, Remedy, Statistic, Summary};

/// The least one-sided confidence of every decision, as a share.
pub(crate) const CONFIDENCE: f64 = 0.95;

/// Requests count as independent when n/φ is at least this share of n. A smaller n/φ is reported with the reason.
const WORTH_AS_MANY: f64 = 0.95;

/// The judgement of one objective, as it stands in `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectiveJudgement {
    /// The objective in its canonical text.
    pub text: String,
    /// The observed quantile, mean or maximum in seconds; the observed share for error rate, attainment and bare
    /// limits; good requests per second for goodput.
    pub observed: Option<Known>,
    /// The limit, in the unit of `observed`; the limit of a bare objective is in seconds.
    pub limit: f64,
    /// Requests beyond the limit (for attainment and goodput: not good).
    pub misses: u64,
    /// Requests that met or missed the limit.
    pub decided: u64,
    /// Completed requests for which the metric does not exist.
    pub undefined: u64,
    /// Requests cut off before they were decided. The decision holds whether they count as met or as missed.
    pub undecided: u64,
    /// The share of misses that is allowed, 0 to 1; absent where the decision is not by proportion.
    pub allowed_share: Option<f64>,
    /// φ: the variance of the misses over that of independent misses; absent where the data cannot give it.
    pub overdispersion: Option<f64>,
    /// The lower and the upper one-sided bound of the share of misses, or of the mean in seconds. Each has at least 95
    /// % confidence. Undecided requests count as met in the lower bound and as misses in the upper bound. Absent where
    /// the requests are worth fewer than four independent ones.
    pub interval95: Option<[f64; 2]>,
    /// `true`: met. `false`: not met. Absent: inconclusive, or a bare limit, which is judged through the attainment.
    pub met: Option<bool>,
    /// Whether the verdict depends on this objective directly. `false` for bare limits, which are judged through the
    /// attainment.
    pub decides: bool,
    /// Requests still needed for a decision, at the share of misses and the dependence observed so far.
    pub requests_needed: Option<u64>,
    /// By how many seconds the window has to be longer to hold `requests_needed` more requests at the rate of the run.
    #[serde(default)]
    pub duration_needed_s: Option<f64>,
    /// Effective sample size: how many independent requests the requests are worth. For a share, (`decided` +
    /// `undecided`) ÷ `overdispersion`.
    #[serde(default)]
    pub effective_requests: Option<f64>,
    /// The p99 send lag, in seconds, up to which this objective is not doubted; absent where a late send cannot affect
    /// it.
    #[serde(default)]
    pub send_lag_limit_s: Option<f64>,
    /// Why the objective is not met or not decided. Absent in a result of an older version, which has sentences only.
    #[serde(default)]
    pub reason_kind: Option<Reason>,
    /// Whether `met: false` rests on misses that neither lateness nor shedding can have caused.
    #[serde(default)]
    pub refuted_firmly: bool,
}

impl ObjectiveJudgement {
    /// The objective that `text` stands for; `None` where another version wrote it and this version does not know it.
    #[must_use]
    pub fn asked(&self) -> Option<Objective> {
        self.read()?.items().first().copied()
    }

    /// The class that the objective is about; `None` if it is about all requests.
    #[must_use]
    pub fn class(&self) -> Option<Arc<str>> {
        self.read()?.class_of(0).cloned()
    }

    fn read(&self) -> Option<Objectives> {
        Objectives::parse(&[&self.text], None, None).ok()
    }
}

/// Judges objective number `place` of the summary.
pub(super) fn judge_objective(
    summary: &Summary,
    state: &State,
    place: usize,
    objective: &Objective,
) -> ObjectiveJudgement {
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
        duration_needed_s: None,
        effective_requests: None,
        send_lag_limit_s: lag_limit_s(summary.objectives(), objective),
        reason_kind: None,
        refuted_firmly: false,
    };
    let case = Case { summary, state, place, tally: &tally };
    let joint: Vec<Metric> = summary.objectives().limits().map(|limit| limit.metric).collect();
    match objective {
        Objective::Latency(limit) => {
            let start = ObjectiveJudgement { limit: limit.limit.as_secs_f64(), ..start };
            match limit.statistic {
                Statistic::Quantile(quantile) => {
                    let observed = observed_quantile(summary, limit, quantile.share());
                    case.by_share(
                        &[limit.metric],
                        Some(limit),
                        rest(quantile.share()),
                        ObjectiveJudgement { observed, ..start },
                    )
                }
                Statistic::Mean => case.by_mean(limit, start),
                Statistic::Max => by_max(summary, limit, &tally, start),
                Statistic::EachRequest => {
                    let met = (tally.decided() > 0).then(|| Known::At(tally.met as f64 / tally.decided() as f64));
                    ObjectiveJudgement { observed: met, decides: false, ..start }
                }
            }
        }
        Objective::ErrorRate(share) => {
            let start = ObjectiveJudgement { observed: miss_share.map(Known::At), limit: share.share(), ..start };
            case.by_share(&[], None, share.share(), start)
        }
        Objective::Attainment(share) => {
            let start = ObjectiveJudgement { observed: good_share, limit: share.share(), ..start };
            case.by_share(&joint, None, rest(share.share()), start)
        }
        Objective::Goodput(rate) => {
            let observed = (window_s > 0.0).then(|| Known::At(tally.met as f64 / window_s));
            let start = ObjectiveJudgement { observed, limit: rate.per_s(), ..start };
            // Good per second ≥ G ⇔ the share that is not good ≤ 1 − G · window ÷ offered.
            let allowed = 1.0 - rate.per_s() * window_s / offered.max(1.0);
            if allowed < 0.0 {
                // Fewer requests were offered than the goodput needs, which says nothing about the service.
                let offered_per_s = offered / window_s.max(1e-9);
                let reason = Reason::OfferedTooLittle { offered_per_s, asked_per_s: rate.per_s() };
                return ObjectiveJudgement { reason_kind: Some(reason), ..start };
            }
            case.by_share(&joint, None, allowed, start)
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

/// One objective of one summary.
struct Case<'a> {
    summary: &'a Summary,
    state: &'a State,
    place: usize,
    tally: &'a Tally,
}

impl Case<'_> {
    /// Decides a share by counts; where the counts leave it open, by how far the values lie below `limit`. Without
    /// `metrics` the objective is about errors.
    fn by_share(
        &self,
        metrics: &[Metric],
        limit: Option<&Limit>,
        allowed: f64,
        start: ObjectiveJudgement,
    ) -> ObjectiveJudgement {
        let dependence = of_objective(self.summary, self.state, self.place, metrics);
        let tail = limit.and_then(|limit| tail(self.summary, self.state, limit, allowed));
        // A growing backlog raises latencies; it need not raise errors.
        let growing = (self.state.is_growing() && !metrics.is_empty()).then(|| self.last_quarter());
        let mut share = decide_share(self.tally, allowed, dependence, tail.as_ref(), growing);
        if limit.is_some_and(|limit| all_far_beyond(self.summary, self.tally, limit)) {
            share = Share { met: Some(false), needed: None, ..share };
        }
        let firm_misses = Tally {
            misses: self.tally.firm_misses,
            met: self.tally.decided() - self.tally.firm_misses,
            ..self.tally.clone()
        };
        let firm_share = decide_share(&firm_misses, allowed, dependence, None, None).met == Some(false);
        let firmly = share.met == Some(false) && (firm_share || firm_misses.met == 0);
        let measured = self.tally.decided() + self.tally.undecided > 0;
        let duration_needed_s = share.needed.and_then(|needed| self.duration_of(needed));
        ObjectiveJudgement {
            allowed_share: Some(allowed),
            overdispersion: measured.then_some(dependence.phi),
            effective_requests: measured.then_some(share.effective),
            interval95: share.interval,
            met: share.met,
            requests_needed: share.needed,
            duration_needed_s,
            reason_kind: self.reason(&share, allowed, growing.is_some(), duration_needed_s, &start),
            refuted_firmly: firmly,
            ..start
        }
    }

    /// Misses and decided requests of the last quarter of the blocks.
    fn last_quarter(&self) -> (u64, u64) {
        let blocks = self.summary.blocks().slots();
        let last = blocks[blocks.len() * 3 / 4..].iter().map(|block| block.tally_of(self.place));
        last.fold((0, 0), |(misses, of), tally| (misses + tally.misses, of + tally.decided()))
    }

    /// By how many seconds the window has to be longer to hold `requests` more requests, at the rate of the run.
    fn duration_of(&self, requests: u64) -> Option<f64> {
        let (planned, window_s) = (self.summary.cohort().planned, self.summary.frame().window.length_s());
        (planned > 0 && window_s > 0.0).then(|| requests as f64 / planned as f64 * window_s)
    }

    fn reason(
        &self,
        share: &Share,
        allowed: f64,
        growing: bool,
        longer_s: Option<f64>,
        start: &ObjectiveJudgement,
    ) -> Option<Reason> {
        let (misses, requests) = (start.misses, start.decided + start.undecided);
        Some(match share.met {
            Some(true) => return None,
            Some(false) => {
                Reason::Missed { misses, decided: start.decided, allowed_share: allowed, remedy: remedy(self.summary) }
            }
            None if self.summary.cohort().planned == 0 => Reason::NothingMeasured,
            None if requests == 0 => match self.summary.answers().unseen {
                0 => Reason::NothingDecided,
                answers => Reason::NothingSeen { answers },
            },
            None if share.hangs_on_undecided => Reason::DependsOnCutOff { requests: start.undecided },
            None if growing => Reason::BacklogGrew { misses, requests },
            None if allowed <= 0.0 => Reason::NoMissAllowed,
            None => match share.needed {
                Some(requests_needed) => Reason::TooFew {
                    misses,
                    requests,
                    effective_requests: Some(share.effective)
                        .filter(|effective| *effective < WORTH_AS_MANY * requests as f64),
                    requests_needed,
                    duration_needed_s: longer_s,
                },
                None => Reason::TooClose { misses, requests, allowed_share: allowed },
            },
        })
    }

    /// Decides a mean, taken over the observed values.
    fn by_mean(&self, limit: &Limit, start: ObjectiveJudgement) -> ObjectiveJudgement {
        let found = mean_of(self.summary, self.state, self.place, limit, |tally| (tally.sum_ticks, tally.seen));
        let refuted = |low_s: Option<f64>, alone: bool| alone || low_s.is_some_and(|low_s| low_s > start.limit);
        let interval = found.and_then(|mean| mean.interval);
        let supported = interval.is_some_and(|[_, high]| high <= start.limit);
        // A censored value may be any larger value: it can refute the limit, never support it.
        let met = if found.is_some_and(|mean| refuted(interval.map(|[low, _]| low), mean.refutes_alone(start.limit))) {
            Some(false)
        } else if supported && self.tally.undecided == 0 && !self.state.is_growing() {
            Some(true)
        } else {
            None
        };
        let effective = found.map(|mean| self.tally.seen as f64 / mean.phi);
        // The half width of the interval falls with the square root of the window's length.
        let needed = found.zip(interval).filter(|_| met.is_none()).and_then(|(mean, [low, high])| {
            let bound = if mean.value_s <= start.limit { high } else { low };
            let factor = (bound - mean.value_s) / (start.limit - mean.value_s);
            let more = self.tally.seen as f64 * (factor * factor - 1.0);
            (factor.is_finite() && factor > 1.0 && factor < 30.0).then_some(more as u64)
        });
        let duration_needed_s = needed.and_then(|needed| self.duration_of(needed));
        let reason = match (met, interval) {
            (Some(true), _) => None,
            (Some(false), _) => {
                Some(Reason::MeanAbove { mean_s: found.map(|mean| mean.value_s), limit_s: start.limit })
            }
            (None, _) if self.summary.cohort().planned == 0 => Some(Reason::NothingMeasured),
            (None, _) if self.tally.undecided > 0 => Some(Reason::MeanCutOff { requests: self.tally.undecided }),
            (None, Some(_)) if self.state.is_growing() && supported => Some(Reason::BacklogGrewUnderMean),
            (None, None) => Some(Reason::MeanTooFew),
            (None, Some(_)) => Some(Reason::MeanTooClose { duration_needed_s }),
        };
        // A late send raises the mean from the planned instant. Only the mean from the send refutes firmly.
        let service =
            mean_of(self.summary, self.state, self.place, limit, |tally| (tally.service_sum_ticks, tally.service_seen));
        let firmly =
            service.is_some_and(|mean| refuted(mean.interval.map(|[low, _]| low), mean.refutes_alone(start.limit)));
        ObjectiveJudgement {
            observed: found.map(|mean| Known::At(mean.value_s)),
            overdispersion: found.map(|mean| mean.phi),
            effective_requests: effective,
            interval95: interval,
            requests_needed: needed,
            duration_needed_s,
            met,
            reason_kind: reason,
            refuted_firmly: met == Some(false) && firmly,
            ..start
        }
    }
}

/// The remedy for requests that missed. A lower rate helps against slow requests, not against failures or a lost
/// target.
fn remedy(summary: &Summary) -> Remedy {
    let (cohort, window_s) = (summary.cohort(), summary.frame().window.length_s());
    let (gone, refused, planned) = (cohort.failed + cohort.timed_out, cohort.refused(), cohort.planned);
    if let Some(lost) = summary.misses().lost() {
        Remedy::TargetLost { at_s: lost.at_s }
    } else if refused > 0 && 2 * refused >= gone && 10 * refused >= planned && window_s > 0.0 {
        Remedy::Refused { refused, planned, completed_per_s: cohort.completed as f64 / window_s }
    } else if 2 * gone >= planned && planned > 0 {
        Remedy::Failures { gone, planned }
    } else {
        Remedy::LowerRate
    }
}

/// Decides a maximum by the largest observed value, without inference.
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
    let reason_kind = match met {
        Some(true) => None,
        Some(false) => Some(Reason::BeyondMaximum { misses: tally.misses, remedy: remedy(summary) }),
        None if summary.cohort().planned == 0 => Some(Reason::NothingMeasured),
        None => Some(Reason::MaximumCutOff { requests: tally.undecided }),
    };
    ObjectiveJudgement { observed, met, reason_kind, refuted_firmly: tally.firm_misses > 0, ..start }
}
