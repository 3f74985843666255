//! Owns `Synthetic`: synthetic prompts from words of `words-v1`, exact tokens of a tokenizer, or the blocks of a
//! trace.

use std::fmt;
use std::sync::Arc;

use crate::seed::{Seed, Stream};
use crate::workload::blocks::append_blocks;
use crate::workload::words::append_words;
use crate::workload::{Fit, Fits, Outline, Prefix, Salt, Tokenizer};

/// Makes prompts of exactly the requested length. A pure function of (content, outline, prefix).
#[derive(Clone)]
pub(super) struct Synthetic {
    salt: Salt,
    tokenizer: Option<Arc<Tokenizer>>,
    prompts: Stream,
    blocks: Stream,
    fits: Arc<Fits>,
}

impl Synthetic {
    /// Prompts drawn from `seed` (stream `prompts`, at the request's id), after the marker of `salt`. `tokenizer`
    /// counts their tokens; without one, each word counts as a token.
    pub(super) fn new(salt: Salt, tokenizer: Option<Arc<Tokenizer>>, seed: Seed) -> Self {
        let blocks = salt.stream_of_blocks();
        Self { salt, tokenizer, prompts: seed.stream("prompts"), blocks, fits: Arc::default() }
    }

    /// The maker of prompts with `fits` found before the run: prompts are then made without encoding anything.
    pub(super) fn remember(self, fits: Fits) -> Self {
        Self { fits: Arc::new(fits), ..self }
    }

    /// The prompt of `outline`, and with a tokenizer its fit. The prompt begins with the blocks of `prefix`, or with
    /// the salt's marker if there are no blocks.
    pub(super) fn prompt(&self, outline: &Outline, prefix: Prefix) -> (String, Option<Fit>) {
        let (id, tokens) = (outline.id, outline.input_tokens);
        let mut text = String::new();
        let tokenizer = self.tokenizer.as_deref();
        let placed = if prefix.ids.is_empty() {
            self.salt.mark(&mut text, tokens, tokenizer)
        } else {
            append_blocks(&mut text, tokens, prefix.block_tokens, prefix.ids.into_iter(), &self.blocks)
        };
        let mut generator = self.prompts.at(id);
        let fit = if let Some(tokenizer) = tokenizer {
            let known = self.fits.of(id, tokens);
            Some(tokenizer.fill(&mut text, placed, tokens, &mut generator, known.as_ref()))
        } else {
            append_words(&mut text, tokens - placed, &mut generator);
            None
        };
        (text, fit)
    }
}

impl fmt::Debug for Synthetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synthetic").field("salt", &self.salt).finish_non_exhaustive()
    }
}
