//! Owns the figures of a server in one trial, as they stand in `result.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quantity::Quantity;

/// What servers and host said in the measured window of a trial.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerView {
    /// Where it was read: URLs, or `host`.
    pub sources: Vec<String>,
    /// Readings during the trial, failed ones included.
    pub scrapes: u64,
    /// Readings that failed.
    pub failed: u64,
    /// Why the last of those failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// Levels in the window.
    pub levels: BTreeMap<Quantity, LevelView>,
    /// Increases of counters in the part of the window that readings cover.
    pub increases: BTreeMap<Quantity, f64>,
    /// Tokens found in the prefix cache ÷ tokens looked up in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix_hit_share: Option<f64>,
    /// Mean power in watts: from the energy counter, else from the readings of the power.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_w: Option<f64>,
    /// Mean power ÷ output tokens per second that arrived at the load generator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joules_per_output_token: Option<f64>,
    /// The levels over the whole trial.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<ServerPoint>,
}

/// A level in the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LevelView {
    /// Mean over time.
    pub mean: f64,
    /// Largest reading.
    pub max: f64,
}

/// The levels at one instant of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerPoint {
    /// Seconds from the origin; negative before it.
    pub at_s: f64,
    /// The levels.
    pub values: BTreeMap<Quantity, f64>,
}
