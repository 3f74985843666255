//! Owns the dialect `responses`: `POST /responses` takes messages and answers in typed events.

use serde_json::{Map, Value, json};

use super::kind::{Capabilities, Dialect, StreamFields, only_length, stream_alone};
use super::prompt::{PartNames, for_each_in_messages, write_messages, write_parts};
use super::served::{AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest, SoFar};
use super::single::{self, Aside, answer, arguments, reasoning};
use super::written::{push_all, typed};
use crate::client::counts::counts_of;
use crate::client::delta::Delta;
use crate::client::finish::reason_of;
use crate::client::length_field::LengthField;
use crate::client::said::failure_of;
use crate::client::shape::Fragment;
use crate::client::value::Raw;
use crate::error::Error;
use crate::workload::{Message, Role};

/// The dialect `responses`.
#[derive(Debug)]
pub(super) struct Responses;

/// The key of the output length.
const LENGTH: &str = "max_output_tokens";

impl Dialect for Responses {
    fn name(&self) -> &'static str {
        "responses"
    }

    fn path(&self) -> &'static str {
        "responses"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::CHAT
    }

    fn sentence(&self) -> &'static str {
        "OpenAI's Responses API: messages; one answer in typed events."
    }

    fn prompt_key(&self) -> &'static str {
        "input"
    }

    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        write_messages(body, messages.iter(), |body, message| {
            // The model's own earlier texts have another type than the texts of others.
            let text = if message.role == Role::Assistant { "output_text" } else { "input_text" };
            let image = (r#"{"type":"input_image","image_url":"data:image/png;base64,"#, r#""}"#);
            write_parts(body, message.parts.iter(), PartNames { text, image });
        });
    }

    fn takes_images(&self) -> bool {
        true
    }

    fn takes_messages(&self) -> bool {
        true
    }

    fn length_key(&self, asked: Option<LengthField>) -> Result<Option<&'static str>, Error> {
        only_length(self.name(), LENGTH, asked)
    }

    fn fields(&self, asked: StreamFields) -> Map<String, Value> {
        stream_alone(asked)
    }

    fn stop_key(&self) -> Option<&'static str> {
        None
    }

    fn text_keys(&self) -> &'static [&'static [u8]] {
        &[b"\"delta\":"]
    }

    fn read(&self, object: &str) -> Result<Delta, String> {
        single::read(object, visit)
    }

    fn for_each_fragment(&self, object: &str, each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        single::for_each_fragment(object, visit, each)
    }
}

/// Reads an event, or a whole response.
fn visit(object: Raw<'_>, each: &mut dyn FnMut(Fragment<'_>)) -> Aside {
    let [kind, delta, item, response, objects] = object.keys(["type", "delta", "item", "response", "object"]);
    let kind = kind.word();
    if objects.word() == "response" {
        for item in object.key("output").items() {
            whole_item(item, each);
        }
        return ending(object);
    }
    match &*kind {
        "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => ending(response),
        "response.output_item.added" => {
            // The name of a call comes before its arguments.
            answer(item.key("name"), each);
            Aside::default()
        }
        event if event.rsplit('.').next() == Some("delta") => {
            let tell = if event.contains("reasoning") { reasoning } else { answer };
            tell(delta, each);
            Aside::default()
        }
        event if event.starts_with("response.") => Aside::default(),
        _ => Aside { error: failure_of(object), ..Aside::default() },
    }
}

/// Hands the text of an item of a whole response to `each`.
fn whole_item(item: Raw<'_>, each: &mut dyn FnMut(Fragment<'_>)) {
    let keys = ["type", "content", "summary", "name", "arguments", "input"];
    let [kind, content, summary, name, called, input] = item.keys(keys);
    let tell = if kind.word() == "reasoning" { reasoning } else { answer };
    for part in content.items().into_iter().chain(summary.items()) {
        let [text, refusal] = part.keys(["text", "refusal"]);
        tell(text, each);
        tell(refusal, each);
    }
    answer(name, each);
    arguments(called, each);
    arguments(input, each);
}

/// What a response object says about its end.
fn ending(response: Raw<'_>) -> Aside {
    let [status, details, usage] = response.keys(["status", "incomplete_details", "usage"]);
    let why = reason_of(details.key("reason"));
    let over = ["completed", "incomplete", "failed", "cancelled"].contains(&&*status.word());
    Aside {
        usage: counts_of(usage),
        finish: why.or_else(|| if over { reason_of(status) } else { None }),
        error: failure_of(response),
    }
}

impl ServedDialect for Responses {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: Value = serde_json::from_slice(body)?;
        let mut tokens = 0u32;
        self.for_each_prompt_part(&body, &mut |part| tokens = tokens.saturating_add(part.tokens()));
        let given = body["input"].is_string() || body["input"].as_array().is_some_and(|items| !items.is_empty());
        let tokens = if given { Ok(tokens) } else { Err("input must hold a text or at least one message") };
        Ok(ServedRequest::of(&body, tokens, &body[LENGTH]))
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        match &body["input"] {
            Value::String(text) => each(PromptPart::Text(text)),
            messages => for_each_in_messages(messages, each),
        }
    }

    fn repeats_text(&self) -> bool {
        true
    }

    fn beginning(&self, identity: AnswerIdentity<'_>, _streamed: bool) -> Vec<u8> {
        let AnswerIdentity { sequence, created_s, model_json, .. } = identity;
        let fixed = concat!(
            r#""instructions":null,"metadata":{},"parallel_tool_calls":true,"temperature":1.0,"tool_choice":"auto","#,
            r#""tools":[],"top_p":1.0,"error":null"#
        );
        format!(
            r#"{{"id":"resp_{sequence:032x}","object":"response","created_at":{created_s},"model":"{model_json}",{fixed}"#
        )
        .into_bytes()
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        match says {
            Says::Opening => {
                for kind in ["response.created", "response.in_progress"] {
                    typed(out, kind);
                    out.extend_from_slice(b",\"response\":");
                    out.extend_from_slice(beginning);
                    out.extend_from_slice(b",\"status\":\"in_progress\",\"incomplete_details\":null,\"output\":[],");
                    out.extend_from_slice(b"\"usage\":null}}\n\n");
                }
            }
            Says::Tokens { reasoning, text, so_far } => write_tokens(out, reasoning, text, so_far),
            Says::Finish { reason, reasoning, text, so_far, .. } => {
                if so_far.answered {
                    let place = if so_far.reasoned { "1" } else { "0" };
                    event(out, "response.output_text.done", place, &[r#","content_index":0,"text":""#, text, "\""]);
                    let item = [r#","item":"#, &message_item(text)].concat();
                    event(out, "response.output_item.done", place, &[&item]);
                }
                // As in vLLM, this event also ends a response that reached its length. The status inside says which.
                typed(out, "response.completed");
                out.extend_from_slice(b",\"response\":");
                write_whole(out, beginning, reason, (reasoning, text), usage);
                out.extend_from_slice(b"}\n\n");
            }
            Says::Failure(words) => {
                typed(out, "error");
                push_all(out, &[r#","code":"server_error","message":""#, words, "\",\"param\":null}\n\n"]);
            }
            Says::Broken => {
                out.extend_from_slice(b"event: response.output_text.delta\ndata: {\"type\":\"response.out\n\n");
            }
            Says::Counts | Says::End => {}
            Says::Whole { reasoning, text, finish, .. } => {
                write_whole(out, beginning, finish, (reasoning, text), usage);
            }
        }
    }
}

/// An event about the item at `place` of the output.
fn event(out: &mut Vec<u8>, kind: &str, place: &str, rest: &[&str]) {
    typed(out, kind);
    push_all(out, &[r#","item_id":"item_"#, place, r#"","output_index":"#, place]);
    push_all(out, rest);
    out.extend_from_slice(b"}\n\n");
}

fn write_tokens(out: &mut Vec<u8>, reasoning: &str, text: &str, so_far: SoFar) {
    if !reasoning.is_empty() {
        if !so_far.reasoned {
            let item = concat!(r#","item":{"id":"item_0","type":"reasoning","#, r#""summary":[],"content":[]}"#);
            event(out, "response.output_item.added", "0", &[item]);
        }
        event(out, "response.reasoning_text.delta", "0", &[r#","content_index":0,"delta":""#, reasoning, "\""]);
    }
    if !text.is_empty() {
        let place = if so_far.reasoned || !reasoning.is_empty() { "1" } else { "0" };
        if !so_far.answered {
            let item = concat!(
                r#","item":{"id":"item","type":"message","role":"assistant","#,
                r#""status":"in_progress","content":[]}"#
            );
            event(out, "response.output_item.added", place, &[item]);
            let part = r#","content_index":0,"part":{"type":"output_text","text":"","annotations":[]}"#;
            event(out, "response.content_part.added", place, &[part]);
        }
        let delta = [r#","content_index":0,"logprobs":[],"delta":""#, text, "\""];
        event(out, "response.output_text.delta", place, &delta);
    }
}

fn message_item(text: &str) -> String {
    [
        r#"{"id":"item","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","#,
        r#""annotations":[],"logprobs":[],"text":""#,
        text,
        "\"}]}",
    ]
    .concat()
}

/// Writes a whole response object.
fn write_whole(
    out: &mut Vec<u8>,
    beginning: &[u8],
    reason: &str,
    (reasoning, text): (&str, &str),
    usage: Option<AnswerUsage>,
) {
    out.extend_from_slice(beginning);
    let (status, why) = match reason {
        "length" => ("incomplete", r#"{"reason":"max_output_tokens"}"#),
        _ => ("completed", "null"),
    };
    push_all(out, &[r#","status":""#, status, r#"","incomplete_details":"#, why, r#","output":["#]);
    if !reasoning.is_empty() {
        let head = r#"{"id":"item_0","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":""#;
        push_all(out, &[head, reasoning, "\"}]}"]);
    }
    if !text.is_empty() {
        push_all(out, &[if reasoning.is_empty() { "" } else { "," }, &message_item(text)]);
    }
    out.extend_from_slice(b"],\"usage\":");
    let counts = usage.map(|AnswerUsage { prompt, output, cached }| {
        json!({
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": cached.unwrap_or(0)},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": u64::from(prompt) + u64::from(output),
        })
    });
    push_all(out, &[&counts.map_or_else(|| "null".to_owned(), |counts| counts.to_string()), "}"]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::delta::Counts;
    use crate::workload::{Few, MessagePart};

    #[test]
    fn messages_are_written_with_the_types_of_their_parts() {
        let text = |text: &str| MessagePart::Text(text.to_owned());
        let messages = [
            Message::new(Role::System, "be \"brief\"".to_owned()),
            Message { role: Role::Assistant, parts: Few::Many(vec![text("a"), text("b")]) },
        ];
        let mut body = Vec::new();
        Responses.write_prompt(&mut body, &messages);
        let expected = concat!(
            r#"[{"role":"system","content":"be \"brief\""},{"role":"assistant","content":"#,
            r#"[{"type":"output_text","text":"a"},{"type":"output_text","text":"b"}]}]"#
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn each_typed_event_is_text_reasoning_a_call_an_end_or_nothing() {
        for (event, answer, reasoning, finish) in [
            (r#"{"type":"response.created","response":{"status":"in_progress","usage":null}}"#, false, false, None),
            (r#"{"type":"response.output_text.delta","delta":"a"}"#, true, false, None),
            (r#"{"type":"response.output_text.delta","delta":""}"#, false, false, None),
            (r#"{"type":"response.refusal.delta","delta":"no"}"#, true, false, None),
            (r#"{"type":"response.reasoning_text.delta","delta":"hm"}"#, false, true, None),
            (r#"{"type":"response.reasoning_summary_text.delta","delta":"hm"}"#, false, true, None),
            (r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f"}}"#, true, false, None),
            (r#"{"type":"response.output_item.added","item":{"type":"message","content":[]}}"#, false, false, None),
            (r#"{"type":"response.function_call_arguments.delta","delta":"{"}"#, true, false, None),
            (r#"{"type":"response.output_text.done","text":"a"}"#, false, false, None),
            (
                r#"{"type":"response.completed","response":{"object":"response","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}}"#,
                false,
                false,
                Some("completed"),
            ),
            (
                r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}"#,
                false,
                false,
                Some("max_output_tokens"),
            ),
            (r#"{"type":"tomorrow"}"#, false, false, None),
        ] {
            let delta = Responses.read(event).unwrap();
            assert_eq!((delta.answer, delta.reasoning, delta.error), (answer, reasoning, None), "{event}");
            assert_eq!(delta.finish_reason.as_deref(), finish, "{event}");
        }
    }

    #[test]
    fn a_failure_is_said_in_the_words_of_the_server() {
        for event in [
            r#"{"type":"error","code":"server_error","message":"boom","param":null}"#,
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"x","message":"boom"}}}"#,
            r#"{"error":{"message":"boom"}}"#,
        ] {
            assert_eq!(Responses.read(event).unwrap().error.as_deref(), Some("boom"), "{event}");
        }
    }

    #[test]
    fn a_whole_response_has_its_texts_its_calls_and_its_counts() {
        let whole = concat!(
            r#"{"object":"response","status":"completed","error":null,"incomplete_details":null,"output":["#,
            r#"{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},"#,
            r#"{"type":"message","content":[{"type":"output_text","text":"yes"}]},"#,
            r#"{"type":"function_call","name":"f","arguments":"{}"}],"#,
            r#""usage":{"input_tokens":5,"output_tokens":7,"output_tokens_details":{"reasoning_tokens":2}}}"#
        );
        let mut texts = Vec::new();
        assert!(Responses.for_each_fragment(whole, &mut |fragment| texts.push(format!("{fragment:?}"))));
        assert_eq!(texts.len(), 4, "{texts:?}");
        let delta = Responses.read(whole).unwrap();
        let counts = Counts { input: Some(5), output: Some(7), reasoning: Some(2), ..Counts::default() };
        assert_eq!((delta.answer, delta.reasoning, delta.usage, delta.bytes), (true, true, Some(counts), 8));
    }
}
