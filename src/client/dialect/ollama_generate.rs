//! Owns the dialect `ollama-generate`: Ollama's `POST /api/generate`.

use serde_json::{Map, Value};

use super::kind::{Capabilities, Dialect, StreamFields, StreamFraming, only_length, quote, stream_alone};
use super::ollama;
use super::served::{AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest};
use super::single;
use super::written::push_all;
use crate::client::delta::Delta;
use crate::client::length_field::LengthField;
use crate::client::shape::Fragment;
use crate::error::Error;
use crate::workload::{Message, estimate_text, joined_text};

/// The dialect `ollama-generate`.
#[derive(Debug)]
pub(super) struct OllamaGenerate;

impl Dialect for OllamaGenerate {
    fn name(&self) -> &'static str {
        "ollama-generate"
    }

    fn path(&self) -> &'static str {
        "/api/generate"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::CHAT
    }

    fn sentence(&self) -> &'static str {
        "Ollama's own generate: one prompt; one answer in lines of JSON."
    }

    fn framing(&self) -> StreamFraming {
        StreamFraming::Lines
    }

    fn prompt_key(&self) -> &'static str {
        "prompt"
    }

    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        quote(body, &joined_text(messages));
    }

    fn length_key(&self, asked: Option<LengthField>) -> Result<Option<&'static str>, Error> {
        only_length(self.name(), ollama::LENGTH, asked)
    }

    fn length_parent(&self) -> Option<&'static str> {
        Some(ollama::LENGTH_PARENT)
    }

    fn fields(&self, asked: StreamFields) -> Map<String, Value> {
        stream_alone(asked)
    }

    fn read(&self, object: &str) -> Result<Delta, String> {
        single::read(object, ollama::visit)
    }

    fn for_each_fragment(&self, object: &str, each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        single::for_each_fragment(object, ollama::visit, each)
    }
}

impl ServedDialect for OllamaGenerate {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: Value = serde_json::from_slice(body)?;
        Ok(ollama::served(&body, body["prompt"].as_str().map(estimate_text).ok_or("prompt must be a text")))
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        each(PromptPart::Text(body["prompt"].as_str().unwrap_or("")));
    }

    fn beginning(&self, identity: AnswerIdentity<'_>, _streamed: bool) -> Vec<u8> {
        ollama::beginning(identity)
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        ollama::write(out, beginning, says, usage, |out, reasoning, text| {
            push_all(out, &[r#""response":""#, text, "\""]);
            if !reasoning.is_empty() {
                push_all(out, &[r#","thinking":""#, reasoning, "\""]);
            }
        });
    }
}
