//! Owns what the configurations of earlier versions did where they say nothing of an option that is newer.

use serde_json::{Map, Value};

use crate::workload::TextKind;

/// Keys that every stored configuration has. A file that a person writes has hardly all of them.
const STORED: [&str; 7] = ["connect-timeout", "drain", "endpoint", "salt", "seed", "timeout", "wait-ready"];

/// The options that a stored configuration of an earlier version lacks, each with what that version did: prompts were
/// words, and lengths did not include a chat template. Empty for other files.
pub(super) fn earlier_defaults(file: &Map<String, Value>) -> Vec<(&'static str, &'static str)> {
    let has = |key: &str| file.contains_key(key);
    if !STORED.into_iter().all(has) || has("content") || has("dataset") {
        return Vec::new();
    }
    let mut earlier = vec![("content", TextKind::Words.name())];
    earlier.extend((has("tokenizer") && !has("chat-template")).then_some(("chat-template", "none")));
    earlier
}
