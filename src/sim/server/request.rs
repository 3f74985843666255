//! Owns what a client asked for: the head of an HTTP request, and the blocks of its prompt.

use crate::client::Endpoint;
use crate::client::dialect::PromptPart;
use crate::workload::estimated_words;

/// The largest accepted body, in bytes.
pub(super) const MOST_BODY_BYTES: usize = 64 << 20;
/// The largest accepted head, in bytes.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Answer(Endpoint),
    Models,
    /// The model with this name.
    Model(Box<str>),
    Tokenize,
    Detokenize,
    Health,
    Metrics,
    /// Empties the prefix cache.
    ResetCache,
    /// A known path, but another method.
    WrongMethod,
    Unknown,
}

/// How the body of a request is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// By its length, in bytes.
    Bytes(usize),
    Chunks,
}

/// The parts of a request's head that the server uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) route: Route,
    /// Bytes of the head.
    pub(super) length: usize,
    pub(super) body: Body,
    pub(super) keep_alive: bool,
    /// Whether the response must end with its head, as for HEAD.
    pub(super) bodiless: bool,
    pub(super) wants_continue: bool,
    pub(super) authorization: Option<Box<str>>,
    pub(super) request_id: Option<Box<str>>,
}

impl Head {
    /// The head of a request of `method` for `path`, without its headers.
    pub(super) fn new(method: &str, path: &str) -> Self {
        Self {
            route: route(method, path),
            length: 0,
            body: Body::Bytes(0),
            keep_alive: true,
            bodiless: method == "HEAD",
            wants_continue: false,
            authorization: None,
            request_id: None,
        }
    }

    /// Notes a header that has the same meaning in every version of HTTP.
    pub(super) fn note_header(&mut self, name: &str, value: &[u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let value = std::str::from_utf8(value).map_or("", str::trim);
        if is("authorization") {
            self.authorization = Some(value.into());
        } else if is("x-api-key") || is("api-key") {
            self.authorization = Some(format!("Bearer {value}").into());
        } else if is("x-request-id") {
            self.request_id = Some(value.into());
        }
    }
}

/// Why a head is refused: the status of the refusal, and its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadHead(pub(super) u16, pub(super) &'static str);

/// Where a request of `method` for `path` goes.
fn route(method: &str, path: &str) -> Route {
    let is_of = |endpoint: &&Endpoint| endpoint.is_at(path);
    let (known, expected) = match (path, Endpoint::ALL.iter().find(is_of)) {
        (_, Some(endpoint)) => (Route::Answer(*endpoint), "POST"),
        ("/v1/models", None) => (Route::Models, "GET"),
        ("/health", None) => (Route::Health, "GET"),
        ("/metrics", None) => (Route::Metrics, "GET"),
        ("/reset_prefix_cache", None) => (Route::ResetCache, "POST"),
        ("/tokenize", None) => (Route::Tokenize, "POST"),
        ("/detokenize", None) => (Route::Detokenize, "POST"),
        _ => match path.strip_prefix("/v1/models/") {
            Some(name) if !name.is_empty() => (Route::Model(unescaped(name).into()), "GET"),
            _ => return Route::Unknown,
        },
    };
    // HEAD is GET without the body of the response (RFC 9110, section 9.3.2).
    if method == expected || (method == "HEAD" && expected == "GET") { known } else { Route::WrongMethod }
}

/// A part of a path without its percent signs. What does not escape a byte stays as it is.
fn unescaped(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|two| std::str::from_utf8(two).ok()).filter(|_| *first == b'%');
        if let Some(byte) = escaped.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads a head from the front of `bytes`; `None` while the head is incomplete. No input makes it panic.
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
    let new = Head::new(request.method.unwrap_or(""), path);
    let mut head = Head { length, keep_alive: request.version == Some(1), ..new };
    for header in request.headers.iter() {
        let value = || std::str::from_utf8(header.value).map_or("", str::trim);
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let length = value().parse().map_err(|_| BadHead(400, "content-length is not a number"))?;
            if length > MOST_BODY_BYTES {
                return Err(BadHead(413, "the body exceeds 64 MiB"));
            }
            // Chunks decide the length, whatever else the head says (RFC 9112, section 6.3).
            if head.body != Body::Chunks {
                head.body = Body::Bytes(length);
            }
        } else if is("transfer-encoding") {
            if !value().eq_ignore_ascii_case("chunked") {
                return Err(BadHead(501, "the only transfer-encoding here is chunked"));
            }
            head.body = Body::Chunks;
        } else if is("connection") {
            if value().eq_ignore_ascii_case("close") {
                head.keep_alive = false;
            } else if value().eq_ignore_ascii_case("keep-alive") {
                head.keep_alive = true;
            }
        } else if is("expect") {
            head.wants_continue = value().eq_ignore_ascii_case("100-continue");
        } else {
            head.note_header(header.name, header.value);
        }
    }
    Ok(Some(head))
}

/// Ids of each prompt's blocks of `block_tokens` tokens, for a prefix cache. Each id hashes all words up to the one
/// that fills its block, with the role and the start of each message. A token id counts as a word of one token. An
/// incomplete block has no id.
pub(super) fn prompt_blocks(body: &[u8], endpoint: Endpoint, block_tokens: u32) -> Vec<Vec<u64>> {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let new = || Chain { hash: FNV_OFFSET, tokens: 0, block_tokens: block_tokens.max(1), ids: Vec::new() };
    let (mut chain, mut all) = (new(), Vec::new());
    endpoint.dialect().for_each_prompt_part(&body, &mut |part| match part {
        PromptPart::Next => all.push(std::mem::replace(&mut chain, new()).ids),
        PromptPart::Role(role) => chain.mix(role),
        PromptPart::Text(text) => estimated_words(text).for_each(|(word, tokens)| chain.word(word.trim(), tokens)),
        PromptPart::TokenId(id) => chain.word(&id, 1),
    });
    all.push(chain.ids);
    all
}

/// FNV-1a, 64 bits: the same on every machine.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

struct Chain {
    hash: u64,
    tokens: u32,
    block_tokens: u32,
    ids: Vec<u64>,
}

impl Chain {
    fn mix(&mut self, word: &str) {
        // The byte 0xff occurs in no UTF-8 text, so it separates words.
        for byte in word.bytes().chain([0xff]) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
    }

    fn word(&mut self, word: &str, tokens: u32) {
        self.mix(word);
        let full = self.tokens / self.block_tokens;
        self.tokens = self.tokens.saturating_add(tokens);
        for _ in full..self.tokens / self.block_tokens {
            self.ids.push(self.hash);
            if tokens > self.block_tokens {
                // No two blocks of one prompt have the same id.
                self.mix("");
            }
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
            (&head.route, head.body, head.keep_alive, head.length),
            (&Route::Answer(Endpoint::default()), Body::Bytes(12), true, text.len() - 4)
        );
        assert_eq!((head.request_id.as_deref(), head.authorization.as_deref()), (Some("r-7"), Some("Bearer k")));
        assert_eq!(parse_head(&text[..40]), Ok(None));
        assert_eq!(
            parse_head(b"GET /v1/chat/completions HTTP/1.1\r\n\r\n").unwrap().unwrap().route,
            Route::WrongMethod
        );
        assert_eq!(parse_head(b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n").unwrap_err().0, 400);
        assert_eq!(parse_head(b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n").unwrap_err().0, 501);
        for both in
            ["Transfer-Encoding: Chunked\r\nContent-Length: 3", "content-length: 3\r\ntransfer-encoding: chunked"]
        {
            let head = parse_head(format!("POST / HTTP/1.1\r\n{both}\r\n\r\n").as_bytes()).unwrap().unwrap();
            assert_eq!(head.body, Body::Chunks);
        }
        let route = |line: &str| parse_head(format!("{line} HTTP/1.1\r\n\r\n").as_bytes()).unwrap().unwrap().route;
        assert_eq!(route("HEAD /metrics"), Route::Metrics);
        assert_eq!(route("HEAD /tokenize"), Route::WrongMethod);
        assert_eq!(route("GET /v1/models/org%2Fname%20x%"), Route::Model("org/name x%".into()));
        assert_eq!(route("GET /v1/models/"), Route::Unknown);
        assert!(!parse_head(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap().unwrap().keep_alive);
    }

    #[test]
    fn prompts_that_begin_alike_have_the_same_first_blocks() {
        let blocks = |text: &str| {
            prompt_blocks(
                format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#).as_bytes(),
                Endpoint::default(),
                2,
            )
            .remove(0)
        };
        assert_eq!(blocks("a b c d e").len(), 2);
        assert_eq!(blocks("a b c d e"), blocks("a b c d f"));
        assert_eq!(blocks("a b c d")[0], blocks("a b x d")[0]);
        assert_ne!(blocks("a b c d")[1], blocks("a b x d")[1]);
        assert_ne!(blocks("a b c d")[1], blocks("x b c d")[1], "an id covers everything before its block too");
        assert_ne!(blocks("ab c"), blocks("a bc"));
        let parts = prompt_blocks(
            br#"{"messages":[{"role":"user","content":[{"text":"a b"},{"text":"c d"}]}]}"#,
            Endpoint::default(),
            2,
        );
        assert_eq!(parts, [blocks("a b c d")]);
        assert_eq!(prompt_blocks(b"{nonsense", Endpoint::default(), 2), [[0; 0]]);
        let completions = "completions".parse().unwrap();
        let prompt = |prompt: &str| prompt_blocks(format!(r#"{{"prompt":{prompt}}}"#).as_bytes(), completions, 2);
        assert_eq!(prompt(r#"["a b c d", "x", "a b"]"#).iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(prompt(r#""a b c d e""#), prompt(r#"["a b c d f"]"#));
        assert_eq!(prompt("[1, 2, 3, 4, 5]")[0].len(), 2);
        assert_eq!(prompt("[1, 2, 3, 4]")[0][0], prompt("[[1, 2, 9, 4]]")[0][0]);
        assert_ne!(prompt("[1, 2]"), prompt("[12, 2]"));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_head_parser(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_head(&bytes);
        }

        #[test]
        fn no_text_breaks_the_body_parser(text in "\\PC*") {
            for endpoint in Endpoint::ALL {
                let _ = endpoint.dialect().read_request(text.as_bytes());
            }
        }
    }
}
