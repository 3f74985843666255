//! Owns the JSON values of a data set: one a line, or those of a document over several lines, each with its line.

use serde_json::Value;
use serde_json::value::RawValue;

use super::fault::{Fault, shown};
use super::row::DataRow;

/// A value and the line where it begins.
pub(super) type Placed<'a> = (u64, &'a RawValue);

/// The rows of `text`: the values of its lines, or of a document over several lines. A list is its items, unless it
/// is a list of messages.
pub(super) fn values(text: &str) -> Result<Vec<Placed<'_>>, Fault> {
    let Some(first) = text.lines().find(|line| !line.trim().is_empty()) else { return Ok(Vec::new()) };
    let tops =
        if serde_json::from_str::<&RawValue>(first.trim()).is_ok() { by_line(text)? } else { of_document(text)? };
    match tops.as_slice() {
        [(line, only)] if only.get().starts_with('[') => items(text, *line, only),
        _ => Ok(tops),
    }
}

/// Whether `value` is a list of messages: one conversation, not a list of rows.
pub(super) fn is_conversation(value: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct WithRole {
        #[serde(rename = "role")]
        _role: serde::de::IgnoredAny,
    }
    // One message is enough to tell, and the others need not be read.
    let Some(inner) = value.get().strip_prefix('[') else { return false };
    let mut items = serde_json::Deserializer::from_str(inner).into_iter::<&RawValue>();
    items.next().is_some_and(|first| first.is_ok_and(|first| serde_json::from_str::<WithRole>(first.get()).is_ok()))
}

fn by_line(text: &str) -> Result<Vec<Placed<'_>>, Fault> {
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    let filled = lines.filter(|(_, line)| !line.is_empty());
    filled.map(|(number, line)| Ok((number, serde_json::from_str(line).map_err(|why| broken(number, &why))?))).collect()
}

fn of_document(text: &str) -> Result<Vec<Placed<'_>>, Fault> {
    let mut lines = Lines::new(text);
    let values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    values
        .map(|value| {
            let value = value.map_err(|why| broken(why.line() as u64, &why))?;
            Ok((lines.of(value), value))
        })
        .collect()
}

/// The items of the only value of a file.
fn items<'a>(text: &'a str, line: u64, list: &'a RawValue) -> Result<Vec<Placed<'a>>, Fault> {
    if is_conversation(list) {
        return Ok(vec![(line, list)]);
    }
    let values: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|why| broken(line, &why))?;
    let mut lines = Lines::new(text);
    Ok(values.into_iter().map(|value| (lines.of(value), value)).collect())
}

/// The items of the list under the key `conversations` of each of `values`, which are parts of `text`.
pub(super) fn nested<'a>(text: &'a str, values: &[Placed<'a>]) -> Result<Vec<Placed<'a>>, Fault> {
    #[derive(serde::Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        conversations: Option<Vec<&'a RawValue>>,
    }
    let (mut lines, mut all) = (Lines::new(text), Vec::new());
    for (line, value) in values {
        let read: Document<'a> = serde_json::from_str(value.get()).map_err(|why| {
            Fault::new(*line, format!("is no document of conversations ({}); check the file", what_of(&why)))
        })?;
        let Some(conversations) = read.conversations else {
            return Err(Fault::new(*line, without_key("conversations", value.get())));
        };
        all.extend(conversations.into_iter().map(|value| (lines.of(value), value)));
    }
    Ok(all)
}

fn broken(line: u64, why: &serde_json::Error) -> Fault {
    Fault::new(line, format!("is not JSON ({}); write one whole value per line, or one list of values", what_of(why)))
}

/// What is wrong, without serde's own line and column.
pub(super) fn what_of(why: &serde_json::Error) -> String {
    let said = why.to_string();
    said.split(" at line ").next().unwrap_or(&said).to_owned()
}

/// Why the conversation `text` cannot be read: it has other keys than `key`.
pub(super) fn without_key(key: &str, text: &str) -> String {
    let there: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let there = there.keys().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    format!("has no key {key}; it has {there}: give the option dataset-format")
}

/// The rows of `values`, each read by `conversation`, and the number of those that give no request.
pub(super) fn conversations(
    values: &[Placed<'_>],
    conversation: impl Fn(&str) -> Result<Option<DataRow>, String>,
) -> Result<(Vec<DataRow>, u64), Fault> {
    let mut left_out = 0;
    let mut rows = Vec::with_capacity(values.len());
    for (line, value) in values {
        match conversation(value.get()).map_err(|why| Fault::new(*line, why))? {
            Some(row) => rows.push(row),
            None => left_out += 1,
        }
    }
    Ok((rows, left_out))
}

/// The turns of all conversations in `values`, each read by `session`; the number of the first turn of each
/// conversation, and at last that of all turns; and the number of conversations without a turn.
pub(super) fn sessions(
    values: &[Placed<'_>],
    session: impl Fn(&str) -> Result<Vec<DataRow>, String>,
) -> Result<(Vec<DataRow>, Vec<u32>, u64), Fault> {
    let (mut rows, mut starts, mut left_out) = (Vec::new(), vec![0], 0);
    for (line, value) in values {
        let turns = session(value.get()).map_err(|why| Fault::new(*line, why))?;
        if turns.is_empty() {
            left_out += 1;
            continue;
        }
        rows.extend(turns);
        starts.push(u32::try_from(rows.len()).unwrap_or(u32::MAX));
    }
    Ok((rows, starts, left_out))
}

/// The lines of values that follow one another in a text.
struct Lines<'a> {
    text: &'a str,
    counted: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    const fn new(text: &'a str) -> Self {
        Self { text, counted: 0, line: 1 }
    }

    /// The line of `value`, which is a part of the text.
    fn of(&mut self, value: &RawValue) -> u64 {
        let start = value.get().as_ptr().addr() - self.text.as_ptr().addr();
        self.line += memchr::memchr_iter(b'\n', &self.text.as_bytes()[self.counted..start]).count() as u64;
        self.counted = start;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<(u64, &str)>, Fault> {
        Ok(values(text)?.into_iter().map(|(line, value)| (line, value.get())).collect())
    }

    #[test]
    fn values_are_found_in_lines_in_lists_and_in_documents() {
        for (text, wanted) in [
            ("", vec![]),
            ("\n{\"a\":1}\r\n\r\n{\"b\":2}", vec![(2, "{\"a\":1}"), (4, "{\"b\":2}")]),
            ("[{\"a\":1}, {\"b\":2}]\n", vec![(1, "{\"a\":1}"), (1, "{\"b\":2}")]),
            ("[\n{\"a\":1},\n\n{\"b\":2}]\n", vec![(2, "{\"a\":1}"), (4, "{\"b\":2}")]),
            ("{\n\"a\":1}\n{\"b\":2}\n", vec![(1, "{\n\"a\":1}"), (3, "{\"b\":2}")]),
            ("[{\"role\":\"user\"}]", vec![(1, "[{\"role\":\"user\"}]")]),
            ("[\"a\",\"b\"]", vec![(1, "\"a\""), (1, "\"b\"")]),
            ("[1]\n[2]\n", vec![(1, "[1]"), (2, "[2]")]),
        ] {
            assert_eq!(all(text).unwrap(), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_broken_value_names_its_line() {
        for (text, line) in [("{\"a\":1}\n{\"b\":\n{\"c\":3}", 2), ("[\n{\"a\":1},\nx]", 3), ("{\n\"a\":\n", 3)] {
            let fault = all(text).unwrap_err();
            assert!(fault.line == line && fault.why.starts_with("is not JSON ("), "{text:?}: {fault:?}");
        }
    }
}
