//! Owns `History`: what the server has answered so far in one session.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::workload::{Tokenizer, estimate_text};

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
    /// `None`: an answer of the plan.
    answers: Vec<Option<Answered>>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    text: Box<str>,
    /// Its tokens as the server counts them, if that is known.
    served: Option<u32>,
    /// Its tokens by the plan's tokenizer, once they were counted.
    counted: Option<u32>,
}

impl Answered {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Its tokens: as `tokenizer` counts them; without one, as the server counts them; else an estimate.
    pub(super) fn tokens(&mut self, tokenizer: Option<&Tokenizer>) -> u32 {
        match tokenizer {
            Some(tokenizer) => *self.counted.get_or_insert_with(|| tokenizer.count(&self.text)),
            None => *self.served.get_or_insert_with(|| estimate_text(&self.text)),
        }
    }
}

impl History {
    /// Adds the answer to the latest turn, with the server's count of its tokens, if that is known. Bytes that are not
    /// UTF-8 become U+FFFD, because a request is JSON.
    pub fn push(&mut self, answer: &[u8], tokens: Option<u32>) {
        let text = String::from_utf8_lossy(answer).into();
        self.answers.push(Some(Answered { text, served: tokens, counted: None }));
    }

    /// Marks the answers before turn `turn` that are not known as answers of the plan.
    pub(crate) fn begin_at(&mut self, turn: usize) {
        self.answers.resize(self.answers.len().max(turn), None);
    }

    /// The answer to turn `turn` (from 0), if it is known.
    pub(super) fn answer_mut(&mut self, turn: usize) -> Option<&mut Answered> {
        self.answers.get_mut(turn)?.as_mut()
    }
}
