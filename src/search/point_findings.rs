//! Owns `PointFindings`: what one load of a sweep shows about the service.

use serde::{Deserialize, Serialize};

use crate::figures::TrialView;
use crate::search::signs::read_signs;
use crate::search::{
    CompletionRate, Level, Reading, Stability, Steadiness, completion_rate, is_unanswered, requests_each, stability_of,
    steadiness,
};

/// The findings of one trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointFindings {
    /// The trial's label.
    pub label: String,
    /// Hash of its plan; each trial has its own.
    pub plan_fingerprint: String,
    /// The offered rate in requests per second, or in sessions per second; `null` for a closed loop.
    pub rate_per_s: Option<f64>,
    /// Requests in flight of a closed loop; `null` for an open load.
    pub concurrency: Option<u32>,
    /// Whether the service kept up; `null` for a closed loop, whose load adapts to the service.
    pub stability: Option<Stability>,
    /// The signs from which the stability was read.
    pub signs: Vec<Reading>,
    /// Whether the number in flight moved so little that the rate lies below the capacity; `null` for a closed loop.
    #[serde(default)]
    pub steadiness: Option<Steadiness>,
    /// The rate at which the service completed requests, in the unit of the offered rate: for sessions, requests ÷ the
    /// mean number of turns.
    pub completion: Option<CompletionRate>,
    /// Whether the generator followed the plan. If it did not, the generator itself may have caused a sign.
    pub generator_healthy: bool,
}

impl PointFindings {
    /// The findings of `trial`, whose plan has this fingerprint.
    #[must_use]
    pub fn of(trial: &TrialView, plan_fingerprint: String) -> Self {
        let load = Level::of(&trial.load);
        let signs = read_signs(trial);
        let rate_per_s = load.and_then(Level::rate_per_s);
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
            // A service that answers nothing has no saturation rate.
            stability: rate_per_s.filter(|_| !is_unanswered(trial)).map(|_| shown),
            signs,
            steadiness,
            completion: completion_rate(trial).map(|rate| rate.divided_by(requests_each(&trial.load))),
            generator_healthy: trial.health.healthy,
        }
    }
}
