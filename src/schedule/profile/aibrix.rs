//! Owns the reading of AIBrix's JSON for a fluctuating rate as a `Profile`.

use serde::Deserialize;

use crate::error::Refusal;
use crate::schedule::profile::Profile;
use crate::schedule::profile::stage::Stage;

/// AIBrix's JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    fluctuate: f64,
    mean: f64,
    noise: f64,
    period_len_ms: f64,
    #[serde(default)]
    only_rise: bool,
}

impl Profile {
    /// Reads AIBrix's `{"fluctuate":2,"mean":6,"noise":0.1,"period_len_ms":300000,"only_rise":false}`: rates in
    /// requests per second, without an end.
    pub fn from_aibrix(json: &str) -> Result<Self, Refusal> {
        let accepted = r#"accepted is {"fluctuate":2,"mean":6,"noise":0.1,"period_len_ms":300000,"only_rise":false}"#;
        let Json { fluctuate, mean, noise, period_len_ms, only_rise } =
            serde_json::from_str(json).map_err(|why| Refusal::new(format!("AIBrix's JSON: {why}"), accepted))?;
        // Parsed as the text of a stage, so that the same ranges apply.
        let text = format!(
            "fluctuation {mean}/s fluctuate={fluctuate}/s noise={noise}/s period={period_len_ms}ms \
             only_rise={only_rise}"
        );
        Self::of(vec![text.parse::<Stage>()?], false)
    }
}
