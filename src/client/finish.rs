//! Owns finish reasons: which values are one, and which of them say that the server gave up the request.

use super::value::{Object, Raw, object_of, says_nothing};
use serde::de::{IgnoredAny, MapAccess};

/// Characters of the longest finish reason that is kept.
const MOST_CHARACTERS: usize = 48;

/// A finish reason that contains one of these says that the server gave up the request: vLLM and SGLang `abort` and
/// `error`, TensorRT-LLM `cancelled` and `timeout`, `DeepSeek` `insufficient_system_resource`.
const GIVEN_UP: [&str; 8] =
    ["abort", "error", "cancel", "timeout", "timed_out", "fail", "insufficient_system", "overload"];

/// The finish reason in `value`. `null`, `false`, 0, an empty text and a null-like text are not a reason. Some servers
/// write an object with a `type`. In a list, the first reason that gives up the request counts, or else the first
/// reason. Control characters are dropped, and of a long reason only the length is kept.
pub(super) fn reason_of(value: Raw<'_>) -> Option<Box<str>> {
    if value.is_null() || value.is_falsy() {
        return None;
    }
    if value.is_list() {
        let reasons = || value.items().into_iter().filter(|item| !item.is_list()).filter_map(reason_of);
        return reasons().find(|reason| gives_up(reason)).or_else(|| reasons().next());
    }
    let word = if value.is_object() { object_of::<Typed<'_>>(value).kind.word() } else { value.word() };
    let printable: String = word.trim().chars().filter(|c| !c.is_control()).collect();
    // A long text from the server may contain anything, even an API key: no part of it is kept.
    let is_long = printable.chars().nth(MOST_CHARACTERS).is_some();
    let reason = if is_long {
        format!(
            "a text of {} characters{}",
            printable.chars().count(),
            if gives_up(&printable) { " (error)" } else { "" }
        )
    } else {
        printable
    };
    (!says_nothing(&reason)).then(|| reason.into_boxed_str())
}

/// Whether `reason` says that the server gave up the request.
pub(super) fn gives_up(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    GIVEN_UP.iter().any(|part| reason.contains(part))
}

#[derive(Default)]
struct Typed<'a> {
    kind: Raw<'a>,
}

impl<'de: 'a, 'a> Object<'de> for Typed<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"type" | b"reason" => self.kind = map.next_value()?,
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_that_says_something_is_a_finish_reason() {
        for (json, reason) in [
            (r#""stop""#, Some("stop")),
            (r#"" length ""#, Some("length")),
            (r#""STOP""#, Some("STOP")),
            (r#"{"type":"abort","message":"x"}"#, Some("abort")),
            (r#""st\u001bop\n""#, Some("stop")),
            ("1", Some("1")),
            ("null", None),
            (r#""""#, None),
            (r#"" \n""#, None),
            (r#""null""#, None),
            (r#""NULL""#, None),
            (r#""None""#, None),
            (r#""undefined""#, None),
            ("0", None),
            ("false", None),
            ("{}", None),
            ("[]", None),
            (r#"["stop"]"#, Some("stop")),
            (r#"[null,"","length","stop"]"#, Some("length")),
            (r#"["stop","abort"]"#, Some("abort")),
            (r#"[["stop"]]"#, None),
        ] {
            let raw: Raw<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(reason_of(raw).as_deref(), reason, "{json}");
        }
        let long = format!("\"{}\"", "x".repeat(1000));
        assert_eq!(
            reason_of(serde_json::from_str(&long).unwrap()).as_deref(),
            Some("a text of 1000 characters"),
            "it may hold a key"
        );
    }

    #[test]
    fn a_request_given_up_is_told_from_one_that_ended() {
        for reason in [
            "abort",
            "error",
            "ABORTED",
            "cancelled",
            "timeout",
            "internal_error",
            "insufficient_system_resource",
            "failed",
        ] {
            assert!(gives_up(reason), "{reason}");
        }
        for reason in
            ["stop", "length", "content_filter", "tool_calls", "eos_token", "MAX_TOKENS", "end_turn", "sensitive"]
        {
            assert!(!gives_up(reason), "{reason}");
        }
    }
}
