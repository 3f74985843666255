//! Owns `DataRow`: one request of a data set.

use std::borrow::Cow;

use crate::units::estimate::text_of_body;
use crate::workload::{Few, Message, MessagePart, Role, WholeBody, joined_text};

/// What a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workload) enum Said {
    /// Messages, which the endpoint writes into a body.
    Messages(Few<Message>),
    /// A whole request body, which is sent as it is.
    Body(WholeBody),
    /// A number of tokens: the text is made to this length.
    Length(u32),
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
    /// Time between the answer before it and this turn, in nanoseconds, if the row gives one.
    pub(super) think_ns: Option<u64>,
}

impl DataRow {
    /// A row of one question by the user.
    pub(super) fn question(text: String) -> Self {
        Self::of(Few::One(Message::user(text)))
    }

    /// A row of `messages`.
    pub(super) const fn of(messages: Few<Message>) -> Self {
        Self { said: Said::Messages(messages), output_tokens: None, answer: None, think_ns: None }
    }

    /// A row that is the whole body `body`.
    pub(super) const fn whole(body: WholeBody) -> Self {
        Self { said: Said::Body(body), output_tokens: None, answer: None, think_ns: None }
    }

    /// A row of a text that is made to a length of `tokens`.
    pub(super) const fn length(tokens: u32) -> Self {
        Self { said: Said::Length(tokens), output_tokens: None, answer: None, think_ns: None }
    }

    /// Whether it is a whole request body.
    pub(super) const fn is_body(&self) -> bool {
        matches!(self.said, Said::Body(_))
    }

    /// Whether it has a message of the system.
    pub(super) fn has_system(&self) -> bool {
        match &self.said {
            Said::Messages(messages) => messages.iter().any(|message| message.role == Role::System),
            Said::Body(_) | Said::Length(_) => false,
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
            Said::Body(_) | Said::Length(_) => None,
        }
    }

    /// The text whose tokens are the input tokens of the row. For a body, it is every text under the keys of
    /// prompts.
    pub(super) fn counted_text(&self) -> Cow<'_, str> {
        match &self.said {
            Said::Messages(messages) => joined_text(messages),
            Said::Body(body) => text_of_body(body).into(),
            Said::Length(_) => Cow::Borrowed(""),
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
            Said::Body(body) => {
                add("body", body);
                if body.needs_model() {
                    add("model", b"");
                }
            }
            Said::Length(tokens) => add("length", &tokens.to_le_bytes()),
        }
        if let Some(tokens) = self.output_tokens {
            add("output", &tokens.to_le_bytes());
        }
        if let Some(answer) = &self.answer {
            add("answer", answer.as_bytes());
        }
        if let Some(think_ns) = self.think_ns {
            add("think", &think_ns.to_le_bytes());
        }
        add("end", b"");
    }
}
