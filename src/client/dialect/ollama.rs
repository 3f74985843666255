//! Owns what Ollama's two endpoints share: lines of JSON, the output length inside `options`, and counts in the last
//! line.

use jiff::Timestamp;
use serde_json::Value;

use super::served::{AnswerIdentity, AnswerUsage, Says, ServedRequest};
use super::single::{Aside, answer, arguments, reasoning};
use super::written::push_all;
use crate::client::delta::Counts;
use crate::client::finish::reason_of;
use crate::client::said::failure_of;
use crate::client::shape::Fragment;
use crate::client::value::Raw;

/// The key of the output length, and the key of the object that holds it.
pub(super) const LENGTH: &str = "num_predict";
pub(super) const LENGTH_PARENT: &str = "options";

/// Reads a line, or a whole response.
pub(super) fn visit(object: Raw<'_>, each: &mut dyn FnMut(Fragment<'_>)) -> Aside {
    let keys = ["message", "response", "thinking", "done", "done_reason", "prompt_eval_count", "eval_count"];
    let [message, response, thinking, done, reason, input, output] = object.keys(keys);
    reasoning(thinking, each);
    answer(response, each);
    let [content, thinking, calls] = message.keys(["content", "thinking", "tool_calls"]);
    reasoning(thinking, each);
    answer(content, each);
    for call in calls.items() {
        let [name, called] = call.key("function").keys(["name", "arguments"]);
        answer(name, each);
        arguments(called, each);
    }
    let done = !done.is_falsy();
    // Older servers give no reason.
    let finish = done.then(|| reason_of(reason).unwrap_or_else(|| "stop".into()));
    let (input, output) = (input.count().known(), output.count().known());
    let counted = input.is_some() || output.is_some();
    Aside { usage: counted.then_some(Counts { input, output, ..Counts::default() }), finish, error: failure_of(object) }
}

/// A request of `prompt_tokens` tokens.
pub(super) fn served<'a>(body: &Value, prompt_tokens: Result<u32, &'static str>) -> ServedRequest<'a> {
    // These endpoints stream unless told otherwise.
    let streamed = body["stream"] != false;
    ServedRequest { streamed, ..ServedRequest::of(body, prompt_tokens, &body[LENGTH_PARENT][LENGTH]) }
}

/// The start of each line: the model, and the time of creation.
pub(super) fn beginning(identity: AnswerIdentity<'_>) -> Vec<u8> {
    let AnswerIdentity { created_s, model_json, .. } = identity;
    let created = i64::try_from(created_s).ok().and_then(|second| Timestamp::from_second(second).ok());
    let created = created.unwrap_or_default();
    format!(r#"{{"model":"{model_json}","created_at":"{created}","#).into_bytes()
}

/// Appends the lines that say `says`; `write_text` appends the keys that hold the reasoning and the text.
pub(super) fn write(
    out: &mut Vec<u8>,
    beginning: &[u8],
    says: Says<'_>,
    usage: Option<AnswerUsage>,
    write_text: impl Fn(&mut Vec<u8>, &str, &str),
) {
    let (reasoning, text, finish) = match says {
        Says::Tokens { reasoning, text, .. } => (reasoning, text, None),
        Says::Finish { reason, .. } => ("", "", Some(reason)),
        Says::Whole { reasoning, text, finish, .. } => (reasoning, text, Some(finish)),
        Says::Failure(words) => return push_all(out, &[r#"{"error":""#, words, "\"}\n"]),
        Says::Broken => return out.extend_from_slice(b"{\"model\":\"broken\",\"mess\n"),
        Says::Opening | Says::Counts | Says::End => return,
    };
    out.extend_from_slice(beginning);
    write_text(out, reasoning, text);
    match finish {
        None => out.extend_from_slice(b",\"done\":false"),
        Some(reason) => {
            push_all(out, &[r#","done":true,"done_reason":""#, reason, "\""]);
            if let Some(AnswerUsage { prompt, output, .. }) = usage {
                let counts = format!(r#","prompt_eval_count":{prompt},"eval_count":{output}"#);
                out.extend_from_slice(counts.as_bytes());
            }
        }
    }
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::dialect::single;

    #[test]
    fn each_line_is_text_thinking_a_call_an_end_or_an_error() {
        for (line, answer, reasoning, finish) in [
            (r#"{"message":{"role":"assistant","content":"a"},"done":false}"#, true, false, None),
            (r#"{"message":{"content":"","thinking":"hm"},"done":false}"#, false, true, None),
            (
                r#"{"message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]}}"#,
                true,
                false,
                None,
            ),
            (r#"{"response":"a","done":false}"#, true, false, None),
            (r#"{"response":"","thinking":"hm","done":false}"#, false, true, None),
            (r#"{"response":"","done":true,"done_reason":"length"}"#, false, false, Some("length")),
            (r#"{"response":"","done":true}"#, false, false, Some("stop")),
        ] {
            let delta = single::read(line, visit).unwrap();
            assert_eq!((delta.answer, delta.reasoning, delta.error), (answer, reasoning, None), "{line}");
            assert_eq!(delta.finish_reason.as_deref(), finish, "{line}");
        }
        assert_eq!(single::read(r#"{"error":"boom"}"#, visit).unwrap().error.as_deref(), Some("boom"));
        let last = r#"{"done":true,"prompt_eval_count":5,"eval_count":7}"#;
        let usage = single::read(last, visit).unwrap().usage.unwrap();
        assert_eq!((usage.input, usage.output), (Some(5), Some(7)));
    }
}
