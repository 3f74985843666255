//! Owns error messages in a server's JSON: whether an object is an error object, and its message.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess};

use super::value::{Object, Raw, object_of};

/// The keys under which servers put an error message, in order of preference. Every reader of failures uses this list:
/// for an event, for a body, and for an object inside either.
const KEYS: [&[u8]; 11] = [
    b"error",
    b"errors",
    b"exception",
    b"error_message",
    b"error_msg",
    b"Error",
    b"message",
    b"msg",
    b"detail",
    b"error_code",
    b"code",
];

const ERROR: usize = 0;
/// Indices of keys that occur only in failures.
const FAILURES: std::ops::Range<usize> = 1..6;
/// Indices of keys of a text; a healthy response may have them too.
const TEXTS: std::ops::Range<usize> = 6..8;
const DETAIL: usize = 8;
const ERROR_CODE: usize = 9;
const CODE: usize = 10;

/// Deepest nesting of errors that is read.
const MOST_DEPTH: u8 = 8;

/// Items of a list that are put into a message.
const MOST_ITEMS: usize = 3;

/// Bytes of a text that is not JSON which are put into a message.
const MOST_EXCERPT_BYTES: usize = 200;

/// The values of an object that can make it an error object, with or without a key `error`.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    object: Raw<'a>,
    kind: Raw<'a>,
    status: Raw<'a>,
    success: Raw<'a>,
    /// The path of the refused field, as `FastAPI` and pydantic write it.
    loc: Raw<'a>,
    /// The values of [`KEYS`].
    values: [Raw<'a>; KEYS.len()],
}

impl<'de: 'a, 'a> Object<'de> for Said<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"object" => self.object = map.next_value()?,
            b"type" => self.kind = map.next_value()?,
            b"status" => self.status = map.next_value()?,
            b"success" => self.success = map.next_value()?,
            b"loc" => self.loc = map.next_value()?,
            _ => match KEYS.iter().position(|name| *name == key) {
                Some(at) => self.take_words(at, map.next_value()?),
                None => _ = map.next_value::<IgnoredAny>()?,
            },
        }
        Ok(())
    }
}

impl<'a> Said<'a> {
    fn take_words(&mut self, at: usize, value: Raw<'a>) {
        // When a key is repeated, the last value counts; but a falsy value never removes a failure.
        if !(FAILURES.contains(&at) && value.is_falsy()) {
            self.values[at] = value;
        }
    }

    /// The message of an error object; `None` when it is not an error object. `alone` says that the object has no
    /// choices: with choices, a healthy response may also carry a status or a message.
    pub(super) fn failure(&self, alone: bool) -> Option<String> {
        let is = |value: Raw<'_>, words: &[&str]| words.iter().any(|word| value.word().eq_ignore_ascii_case(word));
        let any = |keys: std::ops::Range<usize>| self.values[keys].iter().any(|value| !value.is_falsy());
        let code = self.values[CODE];
        let named = any(ERROR..ERROR + 1) || any(ERROR_CODE..ERROR_CODE + 1) || is(self.object, &["error"]);
        let coded = any(TEXTS) && !(code.is_falsy() || is(code, &["200", "ok", "success"]));
        let of_http = self.status.word().trim().parse::<f64>().is_ok_and(|status| (400.0..600.0).contains(&status));
        let told = is(self.kind, &["error"])
            || is(self.status, &["error", "failed", "failure"])
            || of_http
            || self.success.as_str() == "false"
            || is(self.success, &["false"])
            || any(DETAIL..DETAIL + 1)
            || any(FAILURES);
        (named || (alone && (coded || told))).then(|| {
            let codes =
                || [self.values[ERROR_CODE], self.values[CODE]].into_iter().find_map(|code| words_of(code, MOST_DEPTH));
            self.words(MOST_DEPTH).or_else(codes).unwrap_or_else(|| "an error object without a message".to_owned())
        })
    }

    /// The message under the first key that has one; a text is preferred to a number or `true`.
    fn words(&self, depth: u8) -> Option<String> {
        let values = || self.values[..ERROR_CODE].iter().filter(|value| !value.is_falsy());
        let wordy = |text: &String| text != "true" && text.contains(char::is_alphabetic);
        let words = values().filter_map(|value| words_of(*value, depth)).find(wordy);
        let words = words.or_else(|| values().find_map(|value| words_of(*value, depth)))?;
        let place: Vec<Cow<'_, str>> = if self.loc.is_list() {
            self.loc.items().into_iter().map(Raw::word).filter(|part| !part.is_empty()).collect()
        } else {
            Some(self.loc.word()).into_iter().filter(|part| !part.is_empty()).collect()
        };
        Some(if place.is_empty() { words } else { format!("{}: {words}", place.join(".")) })
    }
}

/// The message in a value: a text, an object with a message, a list of either, or JSON inside a text. `None` when the
/// value is falsy.
fn words_of(value: Raw<'_>, depth: u8) -> Option<String> {
    if value.is_falsy() {
        return None;
    }
    if value.is_object() {
        let inside = if depth == 0 { None } else { object_of::<Said<'_>>(value).words(depth - 1) };
        return Some(inside.unwrap_or_else(|| excerpt(value.as_str().as_bytes()).into_owned()));
    }
    if value.is_list() {
        if depth == 0 {
            return Some(excerpt(value.as_str().as_bytes()).into_owned());
        }
        let items = value.items();
        let told: Vec<String> = items.iter().filter_map(|item| words_of(*item, depth - 1)).take(MOST_ITEMS).collect();
        let more = items.len().saturating_sub(told.len());
        let rest = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        return Some(told.join("; ") + &rest);
    }
    let text = value.word();
    let inside = json_of(text.as_bytes()).filter(|inside| depth > 0 && (inside.is_object() || inside.is_list()));
    inside.and_then(|inside| words_of(inside, depth - 1)).or_else(|| Some(text.into_owned()))
}

/// The message of `object`, if it is an error object. It has no choices.
pub(super) fn failure_of(object: Raw<'_>) -> Option<String> {
    object_of::<Said<'_>>(object).failure(true)
}

/// The message in an error value; empty when the value is falsy.
pub(super) fn words_in(error: Raw<'_>) -> String {
    words_of(error, MOST_DEPTH).unwrap_or_default()
}

/// The message in a JSON body, whether or not it is an error object; `None` when there is none or the body is not JSON.
pub(super) fn spoken_in(body: &[u8]) -> Option<String> {
    let json = json_of(body)?;
    if json.is_object() { object_of::<Said<'_>>(json).words(MOST_DEPTH) } else { words_of(json, MOST_DEPTH) }
}

/// The server's message in the body of a failed response or in the data of an error event: the message in its JSON, or
/// else the start of the bytes.
pub(super) fn failure_text(body: &[u8]) -> String {
    spoken_in(body).unwrap_or_else(|| excerpt(body).into_owned())
}

/// `bytes` as a JSON value; `None` when they are not JSON.
fn json_of(bytes: &[u8]) -> Option<Raw<'_>> {
    serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok()
}

/// The start of `bytes` as text, for a message.
pub(super) fn excerpt(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MOST_EXCERPT_BYTES)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;
    use crate::client::delta::Delta;
    use crate::client::reading;

    fn read_object(object: &[u8]) -> Result<Delta, String> {
        reading::read_object(object, Endpoint::default().dialect())
    }

    #[test]
    fn a_failure_is_said_in_the_same_words_as_an_event_as_a_body_and_inside_another() {
        for (json, words) in [
            (r#"{"error":{"message":"bad key","type":"x"}}"#, "bad key"),
            (r#"{"error":"bad key"}"#, "bad key"),
            (r#"{"error":{"error":{"msg":"bad key"}}}"#, "bad key"),
            (r#"{"error":"{\"message\":\"bad key\"}"}"#, "bad key"),
            (r#"{"error":true,"message":"bad key"}"#, "bad key"),
            (r#"{"error":500,"detail":"bad key"}"#, "bad key"),
            (r#"{"error":500}"#, "500"),
            (r#"{"error":{"type":"x"}}"#, r#"{"type":"x"}"#),
            (r#"{"object":"error","message":"too long","code":400}"#, "too long"),
            (r#"{"errors":[{"message":"oom"},{"message":"again"}]}"#, "oom; again"),
            (r#"{"errors":["a","b","c","d","e"]}"#, "a; b; c (and 2 more)"),
            (r#"{"error_message":"oom"}"#, "oom"),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            (
                r#"{"detail":[{"loc":["body","messages",0,"content"],"msg":"field required"}]}"#,
                "body.messages.0.content: field required",
            ),
            (r#"{"detail":[{"loc":"body.n","msg":"no"},{"loc":[],"msg":"x"},{"msg":"y"}]}"#, "body.n: no; x; y"),
            (r#"{"error":{"detail":[{"loc":["body"],"msg":"no"}]}}"#, "body: no"),
            (r#"{"detail":{"error":"no"}}"#, "no"),
            (r#"{"detail":[{"kind":1}]}"#, r#"{"kind":1}"#),
        ] {
            assert_eq!(read_object(json.as_bytes()).unwrap().error.as_deref(), Some(words), "{json} as an event");
            assert_eq!(failure_text(json.as_bytes()), words, "{json} as a body");
            let inside = format!(r#"{{"choices":[{{"delta":{{"error":{json}}}}}]}}"#);
            assert_eq!(read_object(inside.as_bytes()).unwrap().error.as_deref(), Some(words), "{json} inside a choice");
        }
        for (body, words) in [
            ("<html>busy</html>", "<html>busy</html>"),
            ("", ""),
            ("[\"a\",\"b\"]", "a; b"),
            ("{}", "{}"),
            ("null", "null"),
        ] {
            assert_eq!(failure_text(body.as_bytes()), words);
        }
    }

    #[test]
    fn errors_in_errors_without_end_are_cut() {
        for (open, close) in [("{\"error\":", "}"), ("[", "]")] {
            let deep = format!("{{\"error\":{}1{}}}", open.repeat(100_000), close.repeat(100_000));
            let said = read_object(deep.as_bytes()).unwrap().error.unwrap();
            assert!(said.len() <= MOST_EXCERPT_BYTES, "{} bytes", said.len());
        }
    }
}
