//! Owns the report for display: without anything that controls a terminal.

use std::borrow::Cow;

use serde_json::Value;

use crate::results::Report;
use crate::units::{is_hidden, visible};

/// The report for display. Every text and every name in it is one line without control characters. Names of models,
/// texts of servers and foreign files then cannot add lines to any page.
pub(super) fn shown(report: &Report) -> Cow<'_, Report> {
    let Ok(value) = serde_json::to_value(report) else { return Cow::Borrowed(report) };
    if !has_hidden(&value) {
        return Cow::Borrowed(report);
    }
    // If the result cannot be read back, it stays unchanged; the terminal output is still filtered elsewhere.
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
