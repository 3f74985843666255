//! Owns `Endpoint`, the kinds of endpoint that can be asked: where they live and how their bodies stand around a
//! prompt.

use std::fmt;

use super::length_field::LengthField;
use super::{chat, completions};
use crate::error::{Error, Refusal};

/// A kind of endpoint. What an answer says is read the same way for all of them: see [`crate::client::delta`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Endpoint {
    /// `/v1/chat/completions`: messages in, the server's chat template around them.
    #[default]
    Chat,
    /// `/v1/completions`: a bare prompt in, text out.
    Completions,
}

impl Endpoint {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Chat, Self::Completions];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
        }
    }

    /// Its path below the versioned base.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => chat::PATH,
            Self::Completions => completions::PATH,
        }
    }

    pub(super) const fn before_prompt(self) -> &'static str {
        match self {
            Self::Chat => chat::BEFORE_PROMPT,
            Self::Completions => completions::BEFORE_PROMPT,
        }
    }

    pub(super) const fn after_prompt(self) -> &'static str {
        match self {
            Self::Chat => chat::AFTER_PROMPT,
            Self::Completions => completions::AFTER_PROMPT,
        }
    }

    pub(super) fn length_key(self, asked: Option<LengthField>) -> Result<&'static str, Error> {
        match self {
            Self::Chat => Ok(chat::length_key(asked)),
            Self::Completions => completions::length_key(asked),
        }
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
        Self::ALL
            .into_iter()
            .find(|endpoint| endpoint.name() == text)
            .ok_or_else(|| Refusal::new(format!("`{text}` is not an endpoint"), "accepted is chat or completions"))
    }
}
