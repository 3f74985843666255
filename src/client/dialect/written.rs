//! Owns how a server writes responses with `choices`, for chat and completions: everything except the text of a choice;
//! and the few pieces that other endpoints write, too.

use super::served::{AnswerIdentity, AnswerUsage, Says, ServedDialect, WholeChoice};

/// The key with which the choices of a response begin.
const CHOICES: &[u8] = br#""choices":["#;

/// Why the model has finished a choice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) reason: &'a str,
    /// The text at which the model stopped; `None` when it met none.
    pub(super) stop: Option<&'a str>,
}

/// The bytes with which a response begins: its id, its object type, its time of creation, its model and the index of
/// its choice.
pub(super) fn beginning(id_prefix: &str, object: &str, identity: AnswerIdentity<'_>, streamed: bool) -> Vec<u8> {
    let AnswerIdentity { sequence, created_s, model_json, choice } = identity;
    let event = if streamed { "data: " } else { "" };
    let head = format!(r#"{event}{{"id":"{id_prefix}-{sequence:032x}","object":"{object}","created":{created_s},"#);
    format!(r#"{head}"model":"{model_json}","choices":[{{"index":{choice},"#).into_bytes()
}

/// One event with one choice; `write_text` appends the key and the value that hold its text.
pub(super) fn event(
    out: &mut Vec<u8>,
    beginning: &[u8],
    write_text: impl FnOnce(&mut Vec<u8>),
    finish: Option<Finish<'_>>,
    usage: Option<AnswerUsage>,
) {
    out.extend_from_slice(beginning);
    write_text(out);
    write_finish(out, finish);
    end(out, usage);
    out.extend_from_slice(b"\n\n");
}

/// What `says` says in the form of `dialect`, which has choices; nothing at the opening of a stream. `write_text`
/// appends the key and the value of a reasoning and a text, either of which may be empty.
pub(super) fn said(
    dialect: &dyn ServedDialect,
    out: &mut Vec<u8>,
    beginning: &[u8],
    says: Says<'_>,
    usage: Option<AnswerUsage>,
    write_text: impl Fn(&mut Vec<u8>, &str, &str),
) {
    match says {
        Says::Opening => {}
        Says::Tokens { reasoning, text, .. } => {
            event(out, beginning, |out| write_text(out, reasoning, text), None, usage);
        }
        Says::Finish { reason, stop, .. } => {
            event(out, beginning, |out| write_text(out, "", ""), Some(Finish { reason, stop }), usage);
        }
        Says::Counts => counts(out, beginning, usage),
        Says::End => out.extend_from_slice(END),
        Says::Failure(words) => failure(out, words),
        Says::Broken => out.extend_from_slice(BROKEN),
        Says::Whole { reasoning, text, finish, stop, .. } => {
            dialect.write_choices(out, beginning, &[WholeChoice { reasoning, text, finish, stop }], usage);
        }
    }
}

/// A whole response; `write_text` appends the key and the value that hold the text of a choice.
pub(super) fn choices(
    out: &mut Vec<u8>,
    beginning: &[u8],
    choices: &[WholeChoice<'_>],
    usage: Option<AnswerUsage>,
    write_text: impl Fn(&mut Vec<u8>, &WholeChoice<'_>),
) {
    out.extend_from_slice(beginning);
    for (index, choice) in choices.iter().enumerate() {
        if index > 0 {
            push_all(out, &[r#",{"index":"#, &index.to_string(), ","]);
        }
        write_text(out, choice);
        write_finish(out, Some(Finish { reason: choice.finish, stop: choice.stop }));
    }
    end(out, usage);
}

/// Appends the end of a choice. As in vLLM, a text at which the model stopped is the `stop_reason`.
fn write_finish(out: &mut Vec<u8>, finish: Option<Finish<'_>>) {
    out.extend_from_slice(br#","logprobs":null,"finish_reason":"#);
    match finish {
        Some(Finish { reason, .. }) => push_all(out, &["\"", reason, "\""]),
        None => out.extend_from_slice(b"null"),
    }
    if let Some(Finish { stop: Some(stop), .. }) = finish {
        push_all(out, &[r#","stop_reason":""#, stop, "\""]);
    }
    out.push(b'}');
}

/// Appends the end of the choices, and the token counts.
fn end(out: &mut Vec<u8>, usage: Option<AnswerUsage>) {
    out.push(b']');
    if let Some(usage) = usage {
        out.push(b',');
        write_usage(out, usage);
    }
    out.push(b'}');
}

/// The event after the last token that holds only the token counts.
pub(super) fn counts(out: &mut Vec<u8>, beginning: &[u8], usage: Option<AnswerUsage>) {
    let Some(usage) = usage else { return };
    // The beginning goes on into the choice of its events. These counts belong to no choice.
    let choices = memchr::memmem::rfind(beginning, CHOICES).unwrap_or(beginning.len());
    out.extend_from_slice(&beginning[..choices]);
    out.extend_from_slice(br#""choices":[],"#);
    write_usage(out, usage);
    out.extend_from_slice(b"}\n\n");
}

/// The start of an event whose type stands in a field of its own and in its data.
pub(super) fn typed(out: &mut Vec<u8>, kind: &str) {
    push_all(out, &["event: ", kind, "\ndata: {\"type\":\"", kind, "\""]);
}

/// The event by which vLLM ends a stream when its engine has failed.
pub(super) fn failure(out: &mut Vec<u8>, words: &str) {
    push_all(out, &[r#"data: {"error":{"message":""#, words, r#"","type":"InternalServerError","#]);
    out.extend_from_slice(b"\"param\":null,\"code\":500}}\n\n");
}

/// An event that is not JSON.
pub(super) const BROKEN: &[u8] = b"data: {\"id\":\"chatcmpl-broken\",\"choices\":[{\"delta\":{\"content\":\n\n";

/// The event that ends a stream.
pub(super) const END: &[u8] = b"data: [DONE]\n\n";

/// Appends `texts`, one after the other.
pub(super) fn push_all(out: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        out.extend_from_slice(text.as_bytes());
    }
}

fn write_usage(out: &mut Vec<u8>, usage: AnswerUsage) {
    let AnswerUsage { prompt, output, cached } = usage;
    let total = u64::from(prompt) + u64::from(output);
    let details =
        cached.map_or_else(String::new, |cached| format!(r#","prompt_tokens_details":{{"cached_tokens":{cached}}}"#));
    let usage =
        format!(r#""usage":{{"prompt_tokens":{prompt},"total_tokens":{total},"completion_tokens":{output}{details}}}"#);
    out.extend_from_slice(usage.as_bytes());
}
