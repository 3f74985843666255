//! Owns `Dialect`: what a client needs to know about a kind of endpoint, from its path to the meaning of its responses.

use std::fmt;

use serde_json::{Map, Value};

use super::served::ServedDialect;
use crate::client::delta::Delta;
use crate::client::length_field::LengthField;
use crate::client::shape::Fragment;
use crate::error::Error;
use crate::workload::Message;

/// What an endpoint can do. It decides which options apply and which metrics are defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It generates output tokens. Without them no metric of output tokens is defined: tpot, ntpot, output speed.
    pub output_tokens: bool,
    /// Its responses can be streamed. Without a stream no metric of single events is defined: ttft, ttfo, itl, tbt,
    /// stall.
    pub streams: bool,
    /// Its responses have a separate place for reasoning. Without it, ttfo equals ttft.
    pub reasoning: bool,
    /// The server puts the prompt into a chat template, so it counts more prompt tokens than were sent.
    pub chat_template: bool,
    /// Its responses state how many tokens were read and written.
    pub token_counts: bool,
    /// Its servers know the options of vLLM: `ignore_eos`, `min_tokens`, and a token count in each event.
    pub engine_options: bool,
}

impl Capabilities {
    /// A chat of a text model, without the options of one engine. Other endpoints say where they differ.
    pub(super) const CHAT: Self = Self {
        output_tokens: true,
        streams: true,
        reasoning: true,
        chat_template: true,
        token_counts: true,
        engine_options: false,
    };
}

/// How the objects of a stream are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFraming {
    /// Server-sent events: `data: {…}` and a blank line.
    Events,
    /// One JSON object a line (NDJSON).
    Lines,
}

impl StreamFraming {
    /// The content type of a stream.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// The values that a request body is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyValues<'a> {
    /// The name of the model.
    pub(crate) model: &'a str,
    /// The number of the request.
    pub(crate) id: u64,
    /// Output tokens asked for.
    pub(crate) output_tokens: u32,
    /// The messages of the request.
    pub(crate) messages: &'a [Message],
    /// Whether the response is streamed.
    pub(crate) stream: bool,
}

/// The options of a request that decide which keys follow its prompt and its output length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamFields {
    /// Whether the response is streamed.
    pub(crate) stream: bool,
    /// Whether each event of a stream must carry the token count so far.
    pub(crate) continuous_usage: bool,
    /// Whether the model must continue until the length asked for.
    pub(crate) ignore_eos: bool,
}

/// A kind of endpoint. Implementations hold no state; `Endpoint::ALL` has one value for each kind.
pub(crate) trait Dialect: ServedDialect + fmt::Debug + Send + Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// Its path below the versioned base (`chat/completions` is `/v1/chat/completions`). A path that begins with a
    /// slash is below the base without a version. An empty path is the path of the target as given.
    fn path(&self) -> &'static str;

    /// What is sent and what is answered, in one sentence for the help page.
    fn sentence(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The key of a request body that holds the prompt.
    fn prompt_key(&self) -> &'static str;

    /// How the objects of a stream are separated.
    fn framing(&self) -> StreamFraming {
        StreamFraming::Events
    }

    /// The header that carries the API key. In `authorization` the key is a bearer token.
    fn key_header(&self) -> &'static str {
        "authorization"
    }

    /// Headers of every request, beside those of all endpoints.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The number of texts in a request for `batch` items; `None` when a request always has one item.
    fn texts(&self, _batch: u32) -> Option<u32> {
        None
    }

    /// Whether a request holds messages with roles, among them that of the system.
    fn takes_messages(&self) -> bool {
        false
    }

    /// Whether a message may hold images.
    fn takes_images(&self) -> bool {
        false
    }

    /// The key of the number of answers to one request; `None` when a request has one answer.
    fn choices_key(&self) -> Option<&'static str> {
        None
    }

    /// Whether the user writes the whole body, so that no option adds a field to it.
    fn has_template(&self) -> bool {
        false
    }

    /// Whether a request names its model.
    fn names_model(&self) -> bool {
        true
    }

    /// Whether a response without a finish reason is complete when its transport ends in order.
    fn ends_with_body(&self) -> bool {
        false
    }

    /// Whether a response may be a bare JSON list, not only an object.
    fn answers_with_list(&self) -> bool {
        false
    }

    /// Appends a whole body made in another way than model, prompt, length and fields. Returns `false`, and appends
    /// nothing, for an endpoint whose bodies are made in that way.
    fn write_body(&self, _body: &mut Vec<u8>, _values: BodyValues<'_>) -> bool {
        false
    }

    /// Appends the JSON value of [`Dialect::prompt_key`]. Further keys that hold parts of the messages may follow it.
    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]);

    /// The key that asks for the output length; `None` when no length can be asked for. `asked` is the field that the
    /// user chose; a field that the endpoint does not know is refused.
    fn length_key(&self, asked: Option<LengthField>) -> Result<Option<&'static str>, Error>;

    /// The key of the object that holds the key of the output length; `None` when that key stands in the body itself.
    fn length_parent(&self) -> Option<&'static str> {
        None
    }

    /// The key of the texts at which the model stops; `None` when there is none.
    fn stop_key(&self) -> Option<&'static str> {
        Some("stop")
    }

    /// The keys after the prompt and the output length, before the keys that the user adds.
    fn fields(&self, asked: StreamFields) -> Map<String, Value> {
        let mut keys = Map::new();
        keys.insert("stream".to_owned(), Value::Bool(asked.stream));
        if asked.stream {
            let mut stream_options = Map::new();
            stream_options.insert("include_usage".to_owned(), Value::Bool(true));
            if asked.continuous_usage {
                stream_options.insert("continuous_usage_stats".to_owned(), Value::Bool(true));
            }
            keys.insert("stream_options".to_owned(), Value::Object(stream_options));
        }
        if asked.ignore_eos {
            keys.insert("ignore_eos".to_owned(), Value::Bool(true));
        }
        keys
    }

    /// The keys, with quotes and colon, under which an event holds the text of a token, the most likely key first. A
    /// string under such a key must mean only its text: an event that differs from an earlier one only inside the
    /// string is not parsed again. Without keys, every object is parsed.
    fn text_keys(&self) -> &'static [&'static [u8]] {
        &[]
    }

    /// Reads a JSON object of a response: the data of an event, or a whole response that is not streamed. The error
    /// says why the object is malformed.
    fn read(&self, object: &str) -> Result<Delta, String>;

    /// Hands each fragment of the model's text in a JSON object to `each`, in the order in which the model wrote them.
    /// Returns `false` when the object is malformed.
    fn for_each_fragment(&self, object: &str, each: &mut dyn FnMut(Fragment<'_>)) -> bool;
}

/// The refusal of a field for the output length that the endpoint `name` does not know; it uses `key`.
pub(super) fn only_length(
    name: &str,
    key: &'static str,
    asked: Option<LengthField>,
) -> Result<Option<&'static str>, Error> {
    match asked {
        Some(field) if field.name() != key => Err(Error::usage(
            "output-field",
            format!("the endpoint {name} asks for the output length by {key} alone, not by {}", field.name()),
            "drop it",
        )),
        _ => Ok(Some(key)),
    }
}

/// Only the key `stream`: the fields of an endpoint without further options.
pub(super) fn stream_alone(asked: StreamFields) -> Map<String, Value> {
    Map::from_iter([("stream".to_owned(), Value::Bool(asked.stream))])
}

/// Appends `text` as a JSON string.
pub(super) fn quote(body: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail. If it ever did, the request would have an empty prompt, and the body
    // fingerprint would differ.
    if serde_json::to_writer(&mut *body, text).is_err() {
        body.extend_from_slice(b"\"\"");
    }
}
