//! Owns the text of an answer, read out of its events for a tokenizer that counts it after the run.

use super::repair::repaired;
use super::shape::{Body, Piece};
use crate::record::AnswerText;

/// Appends the text of one event, and notes where it ends. The event has been judged already: what is not text passes
/// unseen.
///
/// A pass of its own over the event, made only when a tokenizer will count the text: a run without one pays nothing for
/// it.
pub(super) fn append_event(event: &[u8], text: &mut AnswerText) {
    append_object(event, text);
    text.event_ends.push(u32::try_from(text.bytes.len()).unwrap_or(u32::MAX));
}

/// Appends the text of a whole answer.
pub(super) fn append_object(object: &[u8], text: &mut AnswerText) {
    let as_it_came = std::str::from_utf8(object).ok().and_then(|object| Body::read(object).ok());
    if let Some(body) = as_it_came {
        append_body(&body, text);
    } else if let Some(whole) = repaired(object)
        && let Ok(body) = Body::read(&whole)
    {
        append_body(&body, text);
    }
}

fn append_body(body: &Body<'_>, text: &mut AnswerText) {
    for choice in body.choices() {
        choice.for_each_piece(&mut |piece| match piece {
            Piece::Answer(bytes) | Piece::Reasoning(bytes) => text.bytes.extend_from_slice(bytes),
            Piece::Opaque => {}
        });
    }
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
