//! Owns the results of a sweep in numbers: the knee, the saturation rate, and the evidence for both.

use serde::{Deserialize, Serialize};

use crate::figures::TrialView;
use crate::metrics::{LoadKind, VerdictResult};
use crate::search::saturation::{compare, saturation};
use crate::search::{Axis, Finished, Knee, Level, PointFindings, Saturation, requests_each, unloaded_per_s};

/// The `sweep` object of `result.json`. Rates are requests per second; if `over` is `sessions`, sessions per second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SweepFindings {
    /// What the rates count: `sessions`; absent for requests.
    #[serde(default, skip_serializing_if = "Axis::is_rate")]
    pub over: Axis,
    /// Why the sweep ended by itself; `null` while it is running, and if it was stopped.
    pub finished: Option<Finished>,
    /// The findings of each trial, in the order of `trials`.
    pub points: Vec<PointFindings>,
    /// The rate with one request at a time: 1 ÷ mean end-to-end latency of the synchronous trial.
    pub unloaded_per_s: Option<f64>,
    /// The knee: the highest stable rate below the lowest rate that saturates; `null` if no rate is stable.
    pub knee_per_s: Option<f64>,
    /// The knee with its upper end, and the undecided rates between the two ends.
    #[serde(default)]
    pub knee: Option<Knee>,
    /// The rate at which the service completes requests under overload.
    pub saturation: Option<Saturation>,
    /// The highest rate whose trial met the objectives; `null` without objectives.
    pub met_per_s: Option<f64>,
    /// The findings in words, with advice: empty until `report` writes them.
    pub sentences: Vec<String>,
}

impl SweepFindings {
    /// The findings of `trials`. `fingerprints` are the hashes of their plans, in the same order.
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
        let has_sessions = trials.iter().any(|trial| trial.load.sessions.is_some());
        Self {
            over: if has_sessions { Axis::Sessions } else { Axis::Rate },
            finished,
            unloaded_per_s: trials
                .iter()
                .find(|trial| trial.load.kind == LoadKind::Synchronous)
                .and_then(|trial| Some(unloaded_per_s(trial)? / requests_each(&trial.load))),
            knee_per_s: knee.as_ref().and_then(|knee| knee.low_per_s),
            knee,
            saturation,
            met_per_s: trials.iter().filter(met).filter_map(rate).reduce(f64::max),
            points,
            sentences: Vec::new(),
        }
    }
}
