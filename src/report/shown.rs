//! Owns a report as it can be shown: without anything that a terminal would obey.

use std::borrow::Cow;

use serde_json::Value;

use crate::results::Report;
use crate::units::{is_hidden, visible};

/// The report as it can be shown: every text in it, names among them, is one line without anything that a terminal
/// would obey. Names of models, words of servers and foreign files then cannot make lines of their own, whatever page
/// shows them.
pub(super) fn shown(report: &Report) -> Cow<'_, Report> {
    let Ok(value) = serde_json::to_value(report) else { return Cow::Borrowed(report) };
    if !has_hidden(&value) {
        return Cow::Borrowed(report);
    }
    // What does not read back stays as it is; the terminal's own boundary still holds.
    serde_json::from_value(without_hidden(value)).map_or(Cow::Borrowed(report), Cow::Owned)
}

fn has_hidden(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(is_hidden),
        Value::Array(items) => items.iter().any(has_hidden),
        Value::Object(keys) => keys.iter().any(|(key, value)| key.contains(is_hidden) || has_hidden(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn without_hidden(value: Value) -> Value {
    match value {
        Value::String(text) => Value::from(visible(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(without_hidden).collect(),
        Value::Object(keys) => Value::Object(
            keys.into_iter().map(|(key, value)| (visible(&key).into_owned(), without_hidden(value))).collect(),
        ),
        other => other,
    }
}
