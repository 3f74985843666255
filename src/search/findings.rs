//! Owns what a sweep has found: the knee, the saturation rate, and the evidence for both, in numbers and in words.

use serde::{Deserialize, Serialize};

use crate::figures::{ObjectiveView, TrialView};
use crate::metrics::{Known, LoadKind, Objective, VerdictResult};
use crate::search::point_findings::evidence;
use crate::search::saturation::{compare, saturation};
use crate::search::stages::stage_sentences;
use crate::search::{
    Bound, Finished, Knee, PointFindings, PointLoad, Saturation, Stability, is_unanswered, unloaded_per_s,
};
use crate::units::{count, per_second, plain};

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
    let within = |objective: &ObjectiveView| {
        // Those with a lower limit, attainment and goodput, are not looked at here.
        let most = matches!(objective.asked(), Some(Objective::Latency(_) | Objective::ErrorRate(_)));
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
