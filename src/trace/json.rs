//! Owns the reading of figures in JSON: numbers with all their digits, written as numbers or as text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::trace::number::tokens;

/// A number, or a number in quotes, as it is written in the file. It is never converted to a float, which has too few
/// digits for the nanoseconds of a date.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(crate) struct Figure<'a> {
    #[serde(borrow)]
    raw: &'a RawValue,
}

impl<'a> Figure<'a> {
    /// The digits of the number, or the text inside the quotes.
    pub(crate) fn text(self) -> &'a str {
        let text = self.raw.get();
        text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text).trim()
    }

    /// The text as a name, with escapes resolved; `None` for `null` and for empty text.
    pub(crate) fn name(self) -> Option<Cow<'a, str>> {
        let text = self.text();
        match text {
            "" => None,
            "null" if !self.is_text() => None,
            _ if text.contains('\\') => serde_json::from_str(self.raw.get()).ok().map(Cow::Owned),
            _ => Some(Cow::Borrowed(text)),
        }
    }

    /// Whether the value is in quotes.
    pub(crate) fn is_text(self) -> bool {
        self.raw.get().starts_with('"')
    }
}

/// The token count with the key `name`; 0 when it is `null` or missing, as recorders write it for a failed request.
pub(crate) fn tokens_or_none(name: &str, figure: Option<Figure<'_>>) -> Result<u32, String> {
    figure.map_or(Ok(0), |figure| tokens(name, figure.text()))
}

/// Reads `text` as a `T`. The error says what is missing or broken, without a position: the caller knows the line.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|why| {
        let why = why.to_string();
        // serde names our Rust types in its message; the author of the file knows only that it must be an object.
        let why = why.split(" at line ").next().unwrap_or(&why).split(", expected struct ").next().unwrap_or(&why);
        let expected =
            if why.starts_with("invalid type") && !why.contains("expected") { ", expected an object" } else { "" };
        format!("is not a valid {what}: {why}{expected}")
    })
}
