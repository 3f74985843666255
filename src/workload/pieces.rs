//! Owns `Pieces`: words with their cost in tokens, and text of a given number of tokens made from them.

use rand_chacha::rand_core::Rng;

use crate::workload::words::{WordDraw, words};

/// Tokens. For gaps below this length, a table says which can be closed; every longer gap can.
const REACH: usize = 128;
/// Tokens. A piece that costs more is not used: the tokenizer spells it byte by byte.
const MOST_COST: u32 = 32;
/// Number of words that may be drawn without a fit, before all pieces are searched for one that fits.
const MOST_DRAWS: usize = 8;
/// The word before a piece whose cost is measured.
const BEFORE: &str = "because";
/// The word after a piece whose cost is measured.
const AFTER: &str = "around";

/// One piece and its cost in tokens; cost 0 means that the piece is not used in that place.
#[derive(Debug, Clone)]
struct Piece {
    text: String,
    /// Whether a space separates the piece from the text before it.
    spaced: bool,
    /// Cost at the start of a text.
    first: u32,
    /// Cost after another piece.
    later: u32,
}

/// An appended piece: where the text ended before it, and its cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Laid {
    pub(super) start: usize,
    pub(super) cost: u32,
}

/// The words of `words-v1` in their order, then spare pieces that close gaps which no word fits. The cost of each is
/// measured once. Costs mostly add up, because most tokenizers split text into words before they encode it. The
/// caller must encode the whole text to be sure.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    all: Vec<Piece>,
    word_count: usize,
    /// For each number of tokens: whether a gap of this length can be closed after another piece.
    closable: Vec<bool>,
}

impl Pieces {
    /// Measures all pieces with `count`; `None` if a text cannot be encoded, or if no piece can be used.
    pub(super) fn measured(count: impl Fn(&str) -> Option<u32>) -> Option<Self> {
        let around = count(&format!("{BEFORE} {AFTER}"))?;
        let measure = |text: String, spaced: bool| {
            let space = if spaced { " " } else { "" };
            let useful = |cost: u32| if cost <= MOST_COST { cost } else { 0 };
            let first = useful(count(&text)?);
            let later = useful(count(&format!("{BEFORE}{space}{text} {AFTER}"))?.saturating_sub(around));
            Some(Piece { text, spaced, first, later })
        };
        let mut all: Vec<Piece> =
            words().iter().map(|word| measure((*word).to_owned(), true)).collect::<Option<_>>()?;
        let word_count = all.len();
        // In the order in which they are tried: pieces that look least like prose come last.
        for letter in ('a'..='z').chain('0'..='9') {
            all.push(measure(letter.to_string(), true)?);
        }
        for mark in [",", ".", ";", ":", "!", "?", "-"] {
            all.push(measure(mark.to_owned(), false)?);
        }
        for letter in 'a'..='z' {
            all.push(measure(letter.to_string(), false)?);
        }
        let mut costs: Vec<usize> = all.iter().map(|piece| piece.later as usize).filter(|cost| *cost > 0).collect();
        costs.sort_unstable();
        costs.dedup();
        let mut closable = vec![false; REACH];
        closable[0] = true;
        for gap in 1..REACH {
            closable[gap] = costs.iter().any(|cost| *cost <= gap && closable[gap - cost]);
        }
        (!costs.is_empty()).then_some(Self { all, word_count, closable })
    }

    /// Whether a gap of `tokens` can be closed after another piece, if costs add up.
    fn is_closable(&self, tokens: u32) -> bool {
        self.closable.get(tokens as usize).copied().unwrap_or(true)
    }

    /// Appends pieces to `text` until exactly `left` tokens are used or no piece fits; calls `note` for each piece.
    /// Returns the tokens left.
    pub(super) fn lay(
        &self,
        text: &mut String,
        mut left: u32,
        draw: &mut WordDraw,
        generator: &mut impl Rng,
        mut note: impl FnMut(Laid),
    ) -> u32 {
        while left > 0 {
            let first = text.is_empty();
            let Some(place) = self.choose(left, first, draw, generator) else { break };
            let piece = &self.all[place];
            let cost = if first { piece.first } else { piece.later };
            note(Laid { start: text.len(), cost });
            if piece.spaced && !first {
                text.push(' ');
            }
            text.push_str(&piece.text);
            left -= cost;
        }
        left
    }

    /// Appends up to `count` drawn words, so that at least one of `total` tokens remains and the remaining gap can be
    /// closed. Returns the words' cost in tokens.
    pub(super) fn lay_words(
        &self,
        text: &mut String,
        count: u32,
        total: u32,
        draw: &mut WordDraw,
        generator: &mut impl Rng,
    ) -> u32 {
        let mut spent = 0;
        for _ in 0..count {
            let place = draw.next(generator);
            let first = text.is_empty();
            // At least one token remains for the prompt itself.
            let left = total.saturating_sub(spent);
            if left < 2 || !self.fits(place, left - 1, first) || !self.fits(place, left, first) {
                break;
            }
            if !first {
                text.push(' ');
            }
            text.push_str(&self.all[place].text);
            spent += if first { self.all[place].first } else { self.all[place].later };
        }
        spent
    }

    /// The next piece: a drawn word if one fits, else any piece that fits, words before spare pieces.
    fn choose(&self, left: u32, first: bool, draw: &mut WordDraw, generator: &mut impl Rng) -> Option<usize> {
        for _ in 0..MOST_DRAWS {
            let place = draw.next(generator);
            if self.fits(place, left, first) {
                return Some(place);
            }
        }
        let fitting: Vec<usize> = (0..self.all.len()).filter(|place| self.fits(*place, left, first)).collect();
        // All words are equal candidates; a spare piece is taken only if no word fits.
        let equals = match fitting.iter().filter(|place| **place < self.word_count).count() {
            0 => fitting.len().min(1 + (draw.next(generator) & 3)),
            words => words,
        };
        (equals > 0).then(|| fitting[draw.next(generator) % equals])
    }

    /// Whether a piece may be appended with `left` tokens left: it must be possible to close the gap after it.
    fn fits(&self, place: usize, left: u32, first: bool) -> bool {
        let piece = &self.all[place];
        let cost = if first { piece.first } else { piece.later };
        cost > 0 && cost <= left && self.is_closable(left - cost)
    }
}
