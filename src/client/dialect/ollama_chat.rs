//! Owns the dialect `ollama-chat`: Ollama's `POST /api/chat`.

use std::slice;

use serde_json::{Map, Value};

use super::kind::{Capabilities, Dialect, StreamFields, StreamFraming, only_length, quote, stream_alone};
use super::ollama;
use super::prompt::write_messages;
use super::served::{AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest};
use super::single;
use super::written::push_all;
use crate::client::delta::Delta;
use crate::client::length_field::LengthField;
use crate::client::shape::Fragment;
use crate::error::Error;
use crate::workload::{Message, estimate_text, joined_text};

/// The dialect `ollama-chat`.
#[derive(Debug)]
pub(super) struct OllamaChat;

impl Dialect for OllamaChat {
    fn name(&self) -> &'static str {
        "ollama-chat"
    }

    fn path(&self) -> &'static str {
        "/api/chat"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::CHAT
    }

    fn sentence(&self) -> &'static str {
        "Ollama's own chat: messages; one answer in lines of JSON."
    }

    fn framing(&self) -> StreamFraming {
        StreamFraming::Lines
    }

    fn prompt_key(&self) -> &'static str {
        "messages"
    }

    /// Writes the content of each message as one text: these messages have no parts.
    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        write_messages(body, messages.iter(), |body, message| quote(body, &joined_text(slice::from_ref(message))));
    }

    fn takes_messages(&self) -> bool {
        true
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

impl ServedDialect for OllamaChat {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: Value = serde_json::from_slice(body)?;
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let tokens = messages.map(|messages| {
            let tokens = messages.iter().map(|message| estimate_text(message["content"].as_str().unwrap_or("")));
            tokens.fold(0, u32::saturating_add)
        });
        Ok(ollama::served(&body, tokens.ok_or("messages must hold at least one message")))
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        for message in body["messages"].as_array().into_iter().flatten() {
            each(PromptPart::Role(message["role"].as_str().unwrap_or("")));
            each(PromptPart::Text(message["content"].as_str().unwrap_or("")));
        }
    }

    fn beginning(&self, identity: AnswerIdentity<'_>, _streamed: bool) -> Vec<u8> {
        ollama::beginning(identity)
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        ollama::write(out, beginning, says, usage, |out, reasoning, text| {
            push_all(out, &[r#""message":{"role":"assistant","content":""#, text, "\""]);
            if !reasoning.is_empty() {
                push_all(out, &[r#","thinking":""#, reasoning, "\""]);
            }
            out.push(b'}');
        });
    }
}
