//! Owns `Endpoint` and the table of the supported kinds of endpoint.

use std::fmt;

use super::chat::Chat;
use super::completions::Completions;
use super::embeddings::Embeddings;
use super::kind::{Capabilities, Dialect, StreamFraming};
use super::messages::Messages;
use super::ollama_chat::OllamaChat;
use super::ollama_generate::OllamaGenerate;
use super::pairs::{RERANK, SCORE};
use super::raw::RawEndpoint;
use super::responses::Responses;
use super::tei_embed::TeiEmbed;
use crate::error::Refusal;

/// A kind of endpoint: how its requests are written and its responses read.
#[derive(Clone, Copy)]
pub struct Endpoint(&'static dyn Dialect);

impl Endpoint {
    /// Every kind; the first is the default.
    pub const ALL: &'static [Self] = &[
        // /v1/chat/completions: takes messages; the server puts them into its chat template.
        Self(&Chat),
        // /v1/completions: takes a bare prompt and returns text.
        Self(&Completions),
        // /v1/responses: takes messages, and answers in typed events.
        Self(&Responses),
        // /v1/messages: Anthropic's; takes messages and a system prompt, and answers in typed events.
        Self(&Messages),
        // /v1/embeddings: takes a batch of texts, and returns a vector for each.
        Self(&Embeddings),
        // /v1/rerank: takes a query and documents, and returns a rank for each.
        Self(&RERANK),
        // /v1/score: takes a text and a list of texts, and returns a score for each pair.
        Self(&SCORE),
        // /api/chat: Ollama's chat, in lines of JSON.
        Self(&OllamaChat),
        // /api/generate: Ollama's completion, in lines of JSON.
        Self(&OllamaGenerate),
        // /embed: text-embeddings-inference; takes a batch of texts, and returns a bare list of vectors.
        Self(&TeiEmbed),
        // The path of the target: a body and pointers of the user's own.
        Self(&RawEndpoint::PLAIN),
    ];

    /// The endpoint that `raw` describes. It lives as long as the process.
    #[must_use]
    pub fn raw(raw: RawEndpoint) -> Self {
        Self(Box::leak(Box::new(raw)))
    }

    /// Whether the user writes the whole body, so that no option adds a field to it.
    #[must_use]
    pub fn has_template(self) -> bool {
        self.0.has_template()
    }

    /// Whether a request names its model.
    #[must_use]
    pub fn names_model(self) -> bool {
        self.0.names_model()
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Its path below the versioned base; below the base without a version if it begins with a slash.
    #[must_use]
    pub fn path(self) -> &'static str {
        self.0.path()
    }

    /// Its path on a server whose base has no path: `/v1/chat/completions`, `/api/chat`, or `/`.
    #[must_use]
    pub fn full_path(self) -> String {
        match self.path() {
            "" => "/".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/v1/{path}"),
        }
    }

    /// What is sent and what is answered, in one sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.0.sentence()
    }

    /// The number of texts in a request for `batch` items; `None` when a request always has one item.
    #[must_use]
    pub fn texts(self, batch: u32) -> Option<u32> {
        self.0.texts(batch)
    }

    /// The key of the texts at which the model stops; `None` when there is none.
    #[must_use]
    pub fn stop_key(self) -> Option<&'static str> {
        self.0.stop_key()
    }

    /// Whether a request holds messages with roles, among them that of the system.
    #[must_use]
    pub fn takes_messages(self) -> bool {
        self.0.takes_messages()
    }

    /// Whether a message may hold images.
    #[must_use]
    pub fn takes_images(self) -> bool {
        self.0.takes_images()
    }

    /// The key of the number of answers to one request; `None` when a request has one answer.
    #[must_use]
    pub fn choices_key(self) -> Option<&'static str> {
        self.0.choices_key()
    }

    /// The key of the object that holds the sampling options; `None` when they stand in the body itself.
    #[must_use]
    pub fn sampling_parent(self) -> Option<&'static str> {
        self.0.length_parent()
    }

    /// Whether a server serves it at `path`.
    pub(crate) fn is_at(self, path: &str) -> bool {
        let own = self.path();
        match own {
            "" => path == "/",
            _ if own.starts_with('/') => path == own,
            _ => path.strip_prefix("/v1/") == Some(own),
        }
    }

    /// How the objects of a stream are separated.
    #[must_use]
    pub fn framing(self) -> StreamFraming {
        self.0.framing()
    }

    /// The header that carries the API key, unless the user names another.
    #[must_use]
    pub fn key_header(self) -> &'static str {
        self.0.key_header()
    }

    /// What it can do; this decides which metrics are defined for it.
    #[must_use]
    pub fn capabilities(self) -> Capabilities {
        self.0.capabilities()
    }

    /// An endpoint that is not in the table.
    #[cfg(test)]
    pub(super) const fn of(dialect: &'static dyn Dialect) -> Self {
        Self(dialect)
    }

    /// Its dialect.
    pub(crate) fn dialect(self) -> &'static dyn Dialect {
        self.0
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::ALL[0]
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Endpoint {}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Endpoint {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.iter().copied().find(|endpoint| endpoint.name() == text);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|endpoint| endpoint.name()).collect();
            Refusal::new(format!("`{text}` is not an endpoint"), format!("accepted is {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workload::Message;

    #[test]
    fn every_row_of_the_table_can_be_named_and_told_from_the_others() {
        for endpoint in Endpoint::ALL {
            assert_eq!(endpoint.name().parse(), Ok(*endpoint));
        }
        let distinct = |of: fn(&Endpoint) -> &'static str| Endpoint::ALL.iter().map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(distinct(|endpoint| endpoint.name()), Endpoint::ALL.len());
        assert_eq!(distinct(|endpoint| endpoint.path()), Endpoint::ALL.len());
        let refusal = "audio".parse::<Endpoint>().unwrap_err().to_string();
        assert!(refusal.contains("accepted is chat, completions, responses"), "{refusal}");
    }

    #[test]
    fn what_an_endpoint_writes_its_server_reads() {
        for endpoint in Endpoint::ALL {
            let dialect = endpoint.dialect();
            let mut body = format!(r#"{{"{}":"#, dialect.prompt_key()).into_bytes();
            dialect.write_prompt(&mut body, &[Message::user("three short words".to_owned())]);
            let length = dialect.length_key(None).unwrap();
            let length = length.map(|key| match dialect.length_parent() {
                Some(parent) => format!(r#","{parent}":{{"{key}":7}}"#),
                None => format!(r#","{key}":7"#),
            });
            body.extend_from_slice(length.unwrap_or_default().as_bytes());
            body.push(b'}');
            let asked = dialect.read_request(&body).unwrap();
            // A single text is both the query and the document of an endpoint that ranks documents.
            let texts = endpoint.texts(1).unwrap_or(1);
            let generates = endpoint.capabilities().output_tokens;
            assert_eq!(asked.prompt_tokens, Ok(3 * texts), "{endpoint}");
            assert_eq!((asked.output_tokens, asked.items), (generates.then_some(7), 1), "{endpoint}");
        }
    }
}
