//! Owns prompts of an exact length: pieces are appended up to a number of tokens, encoded as a whole, and corrected
//! until the count is right.

use rand_chacha::rand_core::Rng;

use crate::workload::Tokenizer;
use crate::workload::pieces::Laid;
use crate::workload::tokenizer::Frame;
use crate::workload::words::WordDraw;

/// Maximum number of corrections of one text. Most tokenizers need none; a tokenizer that merges across words is
/// right in one attempt out of five.
const MOST_CORRECTIONS: usize = 128;
/// Pieces removed beyond the excess, by attempt. Usually few, because the count of a longer new end is less certain.
/// Sometimes many, to leave a place where no end fits.
const TAKEN: [usize; 8] = [1, 2, 3, 1, 2, 3, 4, 16];

/// The tokenizer's counts in each attempt at one text. Finding them takes one encoding per attempt. Repeating takes
/// none: the seed and these counts give the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    counts: Vec<u32>,
    asked: u32,
    /// How many tokens before the end natural text was cut: a place in the list of reserves; 0 for words.
    reserve: u8,
}

impl Fit {
    /// The fit of a text that was right at the first attempt.
    pub(super) fn at_once(asked: u32) -> Self {
        Self { counts: vec![asked], asked, reserve: 0 }
    }

    /// Whether the first attempt was right.
    pub(super) fn is_at_once(&self) -> bool {
        self.reserve == 0 && self.counts == [self.asked]
    }

    /// Tokens of the text, as the tokenizer counts it: the requested number, or the nearest number that could be
    /// reached.
    #[must_use]
    pub fn counted(&self) -> u32 {
        self.counts.iter().copied().min_by_key(|count| count.abs_diff(self.asked)).unwrap_or(0)
    }

    /// The fit of a text whose natural part was cut by reserve number `reserve`.
    pub(super) fn reserved(self, reserve: u8) -> Self {
        Self { reserve, ..self }
    }

    /// The number of the reserve.
    pub(super) fn reserve(&self) -> u8 {
        self.reserve
    }

    /// Tokens asked for.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.asked
    }

    /// Whether the text has the requested length.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.counted() == self.asked
    }
}

impl Tokenizer {
    /// Appends pieces that cost `tokens`, if costs add up, without encoding anything. Once `text` is not empty, the
    /// result depends only on the generator, so it can make a block for many prompts. Returns the tokens that no
    /// piece could fill.
    pub fn append(&self, text: &mut String, tokens: u32, generator: &mut impl Rng) -> u32 {
        self.pieces.lay(text, tokens, &mut WordDraw::default(), generator, |_| ())
    }

    /// Appends up to `count` drawn words, so that at least one of `total` tokens remains and the remaining gap can be
    /// closed. Returns the words' cost in tokens.
    pub(super) fn append_marker(&self, text: &mut String, count: u32, total: u32, generator: &mut impl Rng) -> u32 {
        self.pieces.lay_words(text, count, total, &mut WordDraw::default(), generator)
    }

    /// Extends `text` to exactly `tokens` tokens, as [`Tokenizer::count`] counts the whole. `text` starts with an
    /// opening of about `opening_tokens`, which does not change. Each attempt appends pieces and encodes the text; if
    /// the count is wrong, the next attempt replaces the end. `known` is the fit of an earlier call with the same
    /// arguments, which saves the encoding.
    ///
    /// If 128 corrections do not reach the number, the text is the nearest attempt, and the fit says so.
    pub fn fill(
        &self,
        text: &mut String,
        opening_tokens: u32,
        tokens: u32,
        generator: &mut impl Rng,
        known: Option<&Fit>,
    ) -> Fit {
        self.fill_within(None, text, opening_tokens, tokens, generator, known)
    }

    /// The same for a text within `frame`, whose tokens count: `opening_tokens` and `tokens` include them.
    pub(super) fn fill_within(
        &self,
        frame: Option<&Frame>,
        text: &mut String,
        opening_tokens: u32,
        tokens: u32,
        generator: &mut impl Rng,
        known: Option<&Fit>,
    ) -> Fit {
        // A frame that leaves no room still holds a word.
        let opening_tokens =
            if text.is_empty() { opening_tokens.min(tokens.saturating_sub(1)) } else { opening_tokens };
        // The mean word has 4.9 letters and a space.
        text.reserve(tokens.saturating_sub(opening_tokens) as usize * 6 + 16);
        let mut draw = WordDraw::default();
        let mut laid: Vec<Laid> = Vec::with_capacity(tokens as usize);
        let mut spent = i64::from(opening_tokens);
        // The tokenizer's count minus the sum of costs.
        let mut excess = 0;
        let mut fit = Fit { counts: Vec::new(), asked: tokens, reserve: 0 };
        let mut nearest: Option<(u32, String)> = None;
        for attempt in 0..=MOST_CORRECTIONS {
            let left = u32::try_from(i64::from(tokens) - excess - spent).unwrap_or(0);
            self.pieces.lay(text, left, &mut draw, generator, |piece| {
                spent += i64::from(piece.cost);
                laid.push(piece);
            });
            if text.is_empty() && frame.is_some() {
                break;
            }
            let counted = known
                .and_then(|known| known.counts.get(attempt).copied())
                .unwrap_or_else(|| self.count_within(frame, text));
            fit.counts.push(counted);
            if counted == tokens {
                return fit;
            }
            let off = counted.abs_diff(tokens);
            if nearest.as_ref().is_none_or(|(least, _)| off < *least) {
                nearest = Some((off, text.clone()));
            }
            if laid.is_empty() && counted > tokens {
                // The opening alone is too long, and further attempts would repeat this one.
                break;
            }
            excess = i64::from(counted) - spent;
            // Removes the excess and a few more pieces, so that no attempt repeats another.
            let mut also = TAKEN[attempt % TAKEN.len()];
            while let Some(last) = laid.pop_if(|_| spent + excess > i64::from(tokens) || also > 0) {
                if spent + excess <= i64::from(tokens) {
                    also -= 1;
                }
                text.truncate(last.start);
                spent -= i64::from(last.cost);
            }
        }
        if let Some((_, best)) = nearest {
            *text = best;
        }
        fit
    }
}
