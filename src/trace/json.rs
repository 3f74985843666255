//! Owns figures in JSON: numbers read digit by digit, whether they stand as numbers or as text.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::trace::number::tokens;

/// A number, or a number in quotes, as it stands in the file. Never by way of a float, which has too few digits for
/// the nanoseconds of a date.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(crate) struct Figure<'a> {
    #[serde(borrow)]
    raw: &'a RawValue,
}

impl<'a> Figure<'a> {
    /// Its digits, or what stands in the quotes.
    pub(crate) fn text(self) -> &'a str {
        let text = self.raw.get();
        text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text).trim()
    }

    /// Its text as a name, escapes resolved; none for `null` and the empty text.
    pub(crate) fn name(self) -> Option<Cow<'a, str>> {
        let text = self.text();
        match text {
            "" => None,
            "null" if !self.is_text() => None,
            _ if text.contains('\\') => serde_json::from_str(self.raw.get()).ok().map(Cow::Owned),
            _ => Some(Cow::Borrowed(text)),
        }
    }

    /// Whether it stands in quotes.
    pub(crate) fn is_text(self) -> bool {
        self.raw.get().starts_with('"')
    }
}

/// A token count called `name`; 0 where it is `null` or missing, as recorders leave it of a failed request.
pub(crate) fn tokens_or_none(name: &str, figure: Option<Figure<'_>>) -> Result<u32, String> {
    figure.map_or(Ok(0), |figure| tokens(name, figure.text()))
}

/// Reads `text` as a `T`; what is missing or broken is said without the position, which is always that of the one line.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|why| {
        let why = why.to_string();
        // What serde calls by the names of our types is an object to whoever wrote the file.
        let why = why.split(" at line ").next().unwrap_or(&why).split(", expected struct ").next().unwrap_or(&why);
        let expected =
            if why.starts_with("invalid type") && !why.contains("expected") { ", expected an object" } else { "" };
        format!("is no {what}: {why}{expected}")
    })
}
