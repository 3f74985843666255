//! Owns what a client asked: the head of an HTTP request, and the body of a chat or completion request.

use std::borrow::Cow;
use std::fmt;

use crate::client::Endpoint;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The largest body that is taken in.
const MOST_BODY_BYTES: usize = 64 << 20;
/// The largest head.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Answer(Endpoint),
    Models,
    Health,
    Metrics,
    /// A known path, but another method.
    WrongMethod,
    Unknown,
}

/// The head of a request, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) route: Route,
    pub(super) length: usize,
    pub(super) body: usize,
    pub(super) keep_alive: bool,
    pub(super) wants_continue: bool,
    pub(super) authorization: Option<Box<str>>,
    pub(super) request_id: Option<Box<str>>,
}

/// Why a head cannot be used: the status that says so, and a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadHead(pub(super) u16, pub(super) &'static str);

/// Reads a head from the front of `bytes`; `None` while it is incomplete. No byte makes it panic.
pub(super) fn parse_head(bytes: &[u8]) -> Result<Option<Head>, BadHead> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() > MOST_HEAD_BYTES => {
            return Err(BadHead(431, "the head exceeds 64 KiB"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(BadHead(431, "more than 64 header lines")),
        Err(_) => return Err(BadHead(400, "not an HTTP request")),
    };
    let path = request.path.unwrap_or("").split('?').next().unwrap_or("");
    let method = request.method.unwrap_or("");
    let route = match (method, path) {
        ("POST", "/v1/chat/completions") => Route::Answer(Endpoint::Chat),
        ("POST", "/v1/completions") => Route::Answer(Endpoint::Completions),
        ("GET", "/v1/models") => Route::Models,
        ("GET", "/health") => Route::Health,
        ("GET", "/metrics") => Route::Metrics,
        (_, "/v1/chat/completions" | "/v1/completions" | "/v1/models" | "/health" | "/metrics") => Route::WrongMethod,
        _ => Route::Unknown,
    };
    let mut head = Head {
        route,
        length,
        body: 0,
        keep_alive: request.version == Some(1),
        wants_continue: false,
        authorization: None,
        request_id: None,
    };
    for header in request.headers.iter() {
        let value = || std::str::from_utf8(header.value).map_or("", str::trim);
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            head.body = value().parse().map_err(|_| BadHead(400, "content-length is not a number"))?;
            if head.body > MOST_BODY_BYTES {
                return Err(BadHead(413, "the body exceeds 64 MiB"));
            }
        } else if is("transfer-encoding") {
            return Err(BadHead(411, "a request body needs a content-length here"));
        } else if is("connection") {
            if value().eq_ignore_ascii_case("close") {
                head.keep_alive = false;
            } else if value().eq_ignore_ascii_case("keep-alive") {
                head.keep_alive = true;
            }
        } else if is("expect") {
            head.wants_continue = value().eq_ignore_ascii_case("100-continue");
        } else if is("authorization") {
            head.authorization = Some(value().into());
        } else if is("x-request-id") {
            head.request_id = Some(value().into());
        }
    }
    Ok(Some(head))
}

/// The body of a request, as far as the answer depends on it. What is asked about is counted, not kept.
#[derive(Debug, Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) model: Option<Cow<'a, str>>,
    /// Of a chat.
    pub(super) messages: Option<Messages>,
    /// Of a completion.
    pub(super) prompt: Option<Prompt>,
    pub(super) max_tokens: Option<u32>,
    pub(super) max_completion_tokens: Option<u32>,
    pub(super) n: Option<u32>,
    pub(super) stream: Option<bool>,
    pub(super) stream_options: Option<StreamOptions>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamOptions {
    pub(super) include_usage: Option<bool>,
    pub(super) continuous_usage_stats: Option<bool>,
}

impl Body<'_> {
    /// Output tokens asked for; `max_completion_tokens` goes before its older name, as in vLLM.
    pub(super) fn length(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_tokens)
    }
}

/// The messages of a request: how many, and their words. One word of white-space-separated text counts as one token
/// (`words-v1`): a documented estimate, the same for every client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Messages {
    pub(super) count: u32,
    pub(super) words: u32,
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Messages;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of messages")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Messages, A::Error> {
                let mut messages = Messages::default();
                while let Some(Message { content }) = list.next_element()? {
                    messages.count += 1;
                    messages.words = messages.words.saturating_add(content.map_or(0, |words| words.0));
                }
                Ok(messages)
            }
        }
        deserializer.deserialize_seq(Seen)
    }
}

#[derive(Deserialize)]
struct Message {
    content: Option<Words>,
}

/// Words of a text, or of the text parts of a list of parts.
struct Words(u32);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Words;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of parts")
            }
            fn visit_str<E>(self, text: &str) -> Result<Words, E> {
                Ok(Words(words_of(text)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
                let mut words = 0u32;
                while let Some(Words(more)) = list.next_element()? {
                    words = words.saturating_add(more);
                }
                Ok(Words(words))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut part: A) -> Result<Words, A::Error> {
                let mut words = 0;
                while let Some(key) = part.next_key::<Cow<'de, str>>()? {
                    if key == "text" {
                        words = part.next_value::<Words>()?.0;
                    } else {
                        part.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Words(words))
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

/// The prompts of a completion: how many, and their tokens: the words of a text, or token ids as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Prompt {
    pub(super) count: u32,
    pub(super) tokens: u32,
}

/// One item of a list: a token id of the one prompt, or a prompt of its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item<'a> {
    Token(#[expect(dead_code, reason = "that it is a number is all that counts")] u32),
    Tokens(Vec<u32>),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl<'de> Deserialize<'de> for Prompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Prompt;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, token ids, or a list of either")
            }
            fn visit_str<E>(self, text: &str) -> Result<Prompt, E> {
                Ok(Prompt { count: 1, tokens: words_of(text) })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Prompt, A::Error> {
                let (mut ids, mut prompts) = (0u32, Prompt::default());
                while let Some(item) = list.next_element::<Item<'de>>()? {
                    let tokens = match item {
                        Item::Token(_) => {
                            ids += 1;
                            continue;
                        }
                        Item::Tokens(ids) => u32::try_from(ids.len()).unwrap_or(u32::MAX),
                        Item::Text(text) => words_of(&text),
                    };
                    prompts.count += 1;
                    prompts.tokens = prompts.tokens.saturating_add(tokens);
                }
                match (ids, prompts.count) {
                    (0, _) => Ok(prompts),
                    (_, 0) => Ok(Prompt { count: 1, tokens: ids }),
                    _ => Err(serde::de::Error::custom("token ids and prompts in one list")),
                }
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

fn words_of(text: &str) -> u32 {
    u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX)
}

/// Ids of the blocks of `block_tokens` words that the prompt of a body is made of, for a prefix cache: each hashes
/// all words up to its end, and the role and beginning of each message. A token id is a word. An unfinished block has
/// none.
pub(super) fn prompt_blocks(body: &[u8], endpoint: Endpoint, block_tokens: u32) -> Vec<u64> {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let mut chain = Chain { hash: FNV_OFFSET, words: 0, block_words: block_tokens.max(1), ids: Vec::new() };
    if endpoint == Endpoint::Completions {
        chain.prompt(&body["prompt"]);
        return chain.ids;
    }
    for message in body["messages"].as_array().into_iter().flatten() {
        chain.mix(message["role"].as_str().unwrap_or(""));
        match &message["content"] {
            serde_json::Value::String(text) => chain.text(text),
            serde_json::Value::Array(parts) => {
                parts.iter().filter_map(|part| part["text"].as_str()).for_each(|text| chain.text(text));
            }
            _ => {}
        }
    }
    chain.ids
}

/// FNV-1a, 64 bits: the same on every machine.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

struct Chain {
    hash: u64,
    words: u32,
    block_words: u32,
    ids: Vec<u64>,
}

impl Chain {
    fn mix(&mut self, word: &str) {
        // The byte after the word occurs in no UTF-8 text, so that two words are not one.
        for byte in word.bytes().chain([0xff]) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
    }

    fn word(&mut self, word: &str) {
        self.mix(word);
        self.words += 1;
        if self.words.is_multiple_of(self.block_words) {
            self.ids.push(self.hash);
        }
    }

    fn text(&mut self, text: &str) {
        text.split_whitespace().for_each(|word| self.word(word));
    }

    /// The prompt of a completion, of which there is one.
    fn prompt(&mut self, prompt: &serde_json::Value) {
        match prompt {
            serde_json::Value::String(text) => self.text(text),
            serde_json::Value::Number(id) => self.word(&id.to_string()),
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.prompt(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_says_where_it_goes_and_how_long_the_body_is() {
        let text = b"POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: a\r\ncontent-length: 12\r\nX-Request-Id: \
            r-7\r\nAuthorization: Bearer k\r\n\r\nbody";
        let head = parse_head(text).unwrap().unwrap();
        assert_eq!(
            (head.route, head.body, head.keep_alive, head.length),
            (Route::Answer(Endpoint::Chat), 12, true, text.len() - 4)
        );
        assert_eq!((head.request_id.as_deref(), head.authorization.as_deref()), (Some("r-7"), Some("Bearer k")));
        assert_eq!(parse_head(&text[..40]), Ok(None));
        assert_eq!(
            parse_head(b"GET /v1/chat/completions HTTP/1.1\r\n\r\n").unwrap().unwrap().route,
            Route::WrongMethod
        );
        assert_eq!(parse_head(b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n").unwrap_err().0, 400);
        assert_eq!(parse_head(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap_err().0, 411);
        assert!(!parse_head(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap().unwrap().keep_alive);
    }

    #[test]
    fn words_are_counted_in_text_and_in_parts() {
        let chat: Body<'_> = serde_json::from_str(
            r#"{"model":"m","messages":[{"role":"system","content":"be\nbrief  now"},{"role":"assistant","content":null},
                {"content":[{"type":"text","text":"two words"},{"type":"image_url","image_url":{"url":"text not counted"}}]}],"max_tokens":3,"seed":1}"#,
        )
        .unwrap();
        assert_eq!((chat.messages, chat.length()), (Some(Messages { count: 3, words: 5 }), Some(3)));
        for (prompt, tokens) in
            [(r#""three short words""#, 3), (r#"["one two"]"#, 2), ("[11, 12, 13]", 3), ("[[11, 12]]", 2)]
        {
            assert_eq!(serde_json::from_str::<Prompt>(prompt).unwrap(), Prompt { count: 1, tokens }, "{prompt}");
        }
        assert_eq!(serde_json::from_str::<Prompt>(r#"["a", "b c"]"#).unwrap(), Prompt { count: 2, tokens: 3 });
        assert!(serde_json::from_str::<Prompt>("7").is_err() && serde_json::from_str::<Prompt>(r#"[1, "a"]"#).is_err());
        assert!(serde_json::from_str::<Body<'_>>(r#"{"messages":"hello"}"#).is_err());
        assert!(serde_json::from_str::<Body<'_>>(r#"{"messages":[],"max_tokens":-1}"#).is_err());
    }

    #[test]
    fn prompts_that_begin_alike_have_the_same_first_blocks() {
        let blocks = |text: &str| {
            prompt_blocks(
                format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#).as_bytes(),
                Endpoint::Chat,
                2,
            )
        };
        assert_eq!(blocks("a b c d e").len(), 2);
        assert_eq!(blocks("a b c d e"), blocks("a b c  d f"));
        assert_eq!(blocks("a b c d")[0], blocks("a b x d")[0]);
        assert_ne!(blocks("a b c d")[1], blocks("a b x d")[1]);
        assert_ne!(blocks("a b c d")[1], blocks("x b c d")[1], "an id stands for all that comes before it");
        assert_ne!(blocks("ab c"), blocks("a bc"));
        let parts = prompt_blocks(
            br#"{"messages":[{"role":"user","content":[{"text":"a b"},{"text":"c d"}]}]}"#,
            Endpoint::Chat,
            2,
        );
        assert_eq!(parts, blocks("a b c d"));
        assert!(prompt_blocks(b"{nonsense", Endpoint::Chat, 2).is_empty());
        let prompt =
            |prompt: &str| prompt_blocks(format!(r#"{{"prompt":{prompt}}}"#).as_bytes(), Endpoint::Completions, 2);
        assert_eq!(prompt(r#""a b c d e""#), prompt(r#"["a b c d f"]"#));
        assert_eq!(prompt("[1, 2, 3, 4, 5]").len(), 2);
        assert_eq!(prompt("[1, 2, 3, 4]")[0], prompt("[[1, 2, 9, 4]]")[0]);
        assert_ne!(prompt("[1, 2]"), prompt("[12, 2]"));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_head_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_head(&bytes);
        }

        #[test]
        fn no_text_breaks_the_body_parser(text in "\\PC*") {
            let _ = serde_json::from_str::<Body<'_>>(&text);
        }
    }
}
