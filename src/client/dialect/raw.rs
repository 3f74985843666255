//! Owns the dialect `raw`: the user gives the body as a template, and says where in an answer its parts are.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::kind::{BodyValues, Capabilities, Dialect, StreamFields, StreamFraming, only_length, quote, stream_alone};
use super::served::{AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest};
use super::single::{self, Aside, answer};
use super::written::{self, push_all};
use crate::client::delta::{Counts, Delta};
use crate::client::finish::reason_of;
use crate::client::length_field::LengthField;
use crate::client::said::{failure_of, words_in};
use crate::client::shape::Fragment;
use crate::client::value::Raw;
use crate::error::{Error, Refusal};
use crate::workload::{Message, estimate_text, joined_text};

/// How the answers of a raw endpoint are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawFraming {
    /// Server-sent events.
    #[default]
    Sse,
    /// One JSON object a line.
    Ndjson,
    /// One JSON object.
    Body,
}

/// A raw endpoint as a file describes it. The pointers are JSON pointers (RFC 6901) into each object of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RawEndpoint {
    /// The body of a request, with the placeholders `{{prompt}}`, `{{model}}`, `{{max_tokens}}`, `{{id}}` and
    /// `{{stream}}`. A text is put in as inside a JSON string, without quotes.
    body: Cow<'static, str>,
    #[serde(default)]
    framing: RawFraming,
    /// Where the text is.
    text: Cow<'static, str>,
    /// Where the count of input tokens is.
    #[serde(default)]
    input_tokens: Option<Cow<'static, str>>,
    /// Where the count of output tokens is.
    #[serde(default)]
    output_tokens: Option<Cow<'static, str>>,
    /// Where the finish reason is. Without it, an answer is complete when its transport ends in order.
    #[serde(default)]
    finish: Option<Cow<'static, str>>,
    /// Where an error is, beside the usual places.
    #[serde(default)]
    error: Option<Cow<'static, str>>,
}

/// The placeholders of a body.
const PLACEHOLDERS: [&str; 5] = ["prompt", "model", "max_tokens", "id", "stream"];

impl RawEndpoint {
    /// The endpoint without a file: the form that the simulated server answers.
    pub(super) const PLAIN: Self = Self {
        body: Cow::Borrowed(concat!(
            r#"{"model": "{{model}}", "prompt": "{{prompt}}", "max_tokens": {{max_tokens}}, "#,
            r#""stream": {{stream}}}"#
        )),
        framing: RawFraming::Sse,
        text: Cow::Borrowed("/text"),
        input_tokens: Some(Cow::Borrowed("/usage/prompt_tokens")),
        output_tokens: Some(Cow::Borrowed("/usage/completion_tokens")),
        finish: Some(Cow::Borrowed("/finish_reason")),
        error: None,
    };

    /// Checks what serde cannot: the placeholders, and the pointers.
    pub fn checked(self) -> Result<Self, Refusal> {
        let mut names = self.body.split("{{").skip(1).map(|rest| rest.split("}}").next().unwrap_or(""));
        if let Some(unknown) = names.find(|name| !PLACEHOLDERS.contains(name)) {
            let accepted = PLACEHOLDERS.map(|name| format!("{{{{{name}}}}}")).join(", ");
            let why = format!("`{{{{{unknown}}}}}` is no placeholder of a body");
            return Err(Refusal::new(why, format!("accepted is {accepted}")));
        }
        if !self.body.contains("{{prompt}}") {
            let accepted = "write {{prompt}} where the prompt belongs, as in {\"inputs\": \"{{prompt}}\"}";
            return Err(Refusal::new("the body has no {{prompt}}", accepted));
        }
        let pointers =
            [Some(&self.text), self.input_tokens.as_ref(), self.output_tokens.as_ref(), self.finish.as_ref()];
        let all = pointers.into_iter().chain([self.error.as_ref()]).flatten();
        if let Some(wrong) = all.into_iter().find(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
            let accepted = "accepted is a JSON pointer such as /choices/0/text";
            return Err(Refusal::new(format!("`{wrong}` is no JSON pointer"), accepted));
        }
        Ok(self)
    }

    fn visit(&self, object: Raw<'_>, each: &mut dyn FnMut(Fragment<'_>)) -> Aside {
        let value = |pointer: &Option<Cow<'static, str>>| pointer.as_ref().map_or(Raw::default(), |to| at(object, to));
        answer(at(object, &self.text), each);
        let [input, output] = [&self.input_tokens, &self.output_tokens].map(|place| value(place).count().known());
        let told = value(&self.error);
        Aside {
            usage: (input.is_some() || output.is_some()).then_some(Counts { input, output, ..Counts::default() }),
            finish: reason_of(value(&self.finish)),
            error: if told.is_falsy() { failure_of(object) } else { Some(words_in(told)) },
        }
    }
}

/// The value at `pointer` in `object`; null where there is none.
fn at<'a>(object: Raw<'a>, pointer: &str) -> Raw<'a> {
    pointer.split('/').skip(1).fold(object, |value, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        if value.is_list() {
            let place = step.parse::<usize>().unwrap_or(usize::MAX);
            return value.items().get(place).copied().unwrap_or_default();
        }
        value.key(&step)
    })
}

impl Dialect for RawEndpoint {
    fn name(&self) -> &'static str {
        "raw"
    }

    /// The path of the target as given.
    fn path(&self) -> &'static str {
        ""
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { streams: self.framing != RawFraming::Body, reasoning: false, ..Capabilities::CHAT }
    }

    fn sentence(&self) -> &'static str {
        "Any API: a body of your own and the places of text and counts, in a file (the option raw)."
    }

    fn framing(&self) -> StreamFraming {
        if self.framing == RawFraming::Ndjson { StreamFraming::Lines } else { StreamFraming::Events }
    }

    fn has_template(&self) -> bool {
        true
    }

    fn names_model(&self) -> bool {
        self.body.contains("{{model}}")
    }

    fn ends_with_body(&self) -> bool {
        self.finish.is_none()
    }

    /// The pointer of the text says so: its first step is a place in a list.
    fn answers_with_list(&self) -> bool {
        self.text.strip_prefix('/').is_some_and(|steps| steps.starts_with(|first: char| first.is_ascii_digit()))
    }

    fn write_body(&self, body: &mut Vec<u8>, values: BodyValues<'_>) -> bool {
        let mut rest = &*self.body;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            body.extend_from_slice(before.as_bytes());
            match name {
                "prompt" => inside_quotes(body, &joined_text(values.messages)),
                "model" => inside_quotes(body, values.model),
                "max_tokens" => body.extend_from_slice(values.output_tokens.to_string().as_bytes()),
                "id" => body.extend_from_slice(values.id.to_string().as_bytes()),
                "stream" => body.extend_from_slice(if values.stream { b"true" } else { b"false" }),
                _ => {}
            }
            rest = after;
        }
        body.extend_from_slice(rest.as_bytes());
        true
    }

    fn prompt_key(&self) -> &'static str {
        "prompt"
    }

    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        quote(body, &joined_text(messages));
    }

    fn length_key(&self, asked: Option<LengthField>) -> Result<Option<&'static str>, Error> {
        only_length(self.name(), "max_tokens", asked)
    }

    fn fields(&self, asked: StreamFields) -> Map<String, Value> {
        stream_alone(asked)
    }

    fn read(&self, object: &str) -> Result<Delta, String> {
        single::read(object, |object, each| self.visit(object, each))
    }

    fn for_each_fragment(&self, object: &str, each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        single::for_each_fragment(object, |object, each| self.visit(object, each), each)
    }
}

/// Appends `text` as inside a JSON string, without the quotes.
fn inside_quotes(body: &mut Vec<u8>, text: &str) {
    let start = body.len();
    quote(body, text);
    body.pop();
    body.remove(start);
}

impl ServedDialect for RawEndpoint {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: Value = serde_json::from_slice(body)?;
        let tokens =
            prompt_of(&body).map(estimate_text).ok_or("the simulated server needs a text under prompt or inputs");
        Ok(ServedRequest::of(&body, tokens, &body["max_tokens"]))
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        if let Some(prompt) = prompt_of(body) {
            each(PromptPart::Text(prompt));
        }
    }

    fn beginning(&self, _identity: AnswerIdentity<'_>, streamed: bool) -> Vec<u8> {
        if streamed { b"data: {".to_vec() } else { b"{".to_vec() }
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        let (reasoning, text, finish, end) = match says {
            Says::Tokens { reasoning, text, .. } => (reasoning, text, None, "}\n\n"),
            Says::Finish { reason, .. } => ("", "", Some(reason), "}\n\n"),
            Says::Whole { reasoning, text, finish, .. } => (reasoning, text, Some(finish), "}"),
            Says::Failure(words) => return written::failure(out, words),
            Says::Broken => return out.extend_from_slice(written::BROKEN),
            Says::End => return out.extend_from_slice(written::END),
            Says::Opening | Says::Counts => return,
        };
        out.extend_from_slice(beginning);
        push_all(out, &[r#""text":""#, reasoning, text, "\""]);
        if let Some(reason) = finish {
            push_all(out, &[r#","finish_reason":""#, reason, "\""]);
            if let Some(AnswerUsage { prompt, output, .. }) = usage {
                let usage = format!(r#","usage":{{"prompt_tokens":{prompt},"completion_tokens":{output}}}"#);
                out.extend_from_slice(usage.as_bytes());
            }
        }
        out.extend_from_slice(end.as_bytes());
    }
}

fn prompt_of(body: &Value) -> Option<&str> {
    ["prompt", "inputs", "input", "text"].into_iter().find_map(|key| body[key].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(yaml: &str) -> RawEndpoint {
        serde_saphyr::from_str::<RawEndpoint>(yaml).unwrap().checked().unwrap()
    }

    #[test]
    fn a_body_is_the_template_with_its_values() {
        let raw = raw(concat!(
            "body: '{\"inputs\": \"{{prompt}}\", \"parameters\": {\"max_new_tokens\": {{max_tokens}}}, ",
            "\"id\": \"{{model}}-{{id}}\", \"stream\": {{stream}}}'\ntext: /token/text\n"
        ));
        let mut body = b"x".to_vec();
        let messages = [Message::user("say \"a\"\n".to_owned())];
        let values = BodyValues { model: "m\"1", id: 7, output_tokens: 8, messages: &messages, stream: true };
        assert!(raw.write_body(&mut body, values));
        let expected =
            r#"x{"inputs": "say \"a\"\n", "parameters": {"max_new_tokens": 8}, "id": "m\"1-7", "stream": true}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        assert!(raw.names_model());
    }

    #[test]
    fn pointers_find_text_counts_finish_and_error() {
        let raw = raw(concat!(
            "body: '{{prompt}}'\ntext: /out/0/te~1xt\ninput-tokens: /meta/in\noutput-tokens: /meta/out\n",
            "finish: /meta/finish\nerror: /meta/failure\nframing: ndjson\n"
        ));
        let delta = raw.read(r#"{"out":[{"te/xt":"ab"}],"meta":{"in":5,"out":2,"finish":"eos"}}"#).unwrap();
        assert_eq!((delta.answer, delta.bytes, delta.finish_reason.as_deref()), (true, 2, Some("eos")));
        assert_eq!(delta.usage, Some(Counts { input: Some(5), output: Some(2), ..Counts::default() }));
        let failed = raw.read(r#"{"out":[],"meta":{"failure":"boom"}}"#).unwrap();
        assert_eq!((failed.answer, failed.error.as_deref()), (false, Some("boom")));
        assert_eq!(raw.framing(), StreamFraming::Lines);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_is_accepted() {
        for (yaml, said) in [
            ("body: '{{promt}}'\ntext: /a\n", "`{{promt}}` is no placeholder"),
            ("body: '{}'\ntext: /a\n", "has no {{prompt}}"),
            ("body: '{{prompt}}'\ntext: a\n", "`a` is no JSON pointer"),
            ("body: '{{prompt}}'\ntext: /a\nfinish: b\n", "`b` is no JSON pointer"),
        ] {
            let refusal = serde_saphyr::from_str::<RawEndpoint>(yaml).unwrap().checked().unwrap_err();
            assert!(refusal.to_string().contains(said), "{refusal}");
        }
        assert!(serde_saphyr::from_str::<RawEndpoint>("body: x\ntext: /a\ntxt: /b\n").is_err());
    }
}
