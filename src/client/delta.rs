//! Owns the meaning of one event: which tokens it brings, and whether it finishes, counts or fails the answer.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};

use crate::client::value::{OfText, read_text};
use crate::record::Usage;

/// What one event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `[DONE]`: nothing follows.
    Done,
    /// A well-formed object.
    Delta(Delta),
    /// Not an event: why.
    Malformed(String),
}

/// What one JSON object of an answer says; a whole unstreamed answer reads the same way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    /// Non-empty `content`, `text` (of a completion), `refusal` or tool-call arguments.
    pub answer: bool,
    /// Non-empty `reasoning` or `reasoning_content`.
    pub reasoning: bool,
    /// `finish_reason`, of the first choice that has one.
    pub finish_reason: Option<Box<str>>,
    /// Token counts, where the event carries them.
    pub usage: Option<Usage>,
    /// The message of an `error` object.
    pub error: Option<String>,
}

impl Delta {
    /// Whether it brings any token.
    #[must_use]
    pub const fn has_token(&self) -> bool {
        self.answer || self.reasoning
    }
}

/// Reads the data of one event. One pass, typed; what is not asked for is checked and skipped, no tree is built.
#[must_use]
pub fn read(event: &[u8]) -> Event {
    let trimmed = event.trim_ascii();
    if trimmed == b"[DONE]" {
        return Event::Done;
    }
    match read_object(trimmed) {
        Ok(delta) => Event::Delta(delta),
        Err(why) => Event::Malformed(why),
    }
}

/// Reads one JSON object; what is wrong with it otherwise, quoting its start.
pub fn read_object(object: &[u8]) -> Result<Delta, String> {
    let refuse = |why: &dyn fmt::Display| format!("{why}: `{}`", excerpt(object));
    let text = std::str::from_utf8(object).map_err(|_| refuse(&"not UTF-8"))?;
    if !text.starts_with('{') {
        return Err(refuse(&"not a JSON object"));
    }
    let json: Json = serde_json::from_str(text).map_err(|error| refuse(&error))?;
    let choices = json.choices.unwrap_or_default();
    Ok(Delta {
        answer: choices.answer,
        reasoning: choices.reasoning,
        finish_reason: choices.finish_reason,
        usage: json.usage.and_then(UsageJson::counts),
        error: json.error.as_ref().and_then(error_text),
    })
}

/// What a server says about a failure in the body of an answer: the `message` of its JSON, else the bytes themselves.
#[must_use]
pub fn failure_text(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let said = json.as_ref().and_then(|json| {
        ["error", "message", "detail"].iter().find_map(|key| match json.get(key) {
            None | Some(serde_json::Value::Null) => None,
            Some(value) => error_text(value),
        })
    });
    said.unwrap_or_else(|| excerpt(body).into_owned())
}

/// The start of `bytes` as text, for a message.
pub(super) fn excerpt(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
}

/// The text of an `error` value; `None` where it says that there is none.
fn error_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null | serde_json::Value::Bool(false) => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => match other.get("message") {
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            _ => Some(other.to_string()),
        },
    }
}

#[derive(serde::Deserialize)]
struct Json {
    #[serde(default)]
    choices: Option<Choices>,
    #[serde(default)]
    usage: Option<UsageJson>,
    // A tree, but only of an error: there is one at most.
    #[serde(default)]
    error: Option<serde_json::Value>,
}

/// All choices folded into one: a request is one answer, however many candidates it holds.
#[derive(Default)]
struct Choices {
    answer: bool,
    reasoning: bool,
    finish_reason: Option<Box<str>>,
}

#[derive(serde::Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Parts>,
    #[serde(default)]
    message: Option<Parts>,
    /// What a completion says, streamed or whole.
    #[serde(default)]
    text: Filled,
    #[serde(default)]
    finish_reason: Option<Box<str>>,
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Parts {
    content: Filled,
    refusal: Filled,
    reasoning: Filled,
    reasoning_content: Filled,
    tool_calls: Option<ToolCalls>,
    function_call: Option<Function>,
}

impl Parts {
    fn answer(&self) -> bool {
        let called = self.tool_calls.as_ref().is_some_and(|calls| calls.0) || self.function_call.as_ref().is_some_and(|f| f.arguments.0);
        self.content.0 || self.refusal.0 || called
    }

    fn reasoning(&self) -> bool {
        self.reasoning.0 || self.reasoning_content.0
    }
}

/// Whether any tool call brings arguments.
struct ToolCalls(bool);

#[derive(serde::Deserialize)]
struct ToolCall {
    #[serde(default)]
    function: Option<Function>,
}

#[derive(serde::Deserialize)]
struct Function {
    #[serde(default)]
    arguments: Filled,
}

/// Whether a text is there and not empty. `null` is not; a list of parts is when it has any.
#[derive(Default)]
struct Filled(bool);

#[derive(serde::Deserialize)]
struct UsageJson {
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    completion_tokens: Count,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(serde::Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Count,
}

impl UsageJson {
    fn counts(self) -> Option<Usage> {
        Some(Usage {
            input_tokens: self.prompt_tokens.0.unwrap_or(0),
            output_tokens: self.completion_tokens.0?,
            cached_tokens: self.prompt_tokens_details.and_then(|details| details.cached_tokens.0),
        })
    }
}

/// A count, however the server writes numbers.
#[derive(Default)]
struct Count(Option<u32>);

impl<'de> Deserialize<'de> for Choices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fold;
        impl<'de> Visitor<'de> for Fold {
            type Value = Choices;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Choices, A::Error> {
                let mut all = Choices::default();
                while let Some(choice) = seq.next_element::<Choice>()? {
                    for parts in [choice.delta, choice.message].into_iter().flatten() {
                        all.answer |= parts.answer();
                        all.reasoning |= parts.reasoning();
                    }
                    all.answer |= choice.text.0;
                    all.finish_reason = all.finish_reason.or(choice.finish_reason);
                }
                Ok(all)
            }
        }
        deserializer.deserialize_seq(Fold)
    }
}

impl<'de> Deserialize<'de> for ToolCalls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fold;
        impl<'de> Visitor<'de> for Fold {
            type Value = ToolCalls;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of tool calls")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ToolCalls, A::Error> {
                let mut any = false;
                while let Some(call) = seq.next_element::<ToolCall>()? {
                    any |= call.function.is_some_and(|function| function.arguments.0);
                }
                Ok(ToolCalls(any))
            }
        }
        deserializer.deserialize_seq(Fold)
    }
}

impl OfText for Filled {
    fn of_bytes(text: &[u8]) -> Self {
        Self(!text.is_empty())
    }

    fn of_parts<'de, A: SeqAccess<'de>>(mut parts: A) -> Result<Self, A::Error> {
        let mut any = false;
        while parts.next_element::<IgnoredAny>()?.is_some() {
            any = true;
        }
        Ok(Self(any))
    }
}

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count of tokens")
            }

            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(None))
            }

            fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
                Ok(Count(Some(u32::try_from(count).unwrap_or(u32::MAX))))
            }

            fn visit_f64<E: serde::de::Error>(self, count: f64) -> Result<Count, E> {
                if count >= 0.0 && count.fract() == 0.0 {
                    Ok(Count(Some(count as u32)))
                } else {
                    Err(E::custom(format!("{count} is not a count of tokens")))
                }
            }
        }
        deserializer.deserialize_any(Number).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delta(event: &str) -> Delta {
        match read(event.as_bytes()) {
            Event::Delta(delta) => delta,
            other => panic!("{event}: {other:?}"),
        }
    }

    fn chunk(delta: &str) -> String {
        format!(
            r#"{{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":null}}]}}"#
        )
    }

    #[test]
    fn tokens_are_told_from_reasoning_and_from_nothing() {
        for (parts, answer, reasoning) in [
            (r#"{"role":"assistant","content":""}"#, false, false),
            (r#"{"role":"assistant"}"#, false, false),
            (r#"{"content":null}"#, false, false),
            (r#"{"content":"hi"}"#, true, false),
            (r#"{"content":"\n"}"#, true, false),
            (r#"{"content":"\ud83d"}"#, true, false),
            (r#"{"content":[{"type":"text","text":"hi"}]}"#, true, false),
            (r#"{"content":[]}"#, false, false),
            (r#"{"refusal":"no"}"#, true, false),
            (r#"{"reasoning":"so"}"#, false, true),
            (r#"{"reasoning_content":"so","content":""}"#, false, true),
            (r#"{"reasoning_content":"so","reasoning":"so","content":"yes"}"#, true, true),
            (r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}"#, false, false),
            (r#"{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}"#, true, false),
            (r#"{"function_call":{"arguments":"{"}}"#, true, false),
            (r#"{"tool_calls":null,"function_call":null}"#, false, false),
            ("null", false, false),
        ] {
            let read = delta(&chunk(parts));
            assert_eq!((read.answer, read.reasoning, read.error), (answer, reasoning, None), "{parts}");
        }
    }

    #[test]
    fn usage_is_read_beside_empty_choices() {
        let read = delta(
            r#"{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":34.0,"total_tokens":46,"prompt_tokens_details":{"cached_tokens":8}}}"#,
        );
        assert_eq!(read.usage, Some(Usage { input_tokens: 12, output_tokens: 34, cached_tokens: Some(8) }));
        assert!(!read.has_token());
        assert_eq!(delta(r#"{"usage":null}"#).usage, None);
        assert_eq!(delta(r#"{"usage":{"prompt_tokens":1,"completion_tokens":null,"prompt_tokens_details":null}}"#).usage, None);
    }

    #[test]
    fn the_first_finish_reason_of_any_choice_counts() {
        let read = delta(r#"{"choices":[{"delta":{"content":"a"},"finish_reason":null},{"delta":{},"finish_reason":"length"}]}"#);
        assert_eq!(read.finish_reason.as_deref(), Some("length"));
        assert!(read.answer);
    }

    #[test]
    fn an_error_object_is_an_error_and_a_null_one_is_not() {
        assert_eq!(delta(r#"{"error":{"message":"out of memory","code":500}}"#).error.as_deref(), Some("out of memory"));
        assert_eq!(delta(r#"{"error":"boom"}"#).error.as_deref(), Some("boom"));
        assert_eq!(delta(r#"{"error":{"code":7}}"#).error.as_deref(), Some(r#"{"code":7}"#));
        assert_eq!(delta(r#"{"error":null,"choices":[]}"#).error, None);
    }

    #[test]
    fn what_is_not_a_json_object_is_malformed() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for event in
            ["", "{", "nonsense", "[]", "\"text\"", "12", r#"{"choices":7}"#, r#"{"choices":[]} x"#, r#"{"a":nul}"#, "{'a':1}", &deep]
        {
            assert!(matches!(read(event.as_bytes()), Event::Malformed(_)), "{event:.60}");
        }
        assert!(matches!(read(b"{\"a\":\"\xff\"}"), Event::Malformed(_)), "bytes that are not UTF-8");
    }

    #[test]
    fn done_is_done_with_or_without_spaces() {
        assert_eq!((read(b"[DONE]"), read(b" [DONE] ")), (Event::Done, Event::Done));
    }

    #[test]
    fn failure_texts_are_found_where_servers_put_them() {
        for (body, text) in [
            (r#"{"error":{"message":"bad key","type":"x"}}"#, "bad key"),
            (r#"{"object":"error","message":"too long"}"#, "too long"),
            (r#"{"detail":"Not Found"}"#, "Not Found"),
            ("<html>busy</html>", "<html>busy</html>"),
            ("", ""),
        ] {
            assert_eq!(failure_text(body.as_bytes()), text);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_as_serde_judges_them(event in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "[\\[\\]{}\",:a-z0-9 \\\\]{0,60}".prop_map(String::into_bytes),
        ]) {
            let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&event).is_ok();
            let judged = matches!(read(&event), Event::Delta(_));
            prop_assert!(object || !judged, "what is not an object is never a delta");
        }

        #[test]
        fn any_text_is_a_token_unless_empty(text in ".{0,30}") {
            let content = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(delta(&chunk(&format!("{{\"content\":{content}}}"))).answer, !text.is_empty());
        }
    }
}
