//! Owns the dialect `embeddings`: `POST /embeddings` takes a batch of texts and returns a vector for each.

use serde_json::{Map, Value};

use super::items;
use super::kind::{Capabilities, Dialect, StreamFields};
use super::served::{AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest};
use super::written::push_all;
use crate::client::delta::Delta;
use crate::client::length_field::LengthField;
use crate::client::shape::Fragment;
use crate::error::Error;
use crate::workload::Message;

/// The dialect `embeddings`.
#[derive(Debug)]
pub(super) struct Embeddings;

/// The keys of the list of vectors: OpenAI's, then the key of Cohere and Ollama.
const LISTS: [&str; 2] = ["data", "embeddings"];

impl Dialect for Embeddings {
    fn name(&self) -> &'static str {
        "embeddings"
    }

    fn path(&self) -> &'static str {
        "embeddings"
    }

    fn capabilities(&self) -> Capabilities {
        items::CAPABILITIES
    }

    fn sentence(&self) -> &'static str {
        "A batch of texts (the option batch-size); a vector for each. An item is a text."
    }

    fn texts(&self, batch: u32) -> Option<u32> {
        Some(batch)
    }

    fn prompt_key(&self) -> &'static str {
        "input"
    }

    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        items::write_list(body, &items::texts(messages));
    }

    fn length_key(&self, _asked: Option<LengthField>) -> Result<Option<&'static str>, Error> {
        Ok(None)
    }

    fn fields(&self, asked: StreamFields) -> Map<String, Value> {
        items::no_fields(asked)
    }

    fn read(&self, object: &str) -> Result<Delta, String> {
        items::read(object, LISTS)
    }

    fn for_each_fragment(&self, object: &str, _each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        items::read(object, LISTS).is_ok()
    }
}

impl ServedDialect for Embeddings {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: Value = serde_json::from_slice(body)?;
        let input = &body["input"];
        let parts = items::listed(input);
        // A list of numbers is one text, given as token ids.
        let count = match input.as_array() {
            Some(list) if !list.iter().any(Value::is_number) => list.len(),
            _ => 1,
        };
        let tokens = if parts.is_empty() { Err("input must hold at least one text") } else { Ok(()) };
        Ok(items::served(&body, count, tokens.map(|()| items::tokens_of(&parts))))
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        items::listed(&body["input"]).into_iter().for_each(each);
    }

    fn beginning(&self, identity: AnswerIdentity<'_>, _streamed: bool) -> Vec<u8> {
        items::beginning("embd", identity)
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        let Says::Whole { items, .. } = says else { return };
        items::write_whole(out, beginning, "data", (items, usage), |out, index| {
            let vector = "[0.5,-0.5,0.5,-0.5]";
            push_all(out, &[r#"{"object":"embedding","index":"#, index, r#","embedding":"#, vector, "}"]);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_a_text_of_the_batch() {
        let mut body = br#"{"input":"#.to_vec();
        Embeddings.write_prompt(&mut body, &["a b", "c \"d\""].map(|text| Message::user(text.to_owned())));
        body.push(b'}');
        assert_eq!(body, br#"{"input":["a b","c \"d\""]}"#);
        let asked = Embeddings.read_request(&body).unwrap();
        assert_eq!((asked.prompt_tokens, asked.items, asked.streamed), (Ok(6), 2, false));
        let ids = Embeddings.read_request(br#"{"input":[1,2,3]}"#).unwrap();
        assert_eq!((ids.prompt_tokens, ids.items), (Ok(3), 1));
    }
}
