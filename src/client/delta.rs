//! Owns the meaning of one event: which tokens it brings, and whether it finishes, counts or fails the answer.

use serde::de::{IgnoredAny, MapAccess};

use super::finish::{gives_up, reason_of};
use super::repair::repaired;
use super::said::{excerpt, words_in};
use super::shape::{Body, Piece};
use super::value::{Count, Object, Raw, object_of};

/// What one event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `[DONE]`: nothing follows.
    Done,
    /// A well-formed object, or an event without data, which says nothing.
    Delta(Delta),
    /// Not an event: why.
    Malformed(String),
}

/// What one JSON object of an answer says; a whole unstreamed answer reads the same way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    /// Non-empty `content`, `text` (of a completion), `refusal`, or name or arguments of a tool call.
    pub answer: bool,
    /// Non-empty `reasoning` or `reasoning_content`, or a part of the content whose type is thinking.
    pub reasoning: bool,
    /// `finish_reason`: of the first choice that gives the request up, else of the first that has one.
    pub finish_reason: Option<Box<str>>,
    /// Token counts, where the event carries any.
    pub usage: Option<Counts>,
    /// The message of an error object.
    pub error: Option<String>,
    /// Bytes of its text; `u64::MAX` where it brings what is no text.
    pub bytes: u64,
    /// The choices that it brings tokens of: one bit each, by their index.
    pub of_choices: u64,
    /// The choices that it has a finish reason of.
    pub ends_choices: u64,
}

/// What a `usage` object says. A count that is absent, or that is no count, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// `prompt_tokens`, or `input_tokens`.
    pub input: Option<u32>,
    /// `completion_tokens`, or `output_tokens`.
    pub output: Option<u32>,
    /// `cached_tokens` of the prompt's details.
    pub cached: Option<u32>,
    /// `reasoning_tokens` of the answer's details.
    pub reasoning: Option<u32>,
    /// Something stood where a count belongs, and was none.
    pub odd: bool,
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
    if is_done(trimmed) {
        return Event::Done;
    }
    if trimmed.is_empty() || trimmed == b"null" {
        return Event::Delta(Delta::default());
    }
    match read_object(trimmed) {
        Ok(delta) => Event::Delta(delta),
        Err(why) => Event::Malformed(why),
    }
}

/// Reads one JSON object, repaired where it cannot be read as it came; what is wrong with it otherwise, quoting its
/// start.
pub fn read_object(object: &[u8]) -> Result<Delta, String> {
    let found = std::str::from_utf8(object).map_err(|_| "not UTF-8".to_owned()).and_then(read_text);
    let found = found.or_else(|why| repaired(object).map_or(Err(why), |text| read_text(&text)));
    found.map_err(|why| format!("{why}: `{}`", excerpt(object)))
}

fn read_text(text: &str) -> Result<Delta, String> {
    if !text.starts_with('{') {
        return Err("not a JSON object".to_owned());
    }
    let body = Body::read(text).map_err(|error| error.to_string())?;
    let mut delta = Delta { usage: counts_of(body.usage), error: body.failure(), ..Delta::default() };
    for choice in body.choices() {
        choice.for_each_piece(&mut |piece| {
            let bytes = match piece {
                Piece::Answer(text) => {
                    delta.answer = true;
                    text.len() as u64
                }
                Piece::Reasoning(text) => {
                    delta.reasoning = true;
                    text.len() as u64
                }
                Piece::Opaque => {
                    delta.answer = true;
                    u64::MAX
                }
            };
            delta.bytes = delta.bytes.saturating_add(bytes);
            delta.of_choices |= choice.bit();
        });
        delta.error = delta.error.or_else(|| choice.failure().map(words_in));
        let reason = reason_of(choice.finish_reason);
        delta.ends_choices |= if reason.is_some() { choice.bit() } else { 0 };
        if delta.finish_reason.is_none() || reason.as_deref().is_some_and(gives_up) {
            delta.finish_reason = reason.or(delta.finish_reason);
        }
        delta.usage = delta.usage.or_else(|| counts_of(choice.usage));
    }
    Ok(delta)
}

/// Whether `event` is the end marker. Some servers write it as a JSON string, or in small letters.
fn is_done(event: &[u8]) -> bool {
    let bare = event.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(event);
    bare.trim_ascii().eq_ignore_ascii_case(b"[DONE]")
}

/// The counts of a `usage` value; `None` where it holds none and nothing odd.
fn counts_of(usage: Raw<'_>) -> Option<Counts> {
    if !usage.is_object() {
        return (!usage.is_falsy()).then_some(Counts { odd: true, ..Counts::default() });
    }
    let usage: UsageKeys = object_of(usage);
    let details = |details: Raw<'_>| object_of::<DetailKeys>(details);
    let (input, output) = (usage.input, usage.output);
    let (cached, reasoning) = (details(usage.input_details).cached, details(usage.output_details).reasoning);
    let all = [input, output, cached, reasoning];
    all.iter().any(|count| *count != Count::Absent).then_some(Counts {
        input: input.known(),
        output: output.known(),
        cached: cached.known(),
        reasoning: reasoning.known(),
        odd: all.contains(&Count::Odd),
    })
}

#[derive(Default)]
struct UsageKeys<'a> {
    input: Count,
    output: Count,
    input_details: Raw<'a>,
    output_details: Raw<'a>,
}

impl<'de: 'a, 'a> Object<'de> for UsageKeys<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"prompt_tokens" | b"input_tokens" => self.input = map.next_value::<Raw<'a>>()?.count().or(self.input),
            b"completion_tokens" | b"output_tokens" => {
                self.output = map.next_value::<Raw<'a>>()?.count().or(self.output);
            }
            b"prompt_tokens_details" | b"input_tokens_details" => self.input_details = map.next_value()?,
            b"completion_tokens_details" | b"output_tokens_details" => self.output_details = map.next_value()?,
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct DetailKeys {
    cached: Count,
    reasoning: Count,
}

impl<'de> Object<'de> for DetailKeys {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"cached_tokens" => self.cached = map.next_value::<Raw<'de>>()?.count(),
            b"reasoning_tokens" => self.reasoning = map.next_value::<Raw<'de>>()?.count(),
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn delta(event: &str) -> Delta {
        delta_of(event.as_bytes())
    }

    fn delta_of(event: &[u8]) -> Delta {
        match read(event) {
            Event::Delta(delta) => delta,
            other => panic!("{}: {other:?}", String::from_utf8_lossy(event)),
        }
    }

    fn chunk(delta: &str) -> String {
        format!(
            r#"{{"id":"c-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":null}}]}}"#
        )
    }

    #[test]
    fn an_error_is_told_wherever_servers_put_it() {
        for (event, said) in [
            (
                r#"{"choices":[{"index":0,"delta":{},"error":{"message":"boom","code":502},"finish_reason":"stop"}]}"#,
                "boom",
            ),
            (r#"{"choices":[{"index":0,"delta":{"error":{"message":"boom"}}}]}"#, "boom"),
            (r#"{"errors":[{"message":"oom"}]}"#, "oom"),
            (r#"{"code":500,"msg":"boom"}"#, "boom"),
            (r#"{"status":500,"message":"boom"}"#, "boom"),
            (r#"{"success":false,"message":"boom"}"#, "boom"),
            (r#"{"error_message":"boom","error_type":"x"}"#, "boom"),
            (r#"{"Error":{"message":"boom"}}"#, "boom"),
            (r#"{"exception":"boom"}"#, "boom"),
        ] {
            let found = delta(event).error;
            assert!(found.as_ref().is_some_and(|text| text.contains(said)), "{event}: {found:?}");
        }
        for healthy in [
            r#"{"code":0,"msg":"ok","choices":[]}"#,
            r#"{"status":200,"message":"started"}"#,
            r#"{"success":true,"msg":""}"#,
            r#"{"errors":[],"exception":null,"choices":[{"delta":{"content":"a"},"error":null}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"errors":["beside an answer"]}"#,
        ] {
            assert_eq!(delta(healthy).error, None, "{healthy}");
        }
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
            (r#"{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}"#, true, false),
            (r#"{"tool_calls":[{"index":0,"id":"t1","type":"function"}]}"#, false, false),
            (r#"{"tool_calls":[{"index":0,"function":{"name":"f"}}]}"#, true, false),
            (r#"{"tool_calls":[{"index":0,"function":{"arguments":{}}}]}"#, true, false),
            (r#"{"tool_calls":[{"type":"custom","custom":{"name":"f","input":""}}]}"#, true, false),
            (r#"{"content":6}"#, true, false),
            (r#"{"content":true}"#, true, false),
            (r#"{"content":false}"#, false, false),
            (r#"{"content":"a","content":""}"#, false, false),
            (r#"{"content":"","content":"a"}"#, true, false),
            (r#"{"content":[{"type":"text","text":""}]}"#, false, false),
            (r#"{"content":[{"type":"text","text":7}]}"#, true, false),
            (r#"{"content":{"type":"text","text":"a"}}"#, true, false),
            (r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"so"}]}]}"#, false, true),
            (r#"{"content":[{"type":"thinking","thinking":"so"},{"type":"text","text":"yes"}]}"#, true, true),
            (r#"{"content":[{"type":"image_url","image_url":{"url":"data:"}}]}"#, true, false),
            (r#"{"reasoning_details":[{"type":"reasoning.text","text":"so"}]}"#, false, true),
            (r#"{"reasoning":null,"thinking":"so"}"#, false, true),
            (r#""text""#, false, false),
            ("7", false, false),
            ("[]", false, false),
            (r#"{"\ud83d":1,"content":"a"}"#, true, false),
            (r#"{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}"#, true, false),
            (r#"{"function_call":{"arguments":"{"}}"#, true, false),
            (r#"{"tool_calls":{"index":0,"function":{"name":"f"}}}"#, true, false),
            (r#"{"tool_calls":{"name":"f","arguments":""}}"#, true, false),
            (r#"{"tool_calls":{}}"#, false, false),
            (r#"{"tool_calls":null,"function_call":null}"#, false, false),
            ("null", false, false),
        ] {
            let read = delta(&chunk(parts));
            assert_eq!((read.answer, read.reasoning, read.error), (answer, reasoning, None), "{parts}");
        }
    }

    #[test]
    fn counts_are_read_however_they_are_written_and_what_is_none_is_noted() {
        let known = |input, output| Counts { input, output, ..Counts::default() };
        let odd = |counts: Counts| Some(Counts { odd: true, ..counts });
        for (usage, expected) in [
            (
                r#"{"prompt_tokens":12,"completion_tokens":34.0,"total_tokens":46,"prompt_tokens_details":{"cached_tokens":8}}"#,
                Some(Counts { cached: Some(8), ..known(Some(12), Some(34)) }),
            ),
            (
                r#"{"prompt_tokens":1,"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":8}}"#,
                Some(Counts { reasoning: Some(8), ..known(Some(1), Some(9)) }),
            ),
            (r#"{"prompt_tokens":"10","completion_tokens":"4"}"#, Some(known(Some(10), Some(4)))),
            (r#"{"input_tokens":10,"output_tokens":4}"#, Some(known(Some(10), Some(4)))),
            (r#"{"completion_tokens":4,"output_tokens":null}"#, Some(known(None, Some(4)))),
            (
                r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":[]}"#,
                Some(known(Some(10), Some(4))),
            ),
            (r#"{"prompt_tokens":1,"prompt_tokens":2}"#, Some(known(Some(2), None))),
            (
                r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":-1}}"#,
                odd(known(Some(10), Some(4))),
            ),
            (r#"{"prompt_tokens":-1,"completion_tokens":4}"#, odd(known(None, Some(4)))),
            (r#"{"prompt_tokens":10,"completion_tokens":4.5}"#, odd(known(Some(10), None))),
            ("7", odd(Counts::default())),
            ("[1]", odd(Counts::default())),
            (r#"{"prompt_tokens":null,"completion_tokens":null,"prompt_tokens_details":null}"#, None),
            (r#"{"total_tokens":4}"#, None),
            ("{}", None),
            ("[]", None),
            ("null", None),
            (r#""""#, None),
            ("false", None),
        ] {
            let read = delta(&format!(r#"{{"choices":[],"usage":{usage}}}"#));
            assert_eq!((read.usage, read.has_token(), read.error), (expected, false, None), "{usage}");
        }
        let inside = r#"{"choices":[{"delta":{},"usage":{"prompt_tokens":1,"completion_tokens":2}}]}"#;
        assert_eq!(delta(inside).usage, Some(known(Some(1), Some(2))), "beside the delta, as Moonshot has it");
    }

    #[test]
    fn the_first_finish_reason_of_any_choice_counts() {
        let read = delta(
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":null},{"delta":{},"finish_reason":"length"}]}"#,
        );
        assert_eq!(read.finish_reason.as_deref(), Some("length"));
        assert!(read.answer);
    }

    #[test]
    fn a_choice_that_gives_up_outweighs_one_that_ended() {
        let read = delta(r#"{"choices":[{"finish_reason":"stop"},{"finish_reason":"abort"},{"finish_reason":""}]}"#);
        assert_eq!(read.finish_reason.as_deref(), Some("abort"));
        assert_eq!(delta(r#"{"choices":[{"finish_reason":"null"}]}"#).finish_reason, None);
    }

    #[test]
    fn an_error_is_told_from_words_that_say_there_is_none() {
        for (event, said) in [
            (r#"{"error":{"message":"out of memory","code":500}}"#, Some("out of memory")),
            (r#"{"error":"boom"}"#, Some("boom")),
            (r#"{"error":"{\"message\":\"boom\"}"}"#, Some("boom")),
            (r#"{"error":{"error":{"message":"boom"}}}"#, Some("boom")),
            (r#"{"error":{"code":7}}"#, Some(r#"{"code":7}"#)),
            (r#"{"error":true}"#, Some("true")),
            (r#"{"error":null,"error":"late"}"#, Some("late")),
            (r#"{"object":"error","message":"boom","code":500}"#, Some("boom")),
            (r#"{"object":"error","message":"boom","choices":[{"delta":{"content":"a"}}]}"#, Some("boom")),
            (r#"{"error_code":50001,"text":"NETWORK ERROR"}"#, Some("50001")),
            (r#"{"message":"boom","code":500,"choices":[]}"#, Some("boom")),
            (r#"{"message":"boom","code":"internal"}"#, Some("boom")),
            (r#"{"type":"error","message":"boom"}"#, Some("boom")),
            (r#"{"detail":"boom"}"#, Some("boom")),
            (r#"{"object":"error"}"#, Some("an error object without a message")),
            (r#"{"error":null,"choices":[]}"#, None),
            (r#"{"error":"","choices":[]}"#, None),
            (r#"{"error":{},"choices":[]}"#, None),
            (r#"{"error":[],"choices":[]}"#, None),
            (r#"{"error":0,"choices":[]}"#, None),
            (r#"{"error":false,"choices":[]}"#, None),
            (r#"{"error":{"message":"","code":null}}"#, None),
            (r#"{"error_code":0,"choices":[{"delta":{"content":"a"}}]}"#, None),
            (r#"{"code":0,"message":"success"}"#, None),
            (r#"{"code":200,"message":"ok","choices":[{"delta":{"content":"a"}}]}"#, None),
            (r#"{"message":"hello"}"#, None),
            (r#"{"object":"chat.completion.chunk","choices":[]}"#, None),
        ] {
            assert_eq!(delta(event).error.as_deref(), said, "{event}");
        }
    }

    #[test]
    fn what_is_not_a_json_object_is_malformed() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for event in [
            "{",
            "nonsense",
            "[]",
            "\"text\"",
            "12",
            r#"{"choices":7}"#,
            r#"{"choices":[]} x"#,
            r#"{"a":nul}"#,
            "{'a':1}",
            &deep,
        ] {
            assert!(matches!(read(event.as_bytes()), Event::Malformed(_)), "{event:.60}");
        }
        assert!(
            delta_of(b"{\"choices\":[{\"delta\":{\"content\":\"a\xff\"}}]}").answer,
            "bytes that are not UTF-8 are a token all the same"
        );
        assert!(
            delta_of(br#"{"choices":[{"delta":{"content":"a"},"logprobs":NaN}]}"#).answer,
            "a number that JSON does not have"
        );
    }

    #[test]
    fn done_is_done_with_or_without_spaces() {
        for done in ["[DONE]", " [DONE] ", "[done]", "\"[DONE]\""] {
            assert_eq!(read(done.as_bytes()), Event::Done, "{done}");
        }
        for nothing in ["", " ", "null", "{}"] {
            assert_eq!(read(nothing.as_bytes()), Event::Delta(Delta::default()), "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_as_serde_judges_them(event in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "[\\[\\]{}\",:a-z0-9 \\\\]{0,60}".prop_map(String::into_bytes),
        ]) {
            let whole = repaired(&event).map_or_else(|| event.clone(), String::into_bytes);
            let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&whole).is_ok();
            let judged = read_object(event.trim_ascii()).is_ok();
            prop_assert!(object || !judged, "what is not an object is never a delta");
        }

        #[test]
        fn any_text_is_a_token_unless_empty(text in ".{0,30}") {
            let content = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(delta(&chunk(&format!("{{\"content\":{content}}}"))).answer, !text.is_empty());
        }
    }
}
