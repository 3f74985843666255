//! Owns `History`: what the server has answered so far in one session.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// Which answers stand in the history that a later turn carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replies {
    /// The answers that the server gave in this run.
    #[default]
    Real,
    /// Texts that the plan holds: of the length asked for, or recorded in the data set. The bodies then do not depend
    /// on the server.
    Planned,
}

impl Replies {
    /// The name that users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Planned => "planned",
        }
    }
}

impl FromStr for Replies {
    type Err = Refusal;

    /// Reads `real`, `planned`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        [Self::Real, Self::Planned]
            .into_iter()
            .find(|replies| replies.name() == text.trim())
            .ok_or_else(|| Refusal::new(format!("`{text}` is no source of answers"), "accepted is real or planned"))
    }
}

impl fmt::Display for Replies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The answers of the server to the earlier turns of a session, in their order. It exists while the session lives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    answers: Vec<Answered>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) text: Box<str>,
    /// Its tokens, once they were counted: by the plan's tokenizer, else by estimate.
    pub(super) tokens: Option<u32>,
}

impl History {
    /// Adds the answer to the latest turn. Bytes that are not UTF-8 become U+FFFD, because a request is JSON.
    pub fn push(&mut self, answer: &[u8]) {
        self.answers.push(Answered { text: String::from_utf8_lossy(answer).into(), tokens: None });
    }

    /// The answer to turn `turn` (from 0), if it is known.
    pub(super) fn answer_mut(&mut self, turn: usize) -> Option<&mut Answered> {
        self.answers.get_mut(turn)
    }
}
