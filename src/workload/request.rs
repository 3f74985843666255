//! Owns `RequestSpec`: one request of a plan, with its numbers and its messages.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use crate::record::ONLY_CLASS;
use crate::workload::{Few, Message, MessagePart, joined_text};

/// The numbers of a request, known without making its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The request's number in the plan, from 0.
    pub id: u64,
    /// The request's class; `default` without a mix.
    pub class: Arc<str>,
    /// The request's session, if it has one.
    pub session: Option<u64>,
    /// The request's turn in its session, from 0.
    pub turn: Option<u32>,
    /// Turns of the request's session, if the later turns wait for the previous turn.
    pub turns: Option<u32>,
    /// Input tokens asked for.
    pub input_tokens: u32,
    /// Output tokens asked for; 0 if none are.
    pub output_tokens: u32,
}

impl Outline {
    /// Request `id` of no mix and of no session, which asks for these numbers of tokens.
    #[must_use]
    pub fn single(id: u64, input_tokens: u32, output_tokens: u32) -> Self {
        Self { id, class: ONLY_CLASS.into(), session: None, turn: None, turns: None, input_tokens, output_tokens }
    }
}

/// The beginning of a prompt: blocks of text that other prompts may share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefix {
    /// The blocks in order; equal ids mean equal text. The last may be cut.
    pub ids: Vec<u64>,
    /// Tokens of each block.
    pub block_tokens: u32,
}

/// A whole request body: a JSON object that is sent as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeBody {
    text: Bytes,
    /// Whether it names no model, and gets that of the load.
    needs_model: bool,
}

impl WholeBody {
    /// The body `text`, which is sent byte for byte.
    #[must_use]
    pub const fn new(text: Bytes) -> Self {
        Self { text, needs_model: false }
    }

    /// The body `text`, an object that names no model: each request puts its own model in front.
    #[must_use]
    pub const fn without_model(text: Bytes) -> Self {
        Self { text, needs_model: true }
    }

    /// The bytes that are sent to a server of `model`.
    #[must_use]
    pub fn for_model(&self, model: &str) -> Bytes {
        let Some(rest) = self.text.strip_prefix(b"{").filter(|_| self.needs_model) else { return self.text.clone() };
        let mut body = br#"{"model":"#.to_vec();
        body.extend_from_slice(serde_json::Value::from(model).to_string().as_bytes());
        if !rest.trim_ascii_start().starts_with(b"}") {
            body.push(b',');
        }
        body.extend_from_slice(rest);
        body.into()
    }

    /// Whether it gets the model of the load.
    pub(super) const fn needs_model(&self) -> bool {
        self.needs_model
    }
}

impl Deref for WholeBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.text
    }
}

/// A request ready to be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSpec {
    /// The numbers of the request.
    pub outline: Outline,
    /// The messages of the request.
    pub messages: Few<Message>,
    /// Tokens of the prompt text as the plan's tokenizer counts it, without special tokens; `None` without a
    /// tokenizer.
    pub counted_tokens: Option<u32>,
    /// A whole request body, which is sent as it is instead of the messages.
    pub body: Option<WholeBody>,
}

impl RequestSpec {
    /// A request of `outline` with one user message, `text`, without a count of its tokens.
    #[must_use]
    pub const fn of_text(outline: Outline, text: String) -> Self {
        Self { outline, messages: Few::One(Message::user(text)), counted_tokens: None, body: None }
    }

    /// A request of `outline` that is the whole `body`.
    #[must_use]
    pub const fn of_body(outline: Outline, body: WholeBody) -> Self {
        Self { outline, messages: Few::Many(Vec::new()), counted_tokens: None, body: Some(body) }
    }

    /// The prompt text: the texts of all messages, with a line break between any two.
    #[must_use]
    pub fn prompt(&self) -> Cow<'_, str> {
        joined_text(&self.messages)
    }

    /// The prompt text as an owned string; the text of a single part is moved, not copied.
    #[must_use]
    pub fn into_prompt(self) -> String {
        match self.messages {
            Few::One(Message { parts: Few::One(MessagePart::Text(text)), .. }) => text,
            messages => joined_text(&messages).into_owned(),
        }
    }
}
