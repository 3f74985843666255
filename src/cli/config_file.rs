//! Owns the reading of a configuration file: its keys, and its values as the texts of flags.

use std::path::Path;

use serde_json::{Map, Value};

use crate::cli::secrets::of_config;
use crate::error::Error;
use crate::results::{Limit, keep_secret, read_text};
use crate::units::yaml_words;

/// The keys and values of the file at `path`; `advice` ends the message where it cannot be read.
pub(super) fn read(path: &Path, advice: &str) -> Result<Map<String, Value>, Error> {
    let text = read_text(path, Limit::CONFIG, advice)?;
    keep_secret(&of_config(&text));
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Map::new());
    }
    serde_saphyr::from_str(&text).map_err(|why| {
        let line = why.location().map(|location| location.line());
        let why = yaml_words(&why);
        Error::Input {
            path: path.to_owned(),
            line,
            why: format!("{why}; accepted is one `option: value` a line, as in `rate: 50/s`"),
        }
    })
}

/// A value as the texts of its flag: one text, or one for each item of a list. A mapping becomes JSON, `K: V` or `K=V`.
/// `None` for other nested values.
pub(super) fn texts(key: &str, value: Value) -> Option<Vec<String>> {
    Some(match value {
        Value::Null => Vec::new(),
        // A list of stages is one profile. An overlay is a text or a mapping.
        Value::Array(stages) if key == "profile" => vec![Value::Array(stages).to_string()],
        Value::Array(items) if key == "overlay" => {
            items.into_iter().map(|item| texts(key, item)).collect::<Option<Vec<_>>>()?.concat()
        }
        Value::Object(object) if key == "overlay" || key == "profile" => vec![Value::Object(object).to_string()],
        Value::Array(items) => items.into_iter().map(scalar).collect::<Option<_>>()?,
        Value::Object(object) if key == "extra-body" || key == "mix" => vec![Value::Object(object).to_string()],
        Value::Object(object) => {
            let joint = match key {
                "metadata" => "=",
                "header" | "secret-header" => ": ",
                _ => return None,
            };
            object
                .into_iter()
                .map(|(name, value)| scalar(value).map(|value| format!("{name}{joint}{value}")))
                .collect::<Option<_>>()?
        }
        other => vec![scalar(other)?],
    })
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
