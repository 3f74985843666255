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

    /// Its path below the versioned base.
    fn path(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The key of a request body that holds the prompt.
    fn prompt_key(&self) -> &'static str;

    /// Appends the JSON value of [`Dialect::prompt_key`].
    fn write_prompt(&self, body: &mut Vec<u8>, messages: &[Message]);

    /// The key that asks for the output length; `None` when no length can be asked for. `asked` is the field that the
    /// user chose; a field that the endpoint does not know is refused.
    fn length_key(&self, asked: Option<LengthField>) -> Result<Option<&'static str>, Error>;

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
    /// string is not parsed again.
    fn text_keys(&self) -> &'static [&'static [u8]];

    /// Reads a JSON object of a response: the data of an event, or a whole response that is not streamed. The error
    /// says why the object is malformed.
    fn read(&self, object: &str) -> Result<Delta, String>;

    /// Hands each fragment of the model's text in a JSON object to `each`, in the order in which the model wrote them.
    /// Returns `false` when the object is malformed.
    fn for_each_fragment(&self, object: &str, each: &mut dyn FnMut(Fragment<'_>)) -> bool;
}

/// Appends `text` as a JSON string.
pub(super) fn quote(body: &mut Vec<u8>, text: &str) {
    // Writing a string into memory cannot fail. If it ever did, the request would have an empty prompt, and the body
    // fingerprint would differ.
    if serde_json::to_writer(&mut *body, text).is_err() {
        body.extend_from_slice(b"\"\"");
    }
}
