//! Owns `Salt`: what makes the prompts of one run differ from those of another.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::seed::{Seed, Stream};
use crate::workload::Tokenizer;
use crate::workload::words::append_words;

/// What makes the prompts of one run differ from those of another, so that no prefix cache survives between runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Salt {
    /// No salt: the same prompts for the same seed.
    Off,
    /// A marker of three words, drawn by the hash of this text, in front of every prompt and part of its length.
    /// Words rather than the text itself, so that a tokenizer counts them as we do; three, so that two texts share a
    /// marker once in 10⁹. A prompt of fewer than four tokens has a shorter marker, so that at least one word remains
    /// the prompt's own.
    Text(String),
}

impl Salt {
    const MARKER_WORDS: u32 = 3;

    /// Another one for each `place`: what one text draws, no other does.
    #[must_use]
    pub fn of(&self, place: usize) -> Self {
        match self {
            Self::Off => Self::Off,
            Self::Text(salt) => Self::Text(format!("{salt}/{place}")),
        }
    }

    /// The stream that the text of prefix blocks is drawn from, each at its id: of the salt alone, whatever the
    /// plan's seed. Salted blocks need no marker in front, which would push every one of them across the borders of a
    /// server's cache.
    pub(crate) fn stream_of_blocks(&self) -> Stream {
        match self {
            Self::Off => Seed::new(0).stream("blocks"),
            Self::Text(salt) => Seed::new(0).stream(&format!("blocks/{salt}")),
        }
    }

    /// Puts the marker for a prompt of `tokens` tokens into the empty `text`; returns how many tokens it has, words
    /// of `words-v1` or, with one, as `tokenizer` counts them.
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
