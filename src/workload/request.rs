//! Owns `RequestSpec`: one request of a plan, its numbers first and its messages where they are made.

use std::borrow::Cow;
use std::sync::Arc;

use crate::workload::{Few, Message, MessagePart, joined_text};

/// What is known of a request without making its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its number in the plan, from 0.
    pub id: u64,
    /// Its class; `default` without a mix.
    pub class: Arc<str>,
    /// Its session, where it has one.
    pub session: Option<u64>,
    /// Its turn in the session.
    pub turn: Option<u32>,
    /// Input tokens asked for.
    pub input_tokens: u32,
    /// Output tokens asked for; 0 where none are.
    pub output_tokens: u32,
}

/// What a prompt begins with: blocks of text that stand in other prompts too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefix {
    /// The blocks in order; equal ids mean equal text. The last may be cut.
    pub ids: Vec<u64>,
    /// Tokens of each.
    pub block_tokens: u32,
}

/// A request ready to be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSpec {
    /// Its numbers.
    pub outline: Outline,
    /// What it says, message by message.
    pub messages: Few<Message>,
    /// Tokens of the prompt text as the plan's tokenizer counts it, special tokens not added; none without a tokenizer.
    pub counted_tokens: Option<u32>,
}

impl RequestSpec {
    /// A request of `outline` whose one message, by the user, is `text`; without a count of its tokens.
    #[must_use]
    pub const fn of_text(outline: Outline, text: String) -> Self {
        Self { outline, messages: Few::One(Message::user(text)), counted_tokens: None }
    }

    /// The prompt text: the texts of all messages, with a line break between any two.
    #[must_use]
    pub fn prompt(&self) -> Cow<'_, str> {
        joined_text(&self.messages)
    }

    /// The same as a text of its own; the text of a single part is moved, not copied.
    #[must_use]
    pub fn into_prompt(self) -> String {
        match self.messages {
            Few::One(Message { parts: Few::One(MessagePart::Text(text)), .. }) => text,
            messages => joined_text(&messages).into_owned(),
        }
    }
}
