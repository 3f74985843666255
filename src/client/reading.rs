//! Owns the reading of one event: the end marker, an object in the endpoint's dialect, or malformed data.

use super::delta::{Delta, Meaning};
use super::dialect::Dialect;
use super::repair::repaired;
use super::said::excerpt;

/// Reads the data of one event.
pub(super) fn read(event: &[u8], dialect: &dyn Dialect) -> Meaning {
    let trimmed = event.trim_ascii();
    if is_done(trimmed) {
        return Meaning::Done;
    }
    if trimmed.is_empty() || trimmed == b"null" {
        return Meaning::Delta(Delta::default());
    }
    match read_object(trimmed, dialect) {
        Ok(delta) => Meaning::Delta(delta),
        Err(why) => Meaning::Malformed(why),
    }
}

/// Reads one JSON object, or the list of an endpoint that answers with a list; if that fails, reads its repaired form.
/// The error says what is wrong and quotes the start of the object.
pub(super) fn read_object(object: &[u8], dialect: &dyn Dialect) -> Result<Delta, String> {
    let read_text = |text: &str| {
        let begins = text.starts_with('{') || (text.starts_with('[') && dialect.answers_with_list());
        if begins { dialect.read(text) } else { Err("not a JSON object".to_owned()) }
    };
    let found = std::str::from_utf8(object).map_err(|_| "not UTF-8".to_owned()).and_then(read_text);
    let found = found.or_else(|why| repaired(object).map_or(Err(why), |text| read_text(&text)));
    found.map_err(|why| format!("{why}: `{}`", excerpt(object)))
}

/// Whether `event` is the end marker. Some servers write it as a JSON string or in lower case.
fn is_done(event: &[u8]) -> bool {
    let bare = event.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(event);
    bare.trim_ascii().eq_ignore_ascii_case(b"[DONE]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;
    use proptest::prelude::*;

    fn read(event: &[u8]) -> Meaning {
        super::read(event, Endpoint::default().dialect())
    }

    fn delta(event: &str) -> Delta {
        delta_of(event.as_bytes())
    }

    fn delta_of(event: &[u8]) -> Delta {
        match read(event) {
            Meaning::Delta(delta) => delta,
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
            assert!(matches!(read(event.as_bytes()), Meaning::Malformed(_)), "{event:.60}");
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
    fn a_bare_list_is_read_only_where_the_endpoint_answers_with_one() {
        let listed = |text: &str| {
            let yaml = format!("body: '{{{{prompt}}}}'\ntext: {text}\nframing: body\n");
            Endpoint::raw(serde_saphyr::from_str::<crate::client::RawEndpoint>(&yaml).unwrap().checked().unwrap())
        };
        let answer = br#"[{"generated_text":"yes"}]"#;
        for (text, answers) in [("/0/generated_text", true), ("/out/0/generated_text", false)] {
            let read = read_object(answer, listed(text).dialect());
            assert_eq!(read.is_ok_and(|delta| delta.answer), answers, "{text}");
        }
        let error = read_object(br#"{"error":"overloaded"}"#, listed("/0/generated_text").dialect()).unwrap();
        assert_eq!(error.error.as_deref(), Some("overloaded"));
    }

    #[test]
    fn done_is_done_with_or_without_spaces() {
        for done in ["[DONE]", " [DONE] ", "[done]", "\"[DONE]\""] {
            assert_eq!(read(done.as_bytes()), Meaning::Done, "{done}");
        }
        for nothing in ["", " ", "null", "{}"] {
            assert_eq!(read(nothing.as_bytes()), Meaning::Delta(Delta::default()), "{nothing}");
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
            let judged = read_object(event.trim_ascii(), Endpoint::default().dialect()).is_ok();
            prop_assert!(object || !judged, "what is not an object is never a delta");
        }

        #[test]
        fn any_text_is_a_token_unless_empty(text in ".{0,30}") {
            let content = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(delta(&chunk(&format!("{{\"content\":{content}}}"))).answer, !text.is_empty());
        }
    }
}
