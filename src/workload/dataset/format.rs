//! Owns `DataFormat`: the formats of data sets, and how a file's format is recognised.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

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
}

impl DataFormat {
    /// All formats.
    pub const ALL: [Self; 7] =
        [Self::Text, Self::Pairs, Self::ShareGpt, Self::Messages, Self::Csv, Self::Jsonl, Self::Bodies];

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
        }
    }

    /// Whether the rows are JSON values.
    pub(super) const fn is_json(self) -> bool {
        !matches!(self, Self::Text | Self::Csv)
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
            () if has("conversations") || has("conversation") => Self::ShareGpt,
            () if has("messages") => Self::Messages,
            () if has("body") => Self::Bodies,
            () if has("context") && has("prompt") => Self::Pairs,
            () => Self::Jsonl,
        }
    }
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
