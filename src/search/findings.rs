//! Owns what a sweep has found: the knee, the saturation rate, and the evidence for both, in numbers and in words.

use serde::{Deserialize, Serialize};

use crate::figures::TrialView;
use crate::metrics::{Known, LoadKind, ObjectiveJudgement, VerdictResult};
use crate::search::signs::read_signs;
use crate::search::stages::stage_sentences;
use crate::search::{
    CompletionRate, Finished, Knee, PointLoad, Reading, Sign, Stability, Steadiness, completion_rate, is_unanswered,
    stability_of, steadiness, unloaded_per_s,
};
use crate::units::{count, per_second, plain, seconds};

/// An estimate's half interval is never taken for smaller than this share: batch means of few batches can be.
const LEAST_ERROR: f64 = 0.005;
/// Half intervals within this ratio may be the same but for chance: each is a standard error of 7 degrees of freedom.
const ALIKE: f64 = 2.5;
/// Degrees of freedom of a half interval.
const BATCH_DEGREES: f64 = 7.0;
/// A rate that was held may lie above the saturation rate by this share before the latter is called a lower bound.
const HELD_ABOVE: f64 = 1.05;

/// The `sweep` object of `result.json`. Rates are requests per second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SweepFindings {
    /// Why the sweep ended by itself; `null` while it has not, and for ever if it was stopped.
    pub finished: Option<Finished>,
    /// One for each of `trials`, in the same order.
    pub points: Vec<PointFindings>,
    /// One request at a time: 1 ÷ mean end-to-end latency of the synchronous trial.
    pub unloaded_per_s: Option<f64>,
    /// The knee: the highest rate that is called stable, below the lowest rate that saturates; `null` where no rate is.
    pub knee_per_s: Option<f64>,
    /// The same with its upper end, and what stands between the two.
    #[serde(default)]
    pub knee: Option<Knee>,
    /// The rate at which the service completes requests when it is given more.
    pub saturation: Option<Saturation>,
    /// The highest rate whose trial met the objectives; `null` without objectives.
    pub met_per_s: Option<f64>,
    /// All that in words, with advice.
    pub sentences: Vec<String>,
}

/// What one trial says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointFindings {
    /// The trial's label.
    pub label: String,
    /// Hash of its plan; each trial has its own.
    pub plan_fingerprint: String,
    /// Its offered rate; `null` for a closed loop.
    pub rate_per_s: Option<f64>,
    /// Requests in flight of a closed loop; `null` for an open load.
    pub concurrency: Option<u32>,
    /// Whether the service kept up; `null` for a closed loop, whose load gives way.
    pub stability: Option<Stability>,
    /// What that was read from.
    pub signs: Vec<Reading>,
    /// Whether the number in flight moved so little that the rate lies below the capacity; `null` for a closed loop.
    #[serde(default)]
    pub steadiness: Option<Steadiness>,
    /// The rate at which it completed requests.
    pub completion: Option<CompletionRate>,
    /// Whether the generator did what was planned; where it did not, a sign may be of its own making.
    pub generator_healthy: bool,
}

impl PointFindings {
    /// What `trial`, of the plan with this fingerprint, says.
    #[must_use]
    pub fn of(trial: &TrialView, plan_fingerprint: String) -> Self {
        let load = PointLoad::of(&trial.load);
        let signs = read_signs(trial);
        let rate_per_s = load.and_then(PointLoad::rate_per_s);
        let steadiness = rate_per_s.and_then(|_| steadiness(trial));
        let shown = match stability_of(&signs) {
            Stability::Stable if !steadiness.is_some_and(|steadiness| steadiness.steady) => Stability::TooShort,
            stability => stability,
        };
        Self {
            label: trial.label.clone(),
            plan_fingerprint,
            rate_per_s,
            concurrency: trial.load.concurrency,
            // What answers nothing has no rate at which it saturates.
            stability: rate_per_s.filter(|_| !is_unanswered(trial)).map(|_| shown),
            signs,
            steadiness,
            completion: completion_rate(trial),
            generator_healthy: trial.health.healthy,
        }
    }
}

/// Whether a rate was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// An open load offered more than this, was seen to saturate, and this was completed.
    Measured,
    /// This was completed, in an open load that was held or in a closed loop, and no open load was seen to saturate
    /// below it.
    AtLeast,
}

/// The saturation rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// The best estimate: completion rates of the loads that saturate, those that agree with the highest, weighted by
    /// their precision.
    pub per_s: f64,
    /// Its 95 % interval.
    pub interval95_per_s: [f64; 2],
    /// Whether it was reached.
    pub bound: Bound,
    /// The trials it is from.
    pub from: Vec<String>,
}

impl SweepFindings {
    /// What `trials` come to. `fingerprints` are those of their plans, in the same order.
    #[must_use]
    pub fn of(trials: &[TrialView], fingerprints: &[String], finished: Option<Finished>) -> Self {
        let fingerprint = |place: usize| fingerprints.get(place).cloned().unwrap_or_default();
        let mut points: Vec<_> =
            trials.iter().enumerate().map(|(place, trial)| PointFindings::of(trial, fingerprint(place))).collect();
        let saturation = saturation(&points);
        compare(&mut points, saturation.as_ref());
        let met = |trial: &&TrialView| trial.verdict.result == VerdictResult::Pass;
        let rate = |trial: &TrialView| PointLoad::of(&trial.load)?.rate_per_s();
        let knee = Knee::of(&points, saturation.as_ref());
        let mut findings = Self {
            finished,
            unloaded_per_s: trials
                .iter()
                .find(|trial| trial.load.kind == LoadKind::Synchronous)
                .and_then(unloaded_per_s),
            knee_per_s: knee.as_ref().and_then(|knee| knee.low_per_s),
            knee,
            saturation,
            met_per_s: trials.iter().filter(met).filter_map(rate).reduce(f64::max),
            points,
            sentences: Vec::new(),
        };
        findings.sentences = if findings.points.iter().any(|point| point.rate_per_s.is_some()) {
            findings.words(trials)
        } else {
            stage_sentences(trials)
        };
        findings.sentences.extend(leftovers(trials));
        findings
    }

    fn words(&self, trials: &[TrialView]) -> Vec<String> {
        let mut sentences = Vec::new();
        if let (Some(Finished::NoAnswer), Some(trial)) =
            (self.finished, trials.iter().find(|trial| is_unanswered(trial)))
        {
            sentences.push(format!(
                "the sweep stopped at {}, of which nothing was answered: the target is lost, or still busy with what \
                 came before; look at \
                 it, then go on with --resume",
                trial.label
            ));
        }
        if let Some(saturation) = &self.saturation {
            let [low, high] = saturation.interval95_per_s;
            let (figure, from) = (per_second(saturation.per_s), saturation.from.join(", "));
            sentences.push(match saturation.bound {
                Bound::Measured => {
                    format!(
                        "saturates at {figure} ({}–{}): what it completes when given more (from \
                        {from})",
                        plain(low),
                        plain(high)
                    )
                }
                Bound::AtLeast if self.points.iter().any(|point| point.stability == Some(Stability::Saturated)) => {
                    format!(
                        "completes {figure} at least (from {from}), although a load looks saturated: measure it \
                        again, longer"
                    )
                }
                Bound::AtLeast => {
                    format!(
                        "completes {figure} at least, and no rate was seen to saturate it (from {from}); offer \
                        more with --rates"
                    )
                }
            });
        }
        sentences.extend(self.knee.as_ref().map(|knee| knee.sentence(&self.points)));
        sentences.extend(self.points.iter().filter_map(evidence));
        if let Some(met) = self.met_per_s {
            sentences
                .push(format!("the objectives were met up to {}, the highest rate measured that did", per_second(met)));
        } else if trials.iter().any(|trial| trial.verdict.result != VerdictResult::None) {
            sentences.push(undecided(trials));
        }
        if self.finished == Some(Finished::Saturated) {
            sentences.push("the higher rates were not offered".to_owned());
        }
        sentences
    }
}

/// Why no rate met the objectives for sure, and the largest whose observed figures met them.
fn undecided(trials: &[TrialView]) -> String {
    let within = |objective: &ObjectiveJudgement| {
        // Those with a lower limit, attainment and goodput, are not looked at here.
        let most = objective.text.contains('<');
        most && matches!(objective.observed, Some(Known::At(value)) if value <= objective.limit)
    };
    let met = |trial: &&TrialView| {
        let deciding = || trial.slo.objectives.iter().filter(|objective| objective.decides);
        trial.verdict.result == VerdictResult::Inconclusive && deciding().next().is_some() && deciding().all(within)
    };
    let largest =
        trials.iter().filter(met).filter_map(|trial| PointLoad::of(&trial.load)?.rate_per_s()).reduce(f64::max);
    match largest {
        Some(per_s) => format!(
            "no rate was decided: each window has too few requests to be sure. The observed figures met the objectives \
             up to {} (uncertified); \
             try a longer --duration",
            per_second(per_s)
        ),
        None => "no rate measured met the objectives for sure; try lower --rates or a longer --duration".to_owned(),
    }
}

/// Loads that began while the service may still have held what the load before it had let go.
fn leftovers(trials: &[TrialView]) -> Vec<String> {
    let pairs = trials.windows(2).filter(|pair| pair[0].run_totals.unresolved > 0);
    pairs
        .map(|pair| {
            format!(
                "{} requests of {} were let go when its drain ended, and what the service still held of them stood \
                 before {}; give a longer \
                 --drain",
                count(pair[0].run_totals.unresolved),
                pair[0].label,
                pair[1].label
            )
        })
        .collect()
}

/// What was seen at a point that is not stable.
fn evidence(point: &PointFindings) -> Option<String> {
    let stability =
        point.stability.filter(|stability| matches!(stability, Stability::Strained | Stability::Saturated))?;
    let raised = point.signs.iter().filter(|reading| reading.raised);
    let seen: Vec<String> = raised
        .map(|reading| {
            let show = |value: f64| {
                if reading.sign == Sign::Trend { format!("{value:.2} s a second") } else { percent(value) }
            };
            format!("{} ({}, chance stays below {})", reading.sign.name(), show(reading.value), show(reading.limit))
        })
        .collect();
    let fills = point.signs.iter().any(|reading| reading.sign == Sign::Deficit && reading.raised)
        && stability == Stability::Strained;
    let advice = if fills {
        "; latency hardly rises, as when answers are longer than what is discarded: try a longer --warmup"
    } else {
        ""
    };
    Some(format!("{} at {}: {}{advice}", stability.name(), point.label, seen.join("; ")))
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

fn saturation(points: &[PointFindings]) -> Option<Saturation> {
    let rate = |point: &PointFindings| point.completion.map_or(0.0, |rate| rate.per_s);
    let best = |kind: &dyn Fn(&&PointFindings) -> bool| {
        points.iter().filter(kind).max_by(|one, other| rate(one).total_cmp(&rate(other)))
    };
    let is_saturated = |point: &&PointFindings| point.stability == Some(Stability::Saturated);
    let is_closed = |point: &&PointFindings| point.concurrency.is_some_and(|in_flight| in_flight > 1);
    let held = best(&|point| point.stability == Some(Stability::Stable));
    // A closed loop alone proves no saturation: it may be its own limit. Where an open load saturates, it tells the
    // capacity best.
    if let Some(full) = best(&|point| is_saturated(point) || is_closed(point))
        && points.iter().any(|point| is_saturated(&point))
        && held.is_none_or(|held| held.rate_per_s.unwrap_or(0.0) <= rate(full) * HELD_ABOVE)
    {
        let agreeing: Vec<&PointFindings> =
            points.iter().filter(|point| is_saturated(point) || is_closed(point)).collect();
        return pooled(&agreeing, full.completion?);
    }
    let most = best(&|point| point.stability == Some(Stability::Stable) || is_closed(point))?;
    let CompletionRate { per_s, interval95_per_s } = most.completion?;
    Some(Saturation { per_s, interval95_per_s, bound: Bound::AtLeast, from: vec![most.label.clone()] })
}

/// The mean of those rates that agree with `best`: each as much as the others, where their half intervals are alike,
/// as these are estimates from few batches themselves; else weighted by 1 ÷ (half interval)², with the half interval
/// of the mean widened for that (P. Meier, "Variance of a weighted mean", Biometrics 9, 1953).
fn pooled(full: &[&PointFindings], best: CompletionRate) -> Option<Saturation> {
    let least_per_s = best.interval95_per_s[0].min(best.per_s * (1.0 - LEAST_ERROR));
    let agreeing: Vec<(&PointFindings, CompletionRate)> = full
        .iter()
        .filter_map(|point| Some((*point, point.completion?)))
        .filter(|(_, rate)| rate.interval95_per_s[1] >= least_per_s)
        .collect();
    let halves: Vec<f64> = agreeing
        .iter()
        .map(|(_, rate)| ((rate.interval95_per_s[1] - rate.interval95_per_s[0]) / 2.0).max(LEAST_ERROR * rate.per_s))
        .collect();
    let (least, most) =
        halves.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), half| (least.min(*half), most.max(*half)));
    let alike = most <= ALIKE * least;
    let weights: Vec<f64> = halves.iter().map(|half| if alike { 1.0 } else { 1.0 / (half * half) }).collect();
    let sum: f64 = weights.iter().sum();
    let per_s = agreeing.iter().zip(&weights).map(|((_, rate), weight)| weight * rate.per_s).sum::<f64>() / sum;
    let variance =
        halves.iter().zip(&weights).map(|(half, weight)| weight * weight * half * half).sum::<f64>() / (sum * sum);
    let chosen = weights.iter().map(|weight| weight / sum * (1.0 - weight / sum)).sum::<f64>() * 4.0 / BATCH_DEGREES;
    let half = libm::sqrt(variance * if alike { 1.0 } else { 1.0 + chosen });
    let from = agreeing.iter().map(|(point, _)| point.label.clone()).collect();
    let interval95_per_s = [(per_s - half).max(0.0), per_s + half];
    (sum > 0.0).then_some(Saturation { per_s, interval95_per_s, bound: Bound::Measured, from })
}

/// Calls the rates that the windows alone were too short for by what the service completed when given more. A rate
/// below that (below its interval, and below what each overloaded load completed) is stable. One above the interval is
/// not.
fn compare(points: &mut [PointFindings], saturation: Option<&Saturation>) {
    let Some(saturation) = saturation else { return };
    let [low, high] = saturation.interval95_per_s;
    let full = |point: &&PointFindings| {
        point.stability == Some(Stability::Saturated)
            || point.concurrency.is_some_and(|in_flight| saturation.from.contains(&point.label) && in_flight > 1)
    };
    let least =
        points.iter().filter(full).filter_map(|point| Some(point.completion?.interval95_per_s[1])).fold(low, f64::min);
    for point in points {
        let Some(per_s) = point.rate_per_s else { continue };
        match point.stability {
            Some(Stability::TooShort) if per_s < least => point.stability = Some(Stability::Stable),
            Some(Stability::Stable) if per_s > high && saturation.bound == Bound::Measured => {
                point.stability = Some(Stability::TooShort);
            }
            _ => {}
        }
    }
}

/// Latency for people, in sentences about a trial.
pub(super) fn latency_text(mean_s: Option<f64>) -> String {
    mean_s.map_or_else(|| "—".to_owned(), seconds)
}
