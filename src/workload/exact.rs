//! Owns prompts of an exact length: pieces laid to a number of tokens, encoded as a whole, and corrected until the
//! count is right.

use rand_chacha::rand_core::Rng;

use crate::workload::Tokenizer;
use crate::workload::pieces::Laid;
use crate::workload::words::WordDraw;

/// Corrections before a length is given up. Most tokenizers need none; one that merges across words hits one time in
/// five.
const MOST_CORRECTIONS: usize = 128;
/// Pieces taken away beyond what is too much, by attempt. Few: the longer the new end, the less is known of its
/// count. Now and then many, to leave a place in which no end fits.
const TAKEN: [usize; 8] = [1, 2, 3, 1, 2, 3, 4, 16];

/// What the tokenizer counted in each attempt at one text. It takes one encoding an attempt to find, and none to
/// repeat: the same text follows from the same seed and these counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    counts: Vec<u32>,
    asked: u32,
}

impl Fit {
    /// The fit of a text that was right at the first attempt.
    pub(super) fn at_once(asked: u32) -> Self {
        Self { counts: vec![asked], asked }
    }

    /// Whether the first attempt was right.
    pub(super) fn is_at_once(&self) -> bool {
        self.counts == [self.asked]
    }

    /// Tokens of the text, as the tokenizer counts it: what was asked for, or the nearest that could be made.
    #[must_use]
    pub fn counted(&self) -> u32 {
        self.counts.iter().copied().min_by_key(|count| count.abs_diff(self.asked)).unwrap_or(0)
    }

    /// Tokens asked for.
    #[must_use]
    pub fn asked(&self) -> u32 {
        self.asked
    }

    /// Whether the text has the length asked for.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.counted() == self.asked
    }
}

impl Tokenizer {
    /// Appends pieces that cost `tokens` as far as costs add up, without encoding anything: a function of the
    /// generator alone once `text` is not empty, and so the way to make a block that stands in many prompts. Returns
    /// the tokens that could not be spent.
    pub fn append(&self, text: &mut String, tokens: u32, generator: &mut impl Rng) -> u32 {
        self.pieces.lay(text, tokens, &mut WordDraw::default(), generator, |_| ())
    }

    /// Appends up to `count` drawn words that leave at least one of `total` tokens, and no gap that cannot be closed;
    /// returns their cost.
    pub(super) fn append_marker(&self, text: &mut String, count: u32, total: u32, generator: &mut impl Rng) -> u32 {
        self.pieces.lay_words(text, count, total, &mut WordDraw::default(), generator)
    }

    /// Fills `text`, an opening that costs about `opening_tokens` and is left as it is, up to exactly `tokens` tokens
    /// of the whole as [`Tokenizer::count`] counts them: lay, encode, and where the count is off lay a new end
    /// against the difference. `known` is the fit of an earlier call with the same arguments, which spares the
    /// encoding.
    ///
    /// Where 128 corrections do not reach the number, the text is the nearest that was seen, and the fit says so.
    pub fn fill(
        &self,
        text: &mut String,
        opening_tokens: u32,
        tokens: u32,
        generator: &mut impl Rng,
        known: Option<&Fit>,
    ) -> Fit {
        // The mean word has 4.9 letters and a space.
        text.reserve(tokens.saturating_sub(opening_tokens) as usize * 6 + 16);
        let mut draw = WordDraw::default();
        let mut laid: Vec<Laid> = Vec::with_capacity(tokens as usize);
        let mut spent = i64::from(opening_tokens);
        // What the tokenizer counts beyond the sum of costs.
        let mut excess = 0;
        let mut fit = Fit { counts: Vec::new(), asked: tokens };
        let mut nearest: Option<(u32, String)> = None;
        for attempt in 0..=MOST_CORRECTIONS {
            let left = u32::try_from(i64::from(tokens) - excess - spent).unwrap_or(0);
            self.pieces.lay(text, left, &mut draw, generator, |piece| {
                spent += i64::from(piece.cost);
                laid.push(piece);
            });
            let counted =
                known.and_then(|known| known.counts.get(attempt).copied()).unwrap_or_else(|| self.count(text));
            fit.counts.push(counted);
            if counted == tokens {
                return fit;
            }
            let off = counted.abs_diff(tokens);
            if nearest.as_ref().is_none_or(|(least, _)| off < *least) {
                nearest = Some((off, text.clone()));
            }
            excess = i64::from(counted) - spent;
            // What is too much goes, and a few pieces more, so that no attempt repeats another.
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
