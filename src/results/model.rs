//! Owns `Report`, what a result says: `result.json` is this, serialised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::client::ReceiveClock;
use crate::figures::TrialView;
use crate::results::spec::RunSpec;
use crate::search::SweepFindings;
use crate::search::hunt::SearchFindings;

/// The schema this version writes.
pub const SCHEMA: u32 = 1;

/// A result. Times are seconds, shares are 0 to 1; what is undefined is `null`, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What made it.
    pub tool: Tool,
    /// When the run's origin was, RFC 3339.
    pub started: String,
    /// Where it ran.
    pub host: Host,
    /// The command line, secrets replaced.
    pub command: Vec<String>,
    /// Every option in force, secrets replaced; what `config.yaml` holds.
    pub config: RunSpec,
    /// The seed.
    pub seed: u64,
    /// Hash of instants, lengths, classes and sessions; empty while the run has not ended, and for ever if it was
    /// killed.
    pub plan_fingerprint: String,
    /// Hash of the bytes sent; none where nothing was encoded.
    pub body_fingerprint: Option<String>,
    /// Who was asked.
    pub target: Target,
    /// The user's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The user's facts about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// What counted the tokens of the prompts before they were sent: `words-v1`, or file name and hash of the
    /// tokenizer.
    pub token_estimate: String,
    /// What the run announced: everything it did that was not asked for in so many words.
    pub notes: Vec<String>,
    /// One for each load played; none while it has not ended.
    pub trials: Vec<TrialView>,
    /// What a sweep found in its trials; each of them has its records in a folder of its own, `points/01` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepFindings>,
    /// What a search found; each of its loads has its records in a folder of its own, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchFindings>,
}

impl Report {
    /// Whether the run that wrote it has not ended, or was killed before it could.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.plan_fingerprint.is_empty()
    }
}

/// The tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `tonnage`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The commit it was built from, where known.
    pub git: Option<String>,
}

/// The machine that generated the load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Operating system and architecture.
    pub system: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Threads that sent.
    pub workers: usize,
    /// Who stamps the bytes of responses: `kernel` when they arrive, `user_space` after our threads have read them.
    /// Absent in a result of an older version, which had stamps of user space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_clock: Option<ReceiveClock>,
}

/// Who was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Base URLs.
    pub urls: Vec<String>,
    /// Models, comma-separated.
    pub model: String,
    /// Whether it was a simulated server, whose figures say nothing about any machine.
    pub simulated: bool,
}
