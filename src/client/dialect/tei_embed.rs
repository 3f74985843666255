//! Owns the dialect `tei-embed`: `POST /embed` of text-embeddings-inference takes a batch of texts and returns a bare
//! list of vectors.

use serde_json::{Map, Value};

use super::items;
use super::kind::{Capabilities, Dialect, StreamFields};
use super::served::{AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest};
use crate::client::delta::Delta;
use crate::client::length_field::LengthField;
use crate::client::said::failure_of;
use crate::client::shape::Fragment;
use crate::client::value::Raw;
use crate::error::Error;
use crate::workload::Message;

/// The dialect `tei-embed`.
#[derive(Debug)]
pub(super) struct TeiEmbed;

impl Dialect for TeiEmbed {
    fn name(&self) -> &'static str {
        "tei-embed"
    }

    fn path(&self) -> &'static str {
        "/embed"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { token_counts: false, ..items::CAPABILITIES }
    }

    fn sentence(&self) -> &'static str {
        "text-embeddings-inference's own: a batch of texts (the option batch-size); a vector for each, no token counts."
    }

    fn texts(&self, batch: u32) -> Option<u32> {
        Some(batch)
    }

    /// The server loads one model, and its requests name none.
    fn names_model(&self) -> bool {
        false
    }

    fn answers_with_list(&self) -> bool {
        true
    }

    fn prompt_key(&self) -> &'static str {
        "inputs"
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
        let vectors: Raw<'_> = serde_json::from_str(object).map_err(|error| error.to_string())?;
        let any = vectors.is_list() && !vectors.is_empty();
        let error = failure_of(vectors);
        if !vectors.is_list() && error.is_none() {
            return Err("no list of vectors".to_owned());
        }
        Ok(Delta { answer: any, of_choices: u64::from(any), error, ..Delta::default() })
    }

    fn for_each_fragment(&self, object: &str, _each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        self.read(object).is_ok()
    }
}

impl ServedDialect for TeiEmbed {
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: Value = serde_json::from_slice(body)?;
        let parts = items::listed(&body["inputs"]);
        let count = body["inputs"].as_array().map_or(1, Vec::len);
        let tokens = if parts.is_empty() { Err("inputs must hold at least one text") } else { Ok(()) };
        Ok(items::served(&body, count, tokens.map(|()| items::tokens_of(&parts))))
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        items::listed(&body["inputs"]).into_iter().for_each(each);
    }

    fn beginning(&self, _identity: AnswerIdentity<'_>, _streamed: bool) -> Vec<u8> {
        b"[".to_vec()
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, _usage: Option<AnswerUsage>) {
        let Says::Whole { items, .. } = says else { return };
        out.extend_from_slice(beginning);
        let vectors = vec!["[0.5,-0.5,0.5,-0.5]"; items as usize];
        out.extend_from_slice(vectors.join(",").as_bytes());
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_list_of_vectors_or_an_error() {
        assert!(TeiEmbed.read("[[0.1,0.2],[0.3,0.4]]").unwrap().answer);
        assert!(!TeiEmbed.read("[]").unwrap().answer);
        let overloaded = r#"{"error":"Model is overloaded","error_type":"Overloaded"}"#;
        assert_eq!(TeiEmbed.read(overloaded).unwrap().error.as_deref(), Some("Model is overloaded"));
        assert!(TeiEmbed.read(r#"{"data":[[0.1]]}"#).is_err());
    }

    #[test]
    fn a_text_alone_is_a_batch_of_one() {
        for (body, items) in [(r#"{"inputs":"a b"}"#, 1), (r#"{"inputs":["a","b"]}"#, 2)] {
            let asked = TeiEmbed.read_request(body.as_bytes()).unwrap();
            assert_eq!((asked.prompt_tokens, asked.items, asked.streamed), (Ok(2), items, false), "{body}");
        }
        assert!(TeiEmbed.read_request(br#"{"inputs":[]}"#).unwrap().prompt_tokens.is_err());
    }
}
