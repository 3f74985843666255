//! Owns `Synthetic`: synthetic prompts from words of `words-v1`, passages of natural text, exact tokens of a tokenizer,
//! or the blocks of a trace.

use std::fmt;
use std::sync::Arc;

use crate::seed::{Seed, Stream};
use crate::workload::blocks::append_blocks;
use crate::workload::natural::Corpus;
use crate::workload::words::append_words;
use crate::workload::{Fit, Fits, Outline, Prefix, Salt, TextKind, Tokenizer};

/// Words in front of a passage of natural text, drawn for each request, so that two passages with one beginning share
/// no block of a prefix cache.
const TELLING_WORDS: u32 = 2;
/// Tokens at the end of a prompt that natural text leaves to single words, which close the gap to the exact number. The
/// next larger one is tried if the text alone was too long. The last leaves everything to words.
const RESERVES: [u32; 4] = [3, 12, 48, u32::MAX];

/// Makes prompts of exactly the requested length. A pure function of (content, outline, prefix).
#[derive(Clone)]
pub(super) struct Synthetic {
    salt: Salt,
    kind: TextKind,
    /// The classes of a mix whose prompts are made of something else.
    kinds: Vec<(Arc<str>, TextKind)>,
    tokenizer: Option<Arc<Tokenizer>>,
    prompts: Stream,
    blocks: Stream,
    fits: Arc<Fits>,
}

impl Synthetic {
    /// Prompts drawn from `seed` (stream `prompts`, at the request's id), after the marker of `salt`. `tokenizer`
    /// counts their tokens; without one, each word counts as a token.
    pub(super) fn new(salt: Salt, kind: TextKind, tokenizer: Option<Arc<Tokenizer>>, seed: Seed) -> Self {
        let blocks = salt.stream_of_blocks();
        Self { salt, kind, kinds: Vec::new(), tokenizer, prompts: seed.stream("prompts"), blocks, fits: Arc::default() }
    }

    /// The same with prompts made of other text for these classes.
    pub(super) fn with_kinds(self, kinds: Vec<(Arc<str>, TextKind)>) -> Self {
        Self { kinds, ..self }
    }

    fn kind_of(&self, class: &str) -> TextKind {
        self.kinds.iter().find(|(of, _)| **of == *class).map_or(self.kind, |(_, kind)| *kind)
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
        if let Some(corpus) = self.kind_of(&outline.class).corpus() {
            let fit = self.natural(corpus, &mut text, id, placed, tokens);
            return (text, fit);
        }
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

    /// Extends `text`, which has `placed` tokens, to `tokens` tokens: with words that tell requests apart, with a
    /// passage of `corpus`, and with a tokenizer with the words that make its count exact.
    fn natural(&self, corpus: &Corpus, text: &mut String, id: u64, placed: u32, tokens: u32) -> Option<Fit> {
        let Some(tokenizer) = self.tokenizer.as_deref() else {
            let mut generator = self.prompts.at(id);
            let left = tokens - placed;
            let telling = TELLING_WORDS.min(left.saturating_sub(1));
            append_words(text, telling, &mut generator);
            corpus.append_estimated(text, left - telling, &mut generator);
            return None;
        };
        let known = self.fits.of(id, tokens);
        let opening = text.len();
        let first = known.as_ref().map_or(0, Fit::reserve);
        let mut nearest: Option<Fit> = None;
        for (number, reserve) in (0..).zip(RESERVES).skip(first.into()) {
            // Each reserve draws the same words and the same passage.
            let mut generator = self.prompts.at(id);
            text.truncate(opening);
            let left = tokens.saturating_sub(placed);
            let telling = if reserve == u32::MAX { 0 } else { TELLING_WORDS };
            let telling = tokenizer.append_marker(text, telling, left, &mut generator);
            let room = left.saturating_sub(telling).saturating_sub(reserve);
            let passage = if room > 0 { corpus.append_counted(text, room, tokenizer, &mut generator) } else { 0 };
            let fit = tokenizer.fill(text, placed + telling + passage, tokens, &mut generator, known.as_ref());
            let fit = fit.reserved(number);
            if fit.is_exact() || known.is_some() {
                return Some(fit);
            }
            nearest = Some(fit);
        }
        nearest
    }
}

impl fmt::Debug for Synthetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synthetic").field("salt", &self.salt).finish_non_exhaustive()
    }
}
