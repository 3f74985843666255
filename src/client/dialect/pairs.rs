//! Owns the dialects `rerank` (vLLM, Jina, Cohere) and `score` (vLLM): a text is compared with each of a list of texts.
//! They differ only in their names and keys.

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

/// A dialect whose requests hold pairs of texts.
#[derive(Debug)]
pub(super) struct Pairs {
    /// Its name, its path, and the start of the ids of its responses.
    name: &'static str,
    sentence: &'static str,
    /// The key of the text that is compared, and the key of the list of the others.
    one: &'static str,
    others: &'static str,
    /// Why a request without texts is refused.
    lacking: &'static str,
    /// The keys of the list of results: the usual one, then the key of other servers.
    lists: [&'static str; 2],
    /// A result as the server writes it, before and after its index.
    result: [&'static str; 2],
}

/// The dialect `rerank`: `POST /rerank` returns how relevant each document is to the query.
pub(super) const RERANK: Pairs = Pairs {
    name: "rerank",
    sentence: "A query and a batch of documents (the option batch-size); a rank for each. An item is a document.",
    one: "query",
    others: "documents",
    lacking: "query must hold a text, and documents at least one",
    lists: ["results", "data"],
    result: [r#"{"index":"#, r#","relevance_score":0.5}"#],
};

/// The dialect `score`: `POST /score` returns how similar the texts of each pair are.
pub(super) const SCORE: Pairs = Pairs {
    name: "score",
    sentence: "vLLM: a text and a batch of texts (the option batch-size); a score for each pair. An item is a pair.",
    one: "text_1",
    others: "text_2",
    lacking: "text_1 must hold a text, and text_2 at least one",
    lists: ["data", "results"],
    result: [r#"{"object":"score","index":"#, r#","score":0.5}"#],
};

impl Dialect for Pairs {
    fn name(&self) -> &'static str {
        self.name
    }

    fn path(&self) -> &'static str {
        self.name
    }

    fn capabilities(&self) -> Capabilities {
        items::CAPABILITIES
    }

    fn sentence(&self) -> &'static str {
        self.sentence
    }

    fn texts(&self, batch: u32) -> Option<u32> {
        Some(batch.saturating_add(1))
    }

    fn prompt_key(&self) -> &'static str {
        self.one
    }

    /// Writes the first text, and the others as a list under their own key.
    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]) {
        let (one, others) = items::query_and_documents(messages);
        quote(body, &one);
        push_all(body, &[",\"", self.others, "\":"]);
        items::write_list(body, &others);
    }

    fn length_key(&self, _asked: Option<LengthField>) -> Result<Option<&'static str>, Error> {
        Ok(None)
    }

    fn fields(&self, asked: StreamFields) -> Map<String, Value> {
        items::no_fields(asked)
    }

    fn read(&self, object: &str) -> Result<Delta, String> {
        items::read(object, self.lists)
    }

    fn for_each_fragment(&self, object: &str, _each: &mut dyn FnMut(Fragment<'_>)) -> bool {
        items::read(object, self.lists).is_ok()
    }
}

impl ServedDialect for Pairs {
    /// As in vLLM, the text that is compared counts once with each of the others.
    fn read_request<'a>(&self, body: &'a [u8]) -> Result<ServedRequest<'a>, serde_json::Error> {
        let body: Value = serde_json::from_slice(body)?;
        let (one, others) = (items::listed(&body[self.one]), items::listed(&body[self.others]));
        let tokens = if one.is_empty() || others.is_empty() {
            Err(self.lacking)
        } else {
            let pairs = u32::try_from(others.len()).unwrap_or(u32::MAX);
            Ok(items::tokens_of(&one).saturating_mul(pairs).saturating_add(items::tokens_of(&others)))
        };
        Ok(items::served(&body, others.len(), tokens))
    }

    fn for_each_prompt_part(&self, body: &Value, each: &mut dyn FnMut(PromptPart<'_>)) {
        items::listed(&body[self.one]).into_iter().chain(items::listed(&body[self.others])).for_each(each);
    }

    fn beginning(&self, identity: AnswerIdentity<'_>, _streamed: bool) -> Vec<u8> {
        items::beginning(self.name, identity)
    }

    fn write(&self, out: &mut Vec<u8>, beginning: &[u8], says: Says<'_>, usage: Option<AnswerUsage>) {
        let Says::Whole { items, .. } = says else { return };
        let [before, after] = self.result;
        items::write_whole(out, beginning, self.lists[0], (items, usage), |out, index| {
            push_all(out, &[before, index, after]);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_is_compared_with_each_of_the_others() {
        for (dialect, expected, lacking) in [
            (RERANK, r#"{"query":"q r","documents":["a","b c"]}"#, r#"{"query":"q","documents":[]}"#),
            (SCORE, r#"{"text_1":"q r","text_2":["a","b c"]}"#, r#"{"text_1":"q","text_2":[]}"#),
        ] {
            let mut body = format!(r#"{{"{}":"#, dialect.prompt_key()).into_bytes();
            dialect.write_prompt(&mut body, &["q r", "a", "b c"].map(|text| Message::user(text.to_owned())));
            body.push(b'}');
            assert_eq!(body, expected.as_bytes());
            let asked = dialect.read_request(&body).unwrap();
            assert_eq!((asked.prompt_tokens, asked.items), (Ok(7), 2));
            assert!(dialect.read_request(lacking.as_bytes()).unwrap().prompt_tokens.is_err());
        }
    }

    #[test]
    fn the_list_of_results_is_found() {
        let result = r#"[{"index":0,"score":0.1,"relevance_score":0.1}]}"#;
        assert!(RERANK.read(&format!(r#"{{"results":{result}"#)).unwrap().answer);
        assert!(SCORE.read(&format!(r#"{{"data":{result}"#)).unwrap().answer);
    }
}
