//! Owns what the endpoints without output tokens share: texts in, one answer for each item of a batch, not streamed.

use std::slice;

use serde_json::{Map, Value};

use super::kind::{Capabilities, StreamFields, quote};
use super::served::{AnswerIdentity, AnswerUsage, PromptPart, ServedRequest};
use super::written::push_all;
use crate::client::delta::{Counts, Delta};
use crate::client::said::failure_of;
use crate::client::value::Raw;
use crate::workload::{Message, joined_text};

/// What these endpoints can do.
pub(super) const CAPABILITIES: Capabilities =
    Capabilities { output_tokens: false, streams: false, reasoning: false, chat_template: false, ..Capabilities::CHAT };

/// The keys after the texts: none.
pub(super) fn no_fields(_asked: StreamFields) -> Map<String, Value> {
    Map::new()
}

/// Reads a response whose items are a list under one of `lists`. The error says why the object is malformed.
pub(super) fn read(object: &str, lists: [&str; 2]) -> Result<Delta, String> {
    let object: Raw<'_> = serde_json::from_str(object).map_err(|error| error.to_string())?;
    let [first, second, usage, meta] = object.keys([lists[0], lists[1], "usage", "meta"]);
    let list = if first.is_list() { first } else { second };
    let any = list.is_list() && !list.is_empty();
    let error = failure_of(object);
    if !list.is_list() && error.is_none() {
        return Err(format!("no list `{}`", lists[0]));
    }
    let choices = u64::from(any);
    let usage = counts_of(usage).or_else(|| counts_of(meta.key("tokens")));
    Ok(Delta { answer: any, of_choices: choices, usage, error, ..Delta::default() })
}

/// The input tokens of a `usage` object: of the prompts, or else of everything, because nothing is generated.
fn counts_of(usage: Raw<'_>) -> Option<Counts> {
    let [prompt, input, total] = usage.keys(["prompt_tokens", "input_tokens", "total_tokens"]);
    let known = [prompt, input, total].into_iter().find_map(|count| count.count().known());
    known.map(|input| Counts { input: Some(input), ..Counts::default() })
}

/// The text of each message: one item each.
pub(super) fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| joined_text(slice::from_ref(message)).into_owned()).collect()
}

/// Appends `texts` as a list of JSON strings.
pub(super) fn write_list(body: &mut Vec<u8>, texts: &[String]) {
    body.push(b'[');
    for (place, text) in texts.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        quote(body, text);
    }
    body.push(b']');
}

/// Splits the texts of a request that ranks documents: the first is the query, the others are the documents. A single
/// text is both.
pub(super) fn query_and_documents(messages: &[Message]) -> (String, Vec<String>) {
    let mut texts = texts(messages);
    let query = if texts.is_empty() { String::new() } else { texts.remove(0) };
    if texts.is_empty() {
        texts.push(query.clone());
    }
    (query, texts)
}

/// The texts in a value of a request: one text, or a list of texts or of token ids.
pub(super) fn listed(value: &Value) -> Vec<PromptPart<'_>> {
    match value {
        Value::String(text) => vec![PromptPart::Text(text)],
        Value::Number(id) => vec![PromptPart::TokenId(id.to_string())],
        Value::Array(items) => items.iter().flat_map(listed).collect(),
        Value::Object(keys) => keys.get("text").map(listed).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Tokens of some parts: each word, and each token id, is one.
pub(super) fn tokens_of(parts: &[PromptPart<'_>]) -> u32 {
    parts.iter().map(PromptPart::tokens).fold(0, u32::saturating_add)
}

/// A request of `items` items and `prompt_tokens` tokens.
pub(super) fn served<'a>(body: &Value, items: usize, prompt_tokens: Result<u32, &'static str>) -> ServedRequest<'a> {
    ServedRequest {
        streamed: false,
        usage_in_each: false,
        items: u32::try_from(items).unwrap_or(u32::MAX),
        ..ServedRequest::of(body, prompt_tokens, &Value::Null)
    }
}

/// The start of a response: its id, its time of creation and its model.
pub(super) fn beginning(id_prefix: &str, identity: AnswerIdentity<'_>) -> Vec<u8> {
    let AnswerIdentity { sequence, created_s, model_json, .. } = identity;
    format!(r#"{{"id":"{id_prefix}-{sequence:032x}","object":"list","created":{created_s},"model":"{model_json}""#)
        .into_bytes()
}

/// Appends a whole response: the list `key`, each of its items written by `write_item`, and the token counts.
pub(super) fn write_whole(
    out: &mut Vec<u8>,
    beginning: &[u8],
    key: &str,
    (items, usage): (u32, Option<AnswerUsage>),
    write_item: impl Fn(&mut Vec<u8>, &str),
) {
    out.extend_from_slice(beginning);
    push_all(out, &[",\"", key, "\":["]);
    for item in 0..items {
        if item > 0 {
            out.push(b',');
        }
        write_item(out, &item.to_string());
    }
    out.push(b']');
    if let Some(AnswerUsage { prompt, .. }) = usage {
        let usage = format!(r#","usage":{{"prompt_tokens":{prompt},"total_tokens":{prompt},"completion_tokens":0}}"#);
        out.extend_from_slice(usage.as_bytes());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_items_or_none_or_an_error() {
        let read = |object: &str| read(object, ["data", "embeddings"]);
        let whole = read(r#"{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":5,"total_tokens":5}}"#).unwrap();
        assert_eq!((whole.answer, whole.usage.and_then(|usage| usage.input)), (true, Some(5)));
        assert!(read(r#"{"embeddings":[[0.1,0.2]]}"#).unwrap().answer);
        assert!(!read(r#"{"data":[]}"#).unwrap().answer);
        assert_eq!(read(r#"{"error":{"message":"boom"}}"#).unwrap().error.as_deref(), Some("boom"));
        assert!(read(r#"{"choices":[]}"#).is_err());
    }

    #[test]
    fn token_ids_and_words_are_counted() {
        let tokens = |json: &str| tokens_of(&listed(&serde_json::from_str::<Value>(json).unwrap()));
        for (json, expected) in [(r#""a b""#, 2), ("[1,2,3]", 3), (r#"["a","b c"]"#, 3), ("[[1],[2,3]]", 3)] {
            assert_eq!(tokens(json), expected, "{json}");
        }
    }

    #[test]
    fn the_first_text_is_the_query() {
        let messages = ["q", "a", "b"].map(|text| Message::user(text.to_owned()));
        assert_eq!(query_and_documents(&messages), ("q".to_owned(), vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(query_and_documents(&messages[..1]), ("q".to_owned(), vec!["q".to_owned()]));
    }
}
