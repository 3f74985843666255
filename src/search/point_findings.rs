//! Owns `PointFindings`: what one load of a sweep says of the service.

use serde::{Deserialize, Serialize};

use crate::figures::TrialView;
use crate::search::signs::read_signs;
use crate::search::{
    CompletionRate, Level, Reading, Stability, Steadiness, completion_rate, is_unanswered, stability_of, steadiness,
};

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
            // What answers nothing has no rate at which it saturates.
            stability: rate_per_s.filter(|_| !is_unanswered(trial)).map(|_| shown),
            signs,
            steadiness,
            completion: completion_rate(trial),
            generator_healthy: trial.health.healthy,
        }
    }
}
