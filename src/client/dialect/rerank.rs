//! Owns the dialect `rerank`: `POST /rerank` takes a query and documents and returns how relevant each document is
//! (vLLM, Jina, Cohere).

use serde_json::{Map, Value};

use super::items;
use super::kind::{Capabilities, Dialect, StreamFields, quote};
use super::served::{AnswerIdentity, AnswerUsage, PromptPart, Says, ServedDialect, ServedRequest};
use super::written::push_all;
use crate::client::delta::Delta;
use crate::client::length_field::LengthField;
use crate::client::shape::Fragment;
use crate::error::Error;
use crate::workload::Message;

/// The dialect `rerank`.
#[derive(Debug)]
pub(super) struct Rerank;

/// The keys of the list of results: the usual one, then the key of other servers.
const LISTS: [&str; 2] = ["results", "data"];

impl Dialect for Rerank {
    fn name(&self) -> &'static str {
        "rerank"
    }

    fn path(&self) -> &'static str {
        "rerank"
    }

    fn capabilities(&self) -> Capabilities {
        items::CAPABILITIES
    }

    fn sentence(&self) -> &'static str {
        "A query and a batch of documents (the option batch-size); a rank for each. An item is a document."
    }

    fn texts(&self, batch: u32) -> Option<u32> {
        Some(batch.saturating_add(1))
    }

    fn prompt_key(&self) -> &'static str {
        "query"
    }

    /// Writes the first text, and the others as a list under the key `documents`.
    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        let (query, documents) = items::query_and_documents(messages);
        quote(body, &query);
        body.extend_from_slice(b",\"documents\":");
        items::write_list(body, &documents);
    }

    fn length_key(&self, _asked: Option<LengthField>) -> Result<Option<&'static str>, Error> {
        Ok(None)
    }

    fn fields(&self, asked: StreamFields) -> Map<String, Value> {
        items::no_fields(asked)
    }

    fn text_keys(&self) -> &'static [&'static [u8]] {
        &[]
    }

    fn read(&self, object: &str) -> Result<Delta, String> {
        items::read(object, LISTS)
    }

    fn for_each_fragment(&self, object: &str, _each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        items::read(object, LISTS).is_ok()
    }
}

impl ServedDialect for Rerank {
    /// As in vLLM, the query counts once with each document.
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: Value = serde_json::from_slice(body)?;
        let (query, documents) = (items::listed(&body["query"]), items::listed(&body["documents"]));
        let tokens = if query.is_empty() || documents.is_empty() {
            Err("query must hold a text, and documents at least one")
        } else {
            let pairs = u32::try_from(documents.len()).unwrap_or(u32::MAX);
            Ok(items::tokens_of(&query).saturating_mul(pairs).saturating_add(items::tokens_of(&documents)))
        };
        Ok(items::served(&body, documents.len(), tokens))
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        items::listed(&body["query"]).into_iter().chain(items::listed(&body["documents"])).for_each(each);
    }

    fn beginning(&self, identity: AnswerIdentity<'_>, _streamed: bool) -> Vec<u8> {
        items::beginning("rerank", identity)
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        let Says::Whole { items, .. } = says else { return };
        items::write_whole(out, beginning, "results", (items, usage), |out, index| {
            push_all(out, &[r#"{"index":"#, index, r#","relevance_score":0.5}"#]);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_is_compared_with_each_of_the_others() {
        let mut body = br#"{"query":"#.to_vec();
        Rerank.write_prompt(&mut body, &["q r", "a", "b c"].map(|text| Message::user(text.to_owned())));
        body.push(b'}');
        assert_eq!(body, br#"{"query":"q r","documents":["a","b c"]}"#);
        let asked = Rerank.read_request(&body).unwrap();
        assert_eq!((asked.prompt_tokens, asked.items), (Ok(7), 2));
        assert!(Rerank.read_request(br#"{"query":"q","documents":[]}"#).unwrap().prompt_tokens.is_err());
    }

    #[test]
    fn the_list_of_results_is_found() {
        assert!(Rerank.read(r#"{"results":[{"index":0,"score":0.1,"relevance_score":0.1}]}"#).unwrap().answer);
    }
}
