//! Owns lines of several kinds: each is a text, a list of messages or a whole request body, as in `line_by_line` of
//! `evalscope`.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::bodies::{Gaps, one};
use super::chats;
use super::fault::Fault;
use super::row::DataRow;
use super::values::is_conversation;

/// The rows of `text`, and the number of lists of messages without a message of the user. `streamed` is whether answers
/// are read as streams; a body that lacks `stream` or `model` gets them.
pub(super) fn read(text: &str, streamed: Option<bool>) -> Result<(Vec<DataRow>, u64), Fault> {
    let (mut rows, mut left_out) = (Vec::new(), 0);
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let row = match line.bytes().next() {
            None => continue,
            Some(b'{') if is_json(line) => one(line, streamed, Gaps::Filled).map(Some),
            Some(b'[') if is_json(line) => chats::conversation(line),
            // A text in quotes, as JSON writes it.
            Some(b'"') => Ok(Some(DataRow::question(serde_json::from_str(line).unwrap_or_else(|_| line.to_owned())))),
            Some(_) => Ok(Some(DataRow::question(line.to_owned()))),
        };
        match row.map_err(|why| Fault::new(number, why))? {
            Some(row) => rows.push(row),
            None => left_out += 1,
        }
    }
    Ok((rows, left_out))
}

/// Whether the first line of `text` that is not blank is a list of messages, or an object with messages or a prompt: no
/// text that a user would send.
pub(super) fn are_of_kinds(text: &str) -> bool {
    let Some(first) = text.lines().map(str::trim).find(|line| !line.is_empty()) else { return false };
    let Ok(value) = serde_json::from_str::<&RawValue>(first) else { return false };
    let object: Map<String, Value> = serde_json::from_str(value.get()).unwrap_or_default();
    is_conversation(value) || ["messages", "prompt"].iter().any(|key| object.contains_key(*key))
}

/// Whether `line` is one JSON value. A text may begin with a bracket, too.
fn is_json(line: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok()
}
