//! Owns the dialect `messages`: Anthropic's `POST /messages`, with the system prompt in its own key and typed events.

use serde_json::{Map, Value, json};

use super::kind::{Capabilities, Dialect, StreamFields, only_length, stream_alone};
use super::prompt::{PartNames, for_each_in_content, for_each_in_messages, write_messages, write_parts};
use super::served::{AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest, SoFar};
use super::single::{self, Aside, answer, arguments, reasoning};
use super::written::{push_all, typed};
use crate::client::counts::counts_of;
use crate::client::delta::{Counts, Delta};
use crate::client::finish::reason_of;
use crate::client::length_field::LengthField;
use crate::client::said::failure_of;
use crate::client::shape::Fragment;
use crate::client::value::Raw;
use crate::error::Error;
use crate::workload::{Message, Role};

/// The dialect `messages`.
#[derive(Debug)]
pub(super) struct Messages;

/// The key of the output length, which every request must have.
const LENGTH: &str = "max_tokens";

/// The parts of a message.
const PARTS: PartNames = PartNames {
    text: "text",
    image: (r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":""#, r#""}}"#),
};

impl Dialect for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn path(&self) -> &'static str {
        "messages"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::CHAT
    }

    fn sentence(&self) -> &'static str {
        "Anthropic's Messages API: messages and a system prompt; one answer in typed events."
    }

    fn key_header(&self) -> &'static str {
        "x-api-key"
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn prompt_key(&self) -> &'static str {
        "messages"
    }

    /// Writes the messages, and the texts of all system messages under the key `system`.
    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        let spoken = messages.iter().filter(|message| message.role != Role::System);
        let write_content = |body: &mut Vec<u8>, message: &Message| write_parts(body, message.parts.iter(), PARTS);
        write_messages(body, spoken, write_content);
        let mut system = messages.iter().filter(|message| message.role == Role::System).peekable();
        if system.peek().is_some() {
            body.extend_from_slice(b",\"system\":");
            write_parts(body, system.flat_map(|message| message.parts.iter()), PARTS);
        }
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
        Some("stop_sequences")
    }

    fn text_keys(&self) -> &'static [&'static [u8]] {
        &[b"\"text\":"]
    }

    fn read(&self, object: &str) -> Result<Delta, String> {
        single::read(object, visit)
    }

    fn for_each_fragment(&self, object: &str, each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        single::for_each_fragment(object, visit, each)
    }
}

/// Reads an event, or a whole message.
fn visit(object: Raw<'_>, each: &mut dyn FnMut(Fragment<'_>)) -> Aside {
    match &*object.key("type").word() {
        "content_block_delta" => {
            let delta = object.key("delta");
            let [text, thinking, partial] = delta.keys(["text", "thinking", "partial_json"]);
            reasoning(thinking, each);
            answer(text, each);
            answer(partial, each);
            Aside::default()
        }
        "content_block_start" => {
            block(object.key("content_block"), each);
            Aside::default()
        }
        "message_start" => {
            // The output count of the start stands for tokens that have not come yet.
            let usage = usage_of(object.key("message").key("usage"));
            Aside { usage: usage.map(|usage| Counts { output: None, ..usage }), ..Aside::default() }
        }
        "message_delta" => {
            let [delta, usage] = object.keys(["delta", "usage"]);
            let finish = reason_of(delta.key("stop_reason"));
            Aside { usage: usage_of(usage), finish, error: None }
        }
        "message" => {
            let [content, reason, usage] = object.keys(["content", "stop_reason", "usage"]);
            content.items().into_iter().for_each(|item| block(item, each));
            Aside { usage: usage_of(usage), finish: reason_of(reason), error: failure_of(object.key("error")) }
        }
        "ping" | "content_block_stop" | "message_stop" => Aside::default(),
        _ => Aside { error: failure_of(object), ..Aside::default() },
    }
}

/// Hands the text of a content block to `each`. In a stream, a block begins without text and input, but with the name
/// of a call.
fn block(block: Raw<'_>, each: &mut dyn FnMut(Fragment<'_>)) {
    let [text, thinking, name, input] = block.keys(["text", "thinking", "name", "input"]);
    reasoning(thinking, each);
    answer(text, each);
    answer(name, each);
    arguments(input, each);
}

/// The counts of a `usage` object. `input_tokens` leaves out the tokens that were read from a cache or written to it,
/// so they are added.
fn usage_of(usage: Raw<'_>) -> Option<Counts> {
    let [read, written] = usage.keys(["cache_read_input_tokens", "cache_creation_input_tokens"]);
    let (read, written) = (read.count().known(), written.count().known());
    counts_of(usage).map(|counts| Counts {
        input: counts.input.map(|input| input.saturating_add(read.unwrap_or(0)).saturating_add(written.unwrap_or(0))),
        cached: read.or(counts.cached),
        ..counts
    })
}

impl ServedDialect for Messages {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: Value = serde_json::from_slice(body)?;
        let mut tokens = 0u32;
        self.for_each_prompt_part(&body, &mut |part| tokens = tokens.saturating_add(part.tokens()));
        let given = body["messages"].as_array().is_some_and(|messages| !messages.is_empty());
        let prompt_tokens = match (given, body[LENGTH].as_u64()) {
            (false, _) => Err("messages: at least one message is required"),
            (true, None) => Err("max_tokens: Field required"),
            (true, Some(_)) => Ok(tokens),
        };
        Ok(ServedRequest::of(&body, prompt_tokens, &body[LENGTH]))
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        for_each_in_content(&body["system"], each);
        for_each_in_messages(&body["messages"], each);
    }

    fn beginning(&self, identity: AnswerIdentity<'_>, _streamed: bool) -> Vec<u8> {
        let AnswerIdentity { sequence, model_json, .. } = identity;
        format!(r#"{{"id":"msg_{sequence:032x}","type":"message","role":"assistant","model":"{model_json}""#)
            .into_bytes()
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        match says {
            Says::Opening => {
                typed(out, "message_start");
                out.extend_from_slice(b",\"message\":");
                out.extend_from_slice(beginning);
                let usage = counts(usage.map(|usage| AnswerUsage { output: 0, ..usage }));
                let rest = r#","content":[],"stop_reason":null,"stop_sequence":null,"usage":"#;
                push_all(out, &[rest, &usage, "}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n"]);
            }
            Says::Tokens { reasoning, text, so_far } => write_tokens(out, reasoning, text, so_far),
            Says::Finish { reason, so_far, .. } => {
                if so_far.answered || so_far.reasoned {
                    stop_block(out, if so_far.answered && so_far.reasoned { "1" } else { "0" });
                }
                typed(out, "message_delta");
                let delta = r#","delta":{"stop_reason":""#;
                push_all(out, &[delta, stop_reason(reason), r#"","stop_sequence":null},"usage":"#, &counts(usage)]);
                out.extend_from_slice(b"}\n\n");
            }
            Says::End => {
                typed(out, "message_stop");
                out.extend_from_slice(b"}\n\n");
            }
            Says::Failure(words) => {
                typed(out, "error");
                push_all(out, &[r#","error":{"type":"api_error","message":""#, words, "\"}}\n\n"]);
            }
            Says::Broken => out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_bl\n\n"),
            Says::Counts => {}
            Says::Whole { reasoning, text, finish, .. } => {
                out.extend_from_slice(beginning);
                out.extend_from_slice(b",\"content\":[");
                if !reasoning.is_empty() {
                    push_all(out, &[r#"{"type":"thinking","signature":"","thinking":""#, reasoning, "\"}"]);
                }
                if !text.is_empty() {
                    let comma = if reasoning.is_empty() { "" } else { "," };
                    push_all(out, &[comma, r#"{"type":"text","text":""#, text, "\"}"]);
                }
                let reason = [r#"],"stop_reason":""#, stop_reason(finish), r#"","stop_sequence":null,"usage":"#];
                push_all(out, &reason);
                push_all(out, &[&counts(usage), "}"]);
            }
        }
    }
}

fn stop_reason(reason: &str) -> &'static str {
    if reason == "length" { "max_tokens" } else { "end_turn" }
}

fn start_block(out: &mut Vec<u8>, place: &str, block: &str) {
    typed(out, "content_block_start");
    push_all(out, &[r#","index":"#, place, r#","content_block":"#, block, "}\n\n"]);
}

fn stop_block(out: &mut Vec<u8>, place: &str) {
    typed(out, "content_block_stop");
    push_all(out, &[r#","index":"#, place, "}\n\n"]);
}

fn write_tokens(out: &mut Vec<u8>, reasoning: &str, text: &str, so_far: SoFar) {
    if !reasoning.is_empty() {
        if !so_far.reasoned {
            start_block(out, "0", r#"{"type":"thinking","thinking":"","signature":""}"#);
        }
        typed(out, "content_block_delta");
        push_all(out, &[r#","index":0,"delta":{"type":"thinking_delta","thinking":""#, reasoning, "\"}}\n\n"]);
    }
    if !text.is_empty() {
        let reasoned = so_far.reasoned || !reasoning.is_empty();
        let place = if reasoned { "1" } else { "0" };
        if !so_far.answered {
            if reasoned {
                stop_block(out, "0");
            }
            start_block(out, place, r#"{"type":"text","text":""}"#);
        }
        typed(out, "content_block_delta");
        let delta = r#","delta":{"type":"text_delta","text":""#;
        push_all(out, &[r#","index":"#, place, delta, text, "\"}}\n\n"]);
    }
}

/// The `usage` object; counts of 0 where the server does not report them.
fn counts(usage: Option<AnswerUsage>) -> String {
    let AnswerUsage { prompt, output, cached } = usage.unwrap_or(AnswerUsage { prompt: 0, output: 0, cached: None });
    let cached = cached.unwrap_or(0);
    let counts = json!({
        "input_tokens": prompt.saturating_sub(cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": output,
    });
    counts.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Few, MessagePart};

    #[test]
    fn the_system_prompt_has_its_own_key() {
        let text = |text: &str| MessagePart::Text(text.to_owned());
        let mut body = Vec::new();
        let messages = [
            Message::new(Role::System, "be \"brief\"".to_owned()),
            Message { role: Role::User, parts: Few::Many(vec![text("a"), text("b")]) },
            Message::new(Role::Assistant, "c".to_owned()),
        ];
        Messages.write_prompt(&mut body, &messages);
        let expected = concat!(
            r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},"#,
            r#"{"role":"assistant","content":"c"}],"system":"be \"brief\"""#
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn each_event_is_text_thinking_a_call_an_end_or_nothing() {
        let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":5,"output_tokens":1}}}"#;
        for (event, answer, reasoning, finish) in [
            (start, false, false, None),
            (r#"{"type":"ping"}"#, false, false, None),
            (r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#, false, false, None),
            (
                r#"{"type":"content_block_start","content_block":{"type":"tool_use","name":"f","input":{}}}"#,
                true,
                false,
                None,
            ),
            (r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#, true, false, None),
            (r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"a"}}"#, false, true, None),
            (
                r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"a"}}"#,
                false,
                false,
                None,
            ),
            (
                r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}"#,
                true,
                false,
                None,
            ),
            (
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}"#,
                false,
                false,
                Some("end_turn"),
            ),
            (r#"{"type":"message_stop"}"#, false, false, None),
        ] {
            let delta = Messages.read(event).unwrap();
            assert_eq!((delta.answer, delta.reasoning, delta.error), (answer, reasoning, None), "{event}");
            assert_eq!(delta.finish_reason.as_deref(), finish, "{event}");
        }
        let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        assert_eq!(Messages.read(error).unwrap().error.as_deref(), Some("Overloaded"));
    }

    #[test]
    fn input_tokens_include_those_of_the_cache() {
        let counted = r#"{"type":"message_start","message":{"usage":{"input_tokens":5,"cache_read_input_tokens":7,"cache_creation_input_tokens":2,"output_tokens":1}}}"#;
        let usage = Messages.read(counted).unwrap().usage.unwrap();
        assert_eq!((usage.input, usage.cached, usage.output), (Some(14), Some(7), None));
    }

    #[test]
    fn a_request_without_its_length_is_refused_by_the_server() {
        let body = br#"{"messages":[{"role":"user","content":"a b"}],"system":[{"type":"text","text":"c"}]}"#;
        assert_eq!(Messages.read_request(body).unwrap().prompt_tokens, Err("max_tokens: Field required"));
        let body = br#"{"messages":[{"role":"user","content":"a b"}],"system":"c","max_tokens":4}"#;
        assert_eq!(Messages.read_request(body).unwrap().prompt_tokens, Ok(3));
    }
}
