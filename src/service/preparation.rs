//! Owns `Preparation`: what was done to the prefix caches of the service before the load.

use serde::{Deserialize, Serialize};

use crate::client::CacheReset;

/// What was done to the prefix caches of the service before the load: the key `preparation` of `result.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Preparation {
    /// How each target answered to the request to empty its cache; empty if none was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resets: Vec<TargetReset>,
    /// The requests that sent the prefixes; absent if none were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primers: Option<Primers>,
}

/// How one target answered to the request to empty its cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetReset {
    /// Base URL.
    pub target: String,
    /// Its answer.
    pub reset: CacheReset,
}

/// The requests that sent each prefix once, before the load. No record and no figure of the load contains them; the
/// server's log does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Primers {
    /// Prefixes: one for each group, or the system prompt.
    pub prefixes: u64,
    /// Requests, failed tries included: each prefix goes to each target and each model.
    pub requests: u64,
    /// Prefixes that a server refused because of load.
    pub refused: u64,
    /// Input tokens that were sent, failed tries left out.
    pub input_tokens: u64,
    /// The time that it took, in seconds.
    pub took_s: f64,
}

impl Preparation {
    /// Adds the preparation of another part of the load, or of the load before it was resumed.
    pub fn merge(&mut self, other: &Self) {
        for reset in &other.resets {
            if !self.resets.contains(reset) {
                self.resets.push(reset.clone());
            }
        }
        if let Some(theirs) = &other.primers {
            let own = self.primers.get_or_insert_default();
            own.prefixes = own.prefixes.max(theirs.prefixes);
            own.requests += theirs.requests;
            own.refused += theirs.refused;
            own.input_tokens += theirs.input_tokens;
            own.took_s += theirs.took_s;
        }
    }
}
