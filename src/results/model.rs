//! Owns `Report`, the content of a result: `result.json` is its serialised form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::client::{Http2, ReceiveClock};
use crate::figures::TrialView;
use crate::meeting::SharedClock;
use crate::results::spec::RunSpec;
use crate::search::SweepFindings;
use crate::search::maximum::SearchFindings;
use crate::service::{Preflight, Preparation};

/// The schema number that this version writes.
pub const SCHEMA: u32 = 1;

/// A result. Times are in seconds, shares from 0 to 1. An undefined value is `null`, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The schema number: [`SCHEMA`].
    pub schema: u32,
    /// The tool that wrote the result.
    pub tool: Tool,
    /// The instant of the run's origin, RFC 3339.
    pub started: String,
    /// The machine that generated the load.
    pub host: Host,
    /// The command line, secrets replaced.
    pub command: Vec<String>,
    /// Every option in force, secrets replaced; the content of `config.yaml`.
    pub config: RunSpec,
    /// The seed.
    pub seed: u64,
    /// Hash of the plan: instants, lengths, classes and sessions. Empty until the run has ended; it stays empty if the
    /// run was killed.
    pub plan_fingerprint: String,
    /// Hash of the request bodies; `null` if no body was encoded.
    pub body_fingerprint: Option<String>,
    /// The target of the load.
    pub target: Target,
    /// The user's name for the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The user's metadata for the result.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The counter of prompt tokens before sending: `words-v1`, `text-v1`, or file name and hash of the tokenizer, with
    /// the chat template.
    pub token_estimate: String,
    /// The notes of the run: everything that it did without being asked explicitly.
    pub notes: Vec<String>,
    /// What a small request showed before the load; absent if none was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Preflight>,
    /// What was done to the prefix caches of the service before the load; absent if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Preparation>,
    /// The clock of this machine against that of the meeting place; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<SharedClock>,
    /// The hash of everything that the rows of the data set say; absent without a data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_digest: Option<String>,
    /// One trial for each load that has ended.
    pub trials: Vec<TrialView>,
    /// The findings of a sweep. Each of its trials has its records in its own folder, `points/01` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepFindings>,
    /// The findings of a search. Each of its loads has its records in its own folder, `points/01` and so on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchFindings>,
}

impl Report {
    /// Whether the run that wrote the result has not ended, or was killed.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.plan_fingerprint.is_empty()
    }
}

/// The tool that wrote a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `tonnage`.
    pub name: String,
    /// The version of the tool.
    pub version: String,
    /// The commit that the tool was built from, if known.
    pub git: Option<String>,
}

/// The machine that generated the load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The name of the machine.
    pub name: String,
    /// Operating system and architecture.
    pub system: String,
    /// Cores that the process may use.
    pub cores: usize,
    /// The number of sending threads.
    pub workers: usize,
    /// Who stamps the bytes of responses: `kernel` when they arrive, `user_space` after our threads have read them. It
    /// is `user_space`, too, if any target is a unix socket: the kernel does not stamp those.
    /// Absent in a result of an older version, which had stamps of user space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_clock: Option<ReceiveClock>,
}

/// The target of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Base URLs.
    pub urls: Vec<String>,
    /// Models, comma-separated.
    pub model: String,
    /// Whether the target was a simulated server. Its figures do not describe any real machine.
    pub simulated: bool,
    /// The connections of HTTP/2 that were opened, and their streams. Absent when there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http2: Option<Http2>,
}
