//! Owns what a sweep has found: the knee, the saturation rate, and the evidence for both, in numbers.

use serde::{Deserialize, Serialize};

use crate::figures::TrialView;
use crate::metrics::{LoadKind, VerdictResult};
use crate::search::saturation::{compare, saturation};
use crate::search::{Finished, Knee, Level, PointFindings, Saturation, unloaded_per_s};

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
    /// All that in words, with advice: empty until `report` makes them.
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
        let rate = |trial: &TrialView| Level::of(&trial.load)?.rate_per_s();
        let knee = Knee::of(&points, saturation.as_ref());
        Self {
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
        }
    }
}
