//! Owns `Pieces`: words, each with the tokens it costs, and the laying of them to a number of tokens.

use rand_chacha::rand_core::Rng;

use crate::workload::words::{WordDraw, words};

/// Lengths up to which it is known which can be reached; every longer one can.
const REACH: usize = 128;
/// A piece that costs more is of no use: it would be spelt out byte by byte.
const MOST_COST: u32 = 32;
/// Words drawn in vain before a piece is looked for that fits.
const MOST_DRAWS: usize = 8;
/// The words between which a piece is measured.
const BEFORE: &str = "because";
const AFTER: &str = "around";

/// One piece and what it costs, in tokens; 0 where it is of no use in that place.
#[derive(Debug, Clone)]
struct Piece {
    text: String,
    /// With what precedes it parted from it by a space.
    spaced: bool,
    /// At the start of a text.
    first: u32,
    /// After another piece.
    later: u32,
}

/// A piece laid: where the text ended before it, and its cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Laid {
    pub(super) start: usize,
    pub(super) cost: u32,
}

/// The words of `words-v1` in their order, then spare pieces that close gaps which no word fits: what each costs is
/// measured once, and mostly adds up, since most tokenizers part words before they encode them. Whoever lays pieces
/// encodes the whole to be sure.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    all: Vec<Piece>,
    word_count: usize,
    /// Whether a gap of so many tokens can be closed after another piece.
    closable: Vec<bool>,
}

impl Pieces {
    /// Measures all pieces with `count`; `None` where a text cannot be encoded, or where no piece is of use.
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
        // In the order in which they are tried: the less they look like prose, the later.
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

    /// Whether a gap of `tokens` can be closed after another piece, as far as costs add up.
    fn is_closable(&self, tokens: u32) -> bool {
        self.closable.get(tokens as usize).copied().unwrap_or(true)
    }

    /// Lays pieces onto `text` until exactly `left` tokens are spent or no piece fits; `note` hears of each. Returns
    /// the tokens left.
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

    /// Lays up to `count` drawn words that cost at most `most` tokens together and leave a gap of `total` that can be
    /// closed; returns their cost.
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
            // At least one token remains the prompt's own.
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

    /// The next piece: a drawn word where one fits, else any piece that does, words before marks.
    fn choose(&self, left: u32, first: bool, draw: &mut WordDraw, generator: &mut impl Rng) -> Option<usize> {
        for _ in 0..MOST_DRAWS {
            let place = draw.next(generator);
            if self.fits(place, left, first) {
                return Some(place);
            }
        }
        let fitting: Vec<usize> = (0..self.all.len()).filter(|place| self.fits(*place, left, first)).collect();
        // Words among themselves are equals; a spare piece is taken only where no word fits.
        let equals = match fitting.iter().filter(|place| **place < self.word_count).count() {
            0 => fitting.len().min(1 + (draw.next(generator) & 3)),
            words => words,
        };
        (equals > 0).then(|| fitting[draw.next(generator) % equals])
    }

    /// Whether a piece may be laid where `left` tokens are left: what is left after it must be closable too.
    fn fits(&self, place: usize, left: u32, first: bool) -> bool {
        let piece = &self.all[place];
        let cost = if first { piece.first } else { piece.later };
        cost > 0 && cost <= left && self.is_closable(left - cost)
    }
}
