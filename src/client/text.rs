//! Owns the text of a response, read from its events for a tokenizer that counts it after the run.

use super::dialect::Dialect;
use super::repair::repaired;
use super::shape::Fragment;
use crate::record::AnswerText;

/// Appends the text of one event, and notes where it ends. The event was checked before, so anything that is not text
/// is skipped.
///
/// This is a separate pass over the event, made only when a tokenizer will count the text. A run without a tokenizer
/// pays nothing for it.
pub(super) fn append_event(event: &[u8], dialect: &dyn Dialect, text: &mut AnswerText) {
    append_object(event, dialect, text);
    text.event_ends.push(u32::try_from(text.bytes.len()).unwrap_or(u32::MAX));
}

/// Appends the text of a whole response.
pub(super) fn append_object(object: &[u8], dialect: &dyn Dialect, text: &mut AnswerText) {
    let mut append = |object: &str| {
        dialect.for_each_fragment(object, &mut |fragment| match fragment {
            Fragment::Answer(bytes) => {
                text.answer_from.get_or_insert(text.bytes.len());
                text.bytes.extend_from_slice(bytes);
            }
            Fragment::Reasoning(bytes) => text.bytes.extend_from_slice(bytes),
            Fragment::Opaque => {}
        })
    };
    let is_read = std::str::from_utf8(object).is_ok_and(&mut append);
    if !is_read && let Some(whole) = repaired(object) {
        append(&whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;

    fn append_event(event: &[u8], text: &mut AnswerText) {
        super::append_event(event, Endpoint::default().dialect(), text);
    }

    #[test]
    fn texts_are_read_wherever_servers_put_them() {
        for (event, expected) in [
            (r#"{"choices":[{"delta":{"content":"hi \"you\"\n"}}]}"#, "hi \"you\"\n"),
            (r#"{"choices":[{"delta":{"content":null,"reasoning_content":"so"}}]}"#, "so"),
            (r#"{"choices":[{"delta":{"reasoning":"so","content":"yes"}}]}"#, "soyes"),
            (r#"{"choices":[{"delta":{"reasoning":"so","reasoning_content":"so"}}]}"#, "so"),
            (r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}"#, "f{}"),
            (r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"},7,{"text":"b"}]}}]}"#, "a7b"),
            (r#"{"choices":[{"text":"a","delta":{"content":"a"}}]}"#, "a"),
            (r#"{"choices":[{"delta":{"content":"a"},"message":{"content":"aaa"}}]}"#, "a"),
            (r#"{"choices":[{"text":"a","delta":{"content":""}}]}"#, "a"),
            (r#"{"choices":[{"delta":{"content":6}}]}"#, "6"),
            (r#"{"choices":[{"delta":{"content":"x","content":"y"}}]}"#, "y"),
            (r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]}}]}"#, "f{\"a\":1}"),
            (
                concat!(
                    r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","#,
                    r#""text":"so"}]},{"text":"!"}]}}]}"#,
                ),
                "so!",
            ),
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
