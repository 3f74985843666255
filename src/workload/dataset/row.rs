//! Owns `DataRow`: one request of a data set.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use crate::workload::{Few, Message, MessagePart, Role, joined_text};

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workload) enum Said {
    /// Messages, which the endpoint writes into a body.
    Messages(Few<Message>),
    /// A whole request body, which is sent as it is.
    Body(Bytes),
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workload) struct DataRow {
    /// What the row says.
    pub(in crate::workload) said: Said,
    /// Output tokens, if the row gives a number.
    pub(super) output_tokens: Option<u32>,
    /// The recorded answer, if the row has one. Its length is the output length of the request, unless the row gives a
    /// number.
    pub(super) answer: Option<Box<str>>,
}

impl DataRow {
    /// A row of one question by the user.
    pub(super) fn question(text: String) -> Self {
        Self::of(Few::One(Message::user(text)))
    }

    /// A row of `messages`.
    pub(super) const fn of(messages: Few<Message>) -> Self {
        Self { said: Said::Messages(messages), output_tokens: None, answer: None }
    }

    /// Whether it has a message of the system.
    pub(super) fn has_system(&self) -> bool {
        match &self.said {
            Said::Messages(messages) => messages.iter().any(|message| message.role == Role::System),
            Said::Body(_) => false,
        }
    }

    /// The recorded answer, if the row has one.
    pub(in crate::workload) fn answer(&self) -> Option<&str> {
        self.answer.as_deref()
    }

    /// The messages that the row says; `None` for a body.
    pub(super) fn said_messages(&self) -> Option<&[Message]> {
        match &self.said {
            Said::Messages(messages) => Some(messages),
            Said::Body(_) => None,
        }
    }

    /// The text whose tokens are the input tokens of the row. For a body, it is every text under the keys of
    /// prompts.
    pub(super) fn counted_text(&self) -> Cow<'_, str> {
        match &self.said {
            Said::Messages(messages) => joined_text(messages),
            Said::Body(body) => {
                let mut text = String::new();
                collect(&serde_json::from_slice(body).unwrap_or_default(), false, &mut text);
                text.into()
            }
        }
    }

    /// Adds everything that is sent, and the lengths, to `hasher`. Each text is preceded by its length.
    pub(super) fn hash(&self, hasher: &mut blake3::Hasher) {
        let mut add = |mark: &str, text: &[u8]| {
            hasher.update(mark.as_bytes());
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text);
        };
        match &self.said {
            Said::Messages(messages) => {
                for message in messages.iter() {
                    add("role", message.role.name().as_bytes());
                    message.parts.iter().map(MessagePart::text).for_each(|text| add("text", text.as_bytes()));
                }
            }
            Said::Body(body) => add("body", body),
        }
        if let Some(tokens) = self.output_tokens {
            add("output", &tokens.to_le_bytes());
        }
        if let Some(answer) = &self.answer {
            add("answer", answer.as_bytes());
        }
        add("end", b"");
    }
}

/// Adds the texts in `value` to `text`: those under the keys of prompts (`is_prompt`), at any depth.
fn collect(value: &Value, is_prompt: bool, text: &mut String) {
    match value {
        Value::String(said) if is_prompt => text.extend([said, "\n"]),
        Value::Array(items) => items.iter().for_each(|item| collect(item, is_prompt, text)),
        Value::Object(keys) => {
            for (key, inner) in keys {
                let prompt =
                    matches!(key.as_str(), "content" | "text" | "prompt" | "input" | "system" | "instructions");
                collect(inner, prompt, text);
            }
        }
        _ => {}
    }
}
