//! Owns `DataFormat`: the formats of data sets, and how a file's format is recognised.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::str::FromStr;

use flate2::read::MultiGzDecoder;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::trie;
use super::values::is_conversation;
use crate::error::Refusal;

/// The format of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataFormat {
    /// One prompt per line.
    Text,
    /// JSON objects with a `context` and a `prompt`.
    Pairs,
    /// JSON conversations of `ShareGPT`: the first question of each.
    ShareGpt,
    /// JSON conversations of OpenAI's form: everything up to the user's last message.
    Messages,
    /// A table with a header.
    Csv,
    /// JSON objects with a prompt.
    Jsonl,
    /// JSON objects that are sent as they are.
    Bodies,
    /// Lines that are each a text, a list of messages or a whole request body.
    Lines,
    /// JSON sessions of agents: lists of turns with messages.
    Agentic,
    /// JSON sessions of agents: lengths and times only.
    Trie,
}

impl DataFormat {
    /// All formats.
    pub const ALL: [Self; 10] = [
        Self::Text,
        Self::Pairs,
        Self::ShareGpt,
        Self::Messages,
        Self::Csv,
        Self::Jsonl,
        Self::Bodies,
        Self::Lines,
        Self::Agentic,
        Self::Trie,
    ];

    /// The name of the format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Pairs => "pairs",
            Self::ShareGpt => "sharegpt",
            Self::Messages => "messages",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Bodies => "bodies",
            Self::Lines => "lines",
            Self::Agentic => "agentic",
            Self::Trie => "trie",
        }
    }

    /// Whether `start`, the first bytes of a file, begins rows that are lengths ([`DataFormat::is_lengths`]).
    #[must_use]
    pub fn begins_lengths(start: &[u8]) -> bool {
        let mut unpacked = Vec::new();
        // The start of a compressed file ends in the middle, which is an error here.
        _ = MultiGzDecoder::new(start).take(start.len() as u64).read_to_end(&mut unpacked);
        let start = if unpacked.is_empty() { start } else { &unpacked };
        let key = format!("\"{}\"", trie::KEY);
        matches!(start.trim_ascii_start().first(), Some(b'{' | b'['))
            && memchr::memmem::find(start, key.as_bytes()).is_some()
    }

    /// Whether the rows are JSON values.
    pub(super) const fn is_json(self) -> bool {
        !matches!(self, Self::Text | Self::Csv | Self::Lines)
    }

    /// Whether each row may be a session of several turns.
    #[must_use]
    pub const fn has_sessions(self) -> bool {
        matches!(self, Self::ShareGpt | Self::Messages | Self::Agentic | Self::Trie)
    }

    /// Whether the rows are lengths, to which texts are made.
    #[must_use]
    pub const fn is_lengths(self) -> bool {
        matches!(self, Self::Trie)
    }

    /// The format of a file without JSON values: by the ending of its name.
    pub(super) fn of_name(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        match () {
            () if ends(&[".csv", ".tsv"]) => Some(Self::Csv),
            () if ends(&[".txt"]) => Some(Self::Text),
            () => None,
        }
    }

    /// The format of a file whose first value is `first`, by its keys.
    pub(super) fn of_value(first: &RawValue) -> Self {
        if is_conversation(first) {
            return Self::Messages;
        }
        let Ok(object) = serde_json::from_str::<Map<String, Value>>(first.get()) else { return Self::Jsonl };
        let has = |key: &str| object.contains_key(key);
        match () {
            () if has(trie::KEY) => Self::Trie,
            () if is_nested(object.get("conversations")) => Self::Agentic,
            () if has("conversations") || has("conversation") => Self::ShareGpt,
            // What names its model and says whether it streams was written for a server.
            () if has("model") && has("stream") && PROMPTS.into_iter().any(has) => Self::Bodies,
            () if has("messages") => Self::Messages,
            () if has("body") => Self::Bodies,
            () if has("context") && has("prompt") => Self::Pairs,
            () => Self::Jsonl,
        }
    }
}

/// The keys under which bodies have their prompt.
const PROMPTS: [&str; 3] = ["messages", "prompt", "input"];

/// Whether `value` is a list of lists.
fn is_nested(value: Option<&Value>) -> bool {
    value.and_then(Value::as_array).and_then(|items| items.first()).is_some_and(Value::is_array)
}

impl fmt::Display for DataFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DataFormat {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            Refusal::new(format!("`{text}` is no format of a data set"), format!("accepted is {all}"))
        })
    }
}
