//! Owns the text of an answer, read out of its events for a tokenizer that counts it after the run.

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess};

use crate::client::value::{OfText, read_text};
use crate::record::AnswerText;

/// Appends the text of one event, and notes where it ends. The event has been judged already: what is not text passes unseen.
///
/// A pass of its own over the event, made only when a tokenizer will count the text: a run without one pays nothing for it.
pub(super) fn append_event(event: &[u8], text: &mut AnswerText) {
    append_object(event, text);
    text.event_ends.push(u32::try_from(text.bytes.len()).unwrap_or(u32::MAX));
}

/// Appends the text of a whole answer.
pub(super) fn append_object(object: &[u8], text: &mut AnswerText) {
    if let Ok(Json { choices: Some(choices) }) = serde_json::from_slice::<Json>(object) {
        for choice in choices {
            // `text` is where legacy completions put it.
            choice.text.append_to(text);
            for parts in [choice.delta, choice.message].into_iter().flatten() {
                parts.append_to(text);
            }
        }
    }
}

#[derive(serde::Deserialize)]
struct Json {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
}

#[derive(serde::Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Parts>,
    #[serde(default)]
    message: Option<Parts>,
    #[serde(default)]
    text: Text,
}

/// In the order in which a model writes them. Servers that send reasoning under both names send it twice.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Parts {
    reasoning_content: Text,
    reasoning: Text,
    content: Text,
    refusal: Text,
    tool_calls: Option<Vec<ToolCall>>,
    function_call: Option<Function>,
}

impl Parts {
    fn append_to(self, text: &mut AnswerText) {
        if self.reasoning_content.0.is_empty() { self.reasoning } else { self.reasoning_content }.append_to(text);
        self.content.append_to(text);
        self.refusal.append_to(text);
        let called = self.tool_calls.into_iter().flatten().filter_map(|call| call.function).chain(self.function_call);
        for function in called {
            function.name.append_to(text);
            function.arguments.append_to(text);
        }
    }
}

#[derive(serde::Deserialize)]
struct ToolCall {
    #[serde(default)]
    function: Option<Function>,
}

#[derive(serde::Deserialize)]
struct Function {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    arguments: Text,
}

/// The bytes of a text, of the text parts of a list, or of `null`.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn append_to(self, text: &mut AnswerText) {
        text.bytes.extend_from_slice(&self.0);
    }
}

#[derive(serde::Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
}

impl OfText for Text {
    fn of_bytes(text: &[u8]) -> Self {
        Self(text.to_vec())
    }

    fn of_parts<'de, A: SeqAccess<'de>>(mut parts: A) -> Result<Self, A::Error> {
        let mut text = Vec::new();
        while let Some(part) = parts.next_element::<PartOr>()? {
            if let PartOr::Part(Part { text: Some(more) }) = part {
                text.extend_from_slice(more.as_bytes());
            }
        }
        Ok(Self(text))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_text(deserializer)
    }
}

/// A part with a text, or anything else.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum PartOr {
    Part(Part),
    Other(IgnoredAny),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_wherever_servers_put_them() {
        for (event, expected) in [
            (r#"{"choices":[{"delta":{"content":"hi \"you\"\n"}}]}"#, "hi \"you\"\n"),
            (r#"{"choices":[{"delta":{"content":null,"reasoning_content":"so"}}]}"#, "so"),
            (r#"{"choices":[{"delta":{"reasoning":"so","content":"yes"}}]}"#, "soyes"),
            (r#"{"choices":[{"delta":{"reasoning":"so","reasoning_content":"so"}}]}"#, "so"),
            (r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}"#, "f{}"),
            (r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"},7,{"text":"b"}]}}]}"#, "ab"),
            (r#"{"choices":[{"message":{"content":"whole"},"finish_reason":"stop"}]}"#, "whole"),
            (r#"{"choices":[{"text":" legacy"}]}"#, " legacy"),
            (r#"{"choices":[{"delta":{"refusal":"no"}},{"delta":{"content":"two"}}]}"#, "notwo"),
            (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, ""),
            ("{", ""),
        ] {
            let mut text = AnswerText::default();
            append_event(event.as_bytes(), &mut text);
            assert_eq!(String::from_utf8_lossy(&text.bytes), expected, "{event}");
            assert_eq!(text.event_ends, [expected.len() as u32]);
        }
    }

    #[test]
    fn half_a_character_is_kept_as_it_came() {
        let mut text = AnswerText::default();
        append_event(br#"{"choices":[{"delta":{"content":"\ud83d"}}]}"#, &mut text);
        append_event(br#"{"choices":[{"delta":{"content":"\ude00"}}]}"#, &mut text);
        assert_eq!(text.event_ends, [3, 6]);
    }
}
