//! Owns `Corpus`: a text of `datasets/` in pieces, of which passages of a number of tokens are made.

use std::ops::Range;

use rand_chacha::rand_core::Rng;

use crate::units::estimate::{Estimator, estimate_text, estimated_words};
use crate::workload::Tokenizer;
use crate::workload::words::append_words;

/// Bytes of a corpus that are encoded at once, to measure its pieces. Long, so that a token that some tokenizers put in
/// front of each text does not matter; short, because some tokenizers take quadratic time.
const MEASURED_AT_ONCE: usize = 8 << 10;
/// Pieces of a passage for each token asked for. A passage with fewer tokens ends there, and words fill the rest: a
/// tokenizer that does not know the script makes one token of a whole line, and would need a book.
const MOST_PIECES_A_TOKEN: usize = 8;
/// Bytes of a block, at least; a block ends with the line that reaches them. About 150 tokens of coherent text.
const LEAST_BLOCK: usize = 600;

/// How the length of a passage is counted without a tokenizer.
enum Unit {
    /// Each piece is a word. For each piece, and for the end: the estimated tokens of all pieces before it.
    Words(Vec<u32>),
    /// Each piece is a character, and only the whole can be estimated.
    Characters,
}

/// A text in pieces, with the pieces at which a passage may begin. A change of a corpus changes prompts.
pub(super) struct Corpus {
    text: &'static str,
    /// The end of each piece in bytes. A piece is a word with the white space before it, or a character.
    ends: Vec<u32>,
    /// The pieces that begin a sentence or a line.
    starts: Vec<u32>,
    /// The first piece of each block, from 0. A passage goes on to the end of its block, then with another block. The
    /// number of blocks is 1 or a prime, so that a step of any width visits all of them before it visits one again.
    blocks: Vec<u32>,
    unit: Unit,
    /// The place of this corpus among all corpora.
    place: usize,
}

impl Corpus {
    /// A text whose pieces are words, of one block. Passages begin with a line, and with a sentence if `sentences`.
    pub(super) fn of_words(text: &'static str, place: usize, sentences: bool) -> Self {
        let text = text.trim_end();
        let (mut ends, mut starts) = (Vec::new(), vec![0]);
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let word = rest.len() - rest.trim_start().len();
            let end = rest[word..].find(|next: char| next.is_ascii_whitespace()).map_or(rest.len(), |end| word + end);
            let ended = text[..at].trim_end_matches(['”', '’', '"', ')']).ends_with(['.', '!', '?']);
            if at > 0 && (rest[..word].contains('\n') || (sentences && ended)) {
                starts.push(ends.len() as u32);
            }
            at += end;
            ends.push(at as u32);
        }
        let mut before = Vec::with_capacity(ends.len() + 1);
        // The first piece has no line break before it, but a passage that comes to it from elsewhere has one.
        let mut tokens = 1;
        before.push(0);
        before.extend(estimated_words(text).map(|(_, of_word)| {
            tokens += of_word;
            tokens
        }));
        Self { text, ends, starts, blocks: vec![0], unit: Unit::Words(before), place }
    }

    /// A text whose pieces are words, of many blocks of a few lines. Passages begin with a line or a sentence.
    pub(super) fn of_blocks(text: &'static str, place: usize) -> Self {
        Self::of_words(text, place, true).in_blocks(LEAST_BLOCK)
    }

    /// A text whose pieces are words, of a block for each line. Passages begin with a line, and go on with lines from
    /// elsewhere.
    pub(super) fn of_lines(text: &'static str, place: usize) -> Self {
        Self::of_words(text, place, false).in_blocks(1)
    }

    /// The corpus in blocks of whole lines, each of at least `least` bytes.
    fn in_blocks(self, least: usize) -> Self {
        let corpus = self;
        let mut blocks = vec![0];
        let mut begun = 0;
        for (number, end) in (1..).zip(&corpus.ends) {
            let ends_line = corpus.text[*end as usize..].starts_with('\n');
            if ends_line && *end as usize - begun >= least {
                blocks.push(number);
                begun = *end as usize;
            }
        }
        // The blocks that no prime counts become a part of the last one.
        let prime = (1..=blocks.len()).rev().find(|number| is_prime(*number)).unwrap_or(1);
        blocks.truncate(prime);
        Self { blocks, ..corpus }
    }

    /// A text whose pieces are characters, of one block. Passages begin with a line or a sentence.
    pub(super) fn of_characters(text: &'static str, place: usize) -> Self {
        let text = text.trim_end();
        let (mut ends, mut starts) = (Vec::new(), vec![0]);
        let mut before = ' ';
        for (at, character) in text.char_indices() {
            if before == '\n' || ("。！？".contains(before) && !"”’》）\n".contains(character)) {
                starts.push(ends.len() as u32);
            }
            ends.push((at + character.len_utf8()) as u32);
            before = character;
        }
        Self { text, ends, starts, blocks: vec![0], unit: Unit::Characters, place }
    }

    /// The pieces of a passage in runs: from a drawn start to the end of its block, then block after block, with a
    /// drawn step between their numbers. After the last piece of a single block the first follows again.
    fn runs(&self, generator: &mut impl Rng) -> impl Iterator<Item = Range<usize>> {
        let mut below = |number: usize| ((u128::from(generator.next_u64()) * number as u128) >> 64) as usize;
        let start = self.starts.get(below(self.starts.len())).copied().unwrap_or(0);
        let number = self.blocks.len();
        let step = if number > 1 { 1 + below(number - 1) } else { 0 };
        let first = self.blocks.partition_point(|block| *block <= start).saturating_sub(1);
        let rest = (1..).map(move |turn: usize| self.block(first.wrapping_add(turn.wrapping_mul(step)) % number));
        std::iter::once(start as usize..self.block(first).end).chain(rest)
    }

    /// The pieces of a block.
    fn block(&self, number: usize) -> Range<usize> {
        let first = |number: usize| self.blocks.get(number).map_or(self.ends.len(), |piece| *piece as usize);
        first(number)..first(number + 1)
    }

    /// The tokens before each piece, and before the end, as `tokenizer` counts the pieces in their place.
    fn measured(&self, tokenizer: &Tokenizer) -> Vec<u32> {
        let mut before = Vec::with_capacity(self.ends.len() + 1);
        let mut tokens = 0u32;
        before.push(0);
        let (mut first, mut from) = (0, 0);
        while first < self.ends.len() {
            let last = self.ends[first..].partition_point(|end| *end as usize - from < MEASURED_AT_ONCE) + first;
            let last = last.min(self.ends.len() - 1);
            let to = self.ends[last] as usize;
            let ends: Vec<u32> = self.ends[first..=last].iter().map(|end| *end - from as u32).collect();
            before.extend(tokenizer.count_by_piece(&self.text[from..to], &ends).into_iter().map(|count| {
                tokens = tokens.saturating_add(count);
                tokens
            }));
            (first, from) = (last + 1, to);
        }
        before
    }

    /// The tokens before each piece as `tokenizer` counts them, measured when they are first needed.
    pub(super) fn counted<'a>(&self, tokenizer: &'a Tokenizer) -> &'a [u32] {
        tokenizer.passages.get(self.place).map_or(&[], |before| before.get_or_init(|| self.measured(tokenizer)))
    }

    /// Appends a passage of at most `tokens` tokens as `tokenizer` counts the pieces in their place. Returns the tokens
    /// of the passage.
    pub(super) fn append_counted(
        &self,
        text: &mut String,
        tokens: u32,
        tokenizer: &Tokenizer,
        generator: &mut impl Rng,
    ) -> u32 {
        let wanted = Wanted { least: u32::MAX, most: tokens, pieces: most_pieces(tokens), from_line: false };
        self.append(text, wanted, self.counted(tokenizer), generator)
    }

    /// Appends a passage up to the end of the piece with which it has at least `wanted.0` tokens, and at most
    /// `wanted.1`. Returns the tokens of the passage: as `tokenizer` counts them, or estimated without one.
    pub(super) fn append_at_least(
        &self,
        text: &mut String,
        (least, most): (u32, u32),
        tokenizer: Option<&Tokenizer>,
        generator: &mut impl Rng,
    ) -> u32 {
        let wanted = Wanted { least, most, pieces: most_pieces(least), from_line: tokenizer.is_none() };
        match (tokenizer, &self.unit) {
            (Some(tokenizer), _) => self.append(text, wanted, self.counted(tokenizer), generator),
            (None, Unit::Words(before)) => self.append(text, wanted, before, generator),
            (None, Unit::Characters) => {
                self.append_estimated(text, least, generator);
                least
            }
        }
    }

    /// Appends a passage, so that the estimate of the whole text grows by `tokens`. Words close a gap that no piece
    /// fits.
    pub(super) fn append_estimated(&self, text: &mut String, tokens: u32, generator: &mut impl Rng) {
        let wanted = Wanted { least: u32::MAX, most: tokens, pieces: usize::MAX, from_line: true };
        match &self.unit {
            Unit::Words(before) => {
                let spent = self.append(text, wanted, before, generator);
                append_words(text, tokens.saturating_sub(spent), generator);
            }
            Unit::Characters => self.append_characters(text, tokens, generator),
        }
    }

    /// Appends a passage by characters, so that the estimate of the whole text grows by `tokens`.
    fn append_characters(&self, text: &mut String, tokens: u32, generator: &mut impl Rng) {
        let mut estimator = Estimator::default();
        text.chars().for_each(|character| estimator.add(character));
        let wanted = estimator.tokens().saturating_add(tokens);
        let mut is_first = true;
        for place in self.runs(generator).flatten() {
            let before = text.len();
            self.push(text, place..place + 1, is_first);
            is_first = false;
            text[before..].chars().for_each(|character| estimator.add(character));
            if estimator.tokens() > wanted {
                text.truncate(before);
                break;
            }
        }
    }

    /// Appends the pieces of a passage until they have the tokens that are wanted. `before` are the tokens of all
    /// pieces before a piece. Returns the tokens of the appended pieces.
    fn append(&self, text: &mut String, wanted: Wanted, before: &[u32], generator: &mut impl Rng) -> u32 {
        let before = |piece: usize| i64::from(before.get(piece).copied().unwrap_or(0));
        let (mut spent, mut pieces, mut is_first) = (0i64, wanted.pieces, true);
        for run in self.runs(generator) {
            if wanted.from_line && is_first {
                spent = i64::from(!text.is_empty()) - i64::from(self.tokens_of_space(run.start));
            }
            let from = before(run.start) - spent;
            let of = |end: usize| before(end) - from;
            let last = run.end.min(run.start.saturating_add(pieces));
            let within = |limit: u32| partition(run.start, last, |end| of(end) <= i64::from(limit));
            // The end with which the least is reached, if it does not go beyond the most.
            let reached = partition(run.start, last, |end| of(end) < i64::from(wanted.least)) + 1;
            let end = within(wanted.most).min(if spent >= i64::from(wanted.least) { run.start } else { reached });
            if end > run.start {
                self.push(text, run.start..end, is_first);
                is_first = false;
            }
            pieces -= end - run.start;
            spent = of(end);
            if end < run.end || spent >= i64::from(wanted.least) {
                break;
            }
        }
        if is_first { 0 } else { u32::try_from(spent).unwrap_or(0) }
    }

    /// The estimated tokens of the white space before a piece.
    fn tokens_of_space(&self, place: usize) -> u32 {
        let Some(end) = place.checked_sub(1).and_then(|before| self.ends.get(before)) else { return 1 };
        let rest = &self.text[*end as usize..];
        estimate_text(&rest[..rest.len() - rest.trim_start().len()])
    }

    /// Appends `pieces`; `is_first` if a passage begins with them, which begins on a line of its own.
    fn push(&self, text: &mut String, pieces: Range<usize>, is_first: bool) {
        let end =
            |place: usize| place.checked_sub(1).and_then(|place| self.ends.get(place)).map_or(0, |end| *end as usize);
        let piece = &self.text[end(pieces.start)..end(pieces.end)];
        // The first piece of a corpus has no white space before it.
        let lacks_break = if is_first { !text.is_empty() } else { pieces.start == 0 };
        if lacks_break {
            text.push('\n');
        }
        text.push_str(if is_first { piece.trim_start() } else { piece });
    }
}

/// The tokens that a passage shall have.
#[derive(Clone, Copy)]
struct Wanted {
    /// The passage ends as soon as it has this many.
    least: u32,
    /// It never has more.
    most: u32,
    /// The most pieces of a passage.
    pieces: usize,
    /// Whether the tokens count the line break before the first piece as it stands in the text, and not as it stands in
    /// the corpus.
    from_line: bool,
}

/// The most pieces of a passage of `tokens` tokens.
fn most_pieces(tokens: u32) -> usize {
    tokens as usize * MOST_PIECES_A_TOKEN + 1
}

/// The largest number from `from` to `to` up to which `holds` holds; `from` if it holds nowhere. It must not hold again
/// after it has ceased to.
fn partition(from: usize, to: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (from, to);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

fn is_prime(number: usize) -> bool {
    number > 1 && (2..=number.isqrt()).all(|factor| !number.is_multiple_of(factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::workload::TextKind;

    #[test]
    fn a_passage_has_the_estimate_asked_for_and_is_taken_from_its_corpus() {
        for kind in TextKind::ALL {
            let Some(corpus) = kind.corpus() else { continue };
            for (id, tokens) in [(1, 1), (2, 16), (3, 512), (4, 8192), (5, 100_000)] {
                let mut text = String::new();
                corpus.append_estimated(&mut text, tokens, &mut Seed::new(1).stream("prompts").at(id));
                assert_eq!(estimate_text(&text), tokens, "{kind}");
                // Up to three words close a gap.
                let most_words = text.char_indices().rev().filter(|(_, letter)| *letter == ' ').nth(3);
                let passage = &text[..most_words.map_or(0, |(end, _)| end)];
                assert!(tokens > 512 || corpus.blocks.len() > 1 || corpus.text.contains(passage), "{kind}: {text}");
            }
        }
    }

    #[test]
    fn corpora_are_large_enough_and_have_many_beginnings() {
        for (kind, bytes, starts) in [
            (TextKind::Text, 390_000, 3_000),
            (TextKind::English, 200_000, 1_500),
            (TextKind::Code, 40_000, 900),
            (TextKind::Chinese, 100_000, 900),
            (TextKind::Sonnet, 22_000, 500),
        ] {
            let corpus = kind.corpus().unwrap();
            let seen = (corpus.text.len(), corpus.starts.len());
            assert!(seen.0 >= bytes && seen.1 >= starts, "{kind}: {seen:?}");
            assert!(!corpus.text.contains("\n\n") && !corpus.text.contains('\r'), "{kind}");
            if let Unit::Words(before) = &corpus.unit {
                assert_eq!(before.len(), corpus.ends.len() + 1, "{kind}: estimate and corpus agree on words");
            }
        }
    }

    #[test]
    fn a_passage_of_blocks_visits_every_block_before_it_visits_one_again() {
        let corpus = TextKind::Text.corpus().unwrap();
        let number = corpus.blocks.len();
        assert!(number > 400 && is_prime(number), "{number}");
        let Unit::Words(before) = &corpus.unit else { panic!("its pieces are words") };
        for id in 0..50 {
            let runs: Vec<_> = corpus.runs(&mut Seed::new(1).stream("prompts").at(id)).take(number + 1).collect();
            let seen: std::collections::BTreeSet<usize> = runs[1..].iter().map(|run| run.start).collect();
            assert_eq!(seen.len(), number, "the block in which the passage begins is visited as the last one");
            assert!(runs.iter().all(|run| run.start < run.end));
        }
        let longest =
            (0..number).map(|block| before[corpus.block(block).end] - before[corpus.block(block).start]).max();
        assert!(longest < Some(1_000), "{longest:?}");
    }

    #[test]
    fn what_holds_up_to_a_number_holds_up_to_it() {
        for (to, limit, expected) in [(10, 0, 3), (10, 3, 3), (10, 7, 7), (10, 10, 10), (10, 99, 10), (3, 99, 3)] {
            assert_eq!(partition(3, to, |number| number <= limit), expected);
        }
    }
}
