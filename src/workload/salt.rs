//! Owns `Salt`: it makes the prompts of one run differ from the prompts of another run.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::seed::{Seed, Stream};
use crate::workload::Tokenizer;
use crate::workload::words::append_words;

/// Makes the prompts of one run differ from the prompts of another run, so that no prefix cache helps across runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Salt {
    /// No salt: the same prompts for the same seed.
    Off,
    /// A marker of three words in front of every prompt, drawn by the hash of this text; it counts as part of the
    /// prompt's length. Words instead of the text itself, so that a tokenizer counts them as `words-v1` does. Three
    /// words, so that two texts share a marker only once in 10⁹. A prompt of fewer than four tokens has a shorter
    /// marker, so that at least one word remains for the prompt itself.
    Text(String),
}

impl Salt {
    const MARKER_WORDS: u32 = 3;

    /// A different salt for each `place`.
    #[must_use]
    pub fn of(&self, place: usize) -> Self {
        match self {
            Self::Off => Self::Off,
            Self::Text(salt) => Self::Text(format!("{salt}/{place}")),
        }
    }

    /// The text of the salt, if there is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Off => None,
            Self::Text(salt) => Some(salt),
        }
    }

    /// The stream from which the text of prefix blocks is drawn, each block at its id. It depends only on the salt,
    /// not on the plan's seed. Salted blocks need no marker in front: a marker would shift every block across the
    /// block borders of a server's cache.
    pub(crate) fn stream_of_blocks(&self) -> Stream {
        match self {
            Self::Off => Seed::new(0).stream("blocks"),
            Self::Text(salt) => Seed::new(0).stream(&format!("blocks/{salt}")),
        }
    }

    /// Puts the marker for a prompt of `tokens` tokens into the empty `text`. Returns the marker's tokens: as
    /// `tokenizer` counts them, or its words without one.
    pub(crate) fn mark(&self, text: &mut String, tokens: u32, tokenizer: Option<&Tokenizer>) -> u32 {
        let Self::Text(salt) = self else { return 0 };
        let mut words: ChaCha8Rng = Seed::new(0).stream(&format!("salt/{salt}")).sequence();
        if let Some(tokenizer) = tokenizer {
            return tokenizer.append_marker(text, Self::MARKER_WORDS, tokens, &mut words);
        }
        let count = Self::MARKER_WORDS.min(tokens.saturating_sub(1));
        append_words(text, count, &mut words);
        count
    }
}
