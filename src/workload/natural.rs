//! Owns natural text: passages of the corpora in `datasets/`, cut to a number of tokens.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use rand_chacha::rand_core::Rng;

use crate::error::Refusal;
use crate::workload::Tokenizer;
use crate::workload::estimate::Estimator;

/// What synthetic prompts are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextKind {
    /// Words drawn one by one. Their number is exact without a tokenizer, and no text is sent twice.
    #[default]
    Words,
    /// Passages of an English novel.
    English,
    /// Passages of source code.
    Code,
    /// Passages of a Chinese novel.
    Chinese,
}

impl TextKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Words, Self::English, Self::Code, Self::Chinese];

    /// The name of the kind.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::English => "english",
            Self::Code => "code",
            Self::Chinese => "chinese",
        }
    }

    /// The corpus of the kind; `None` for words.
    pub(super) fn corpus(self) -> Option<&'static Corpus> {
        static ENGLISH: LazyLock<Corpus> =
            LazyLock::new(|| Corpus::of_words(include_str!("../../datasets/english.txt"), 0, true));
        static CODE: LazyLock<Corpus> =
            LazyLock::new(|| Corpus::of_words(include_str!("../../datasets/code.txt"), 1, false));
        static CHINESE: LazyLock<Corpus> =
            LazyLock::new(|| Corpus::of_characters(include_str!("../../datasets/chinese.txt"), 2));
        match self {
            Self::Words => None,
            Self::English => Some(&ENGLISH),
            Self::Code => Some(&CODE),
            Self::Chinese => Some(&CHINESE),
        }
    }
}

impl fmt::Display for TextKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TextKind {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            Refusal::new(format!("`{text}` is no content"), format!("accepted is {all}"))
        })
    }
}

/// Bytes of a corpus that are encoded at once, to measure its pieces. Long, so that a token that some tokenizers put in
/// front of each text does not matter; short, because some tokenizers take quadratic time.
const MEASURED_AT_ONCE: usize = 8 << 10;

/// Pieces of a passage for each token asked for. A passage with fewer tokens ends there, and words fill the rest.
const MOST_PIECES_A_TOKEN: usize = 8;

/// A text in pieces, with the pieces at which a passage may begin. A change of a corpus changes prompts.
pub(super) struct Corpus {
    text: &'static str,
    /// The end of each piece in bytes. A piece is a word with the white space before it, or a character.
    ends: Vec<u32>,
    /// The pieces that begin a sentence or a line.
    starts: Vec<u32>,
    /// Whether a piece is a word, which is the unit of the estimate without a tokenizer.
    by_word: bool,
    /// The place of this corpus among all corpora.
    place: usize,
}

impl Corpus {
    /// A text whose pieces are words. Passages begin with a line, and with a sentence if `sentences`.
    fn of_words(text: &'static str, place: usize, sentences: bool) -> Self {
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
        Self { text, ends, starts, by_word: true, place }
    }

    /// A text whose pieces are characters. Passages begin with a line or a sentence.
    fn of_characters(text: &'static str, place: usize) -> Self {
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
        Self { text, ends, starts, by_word: false, place }
    }

    /// The pieces from a drawn start on; after the last one the first follows again.
    fn passage(&self, generator: &mut impl Rng) -> impl Iterator<Item = usize> {
        let drawn = (u128::from(generator.next_u64()) * self.starts.len() as u128) >> 64;
        let start = self.starts.get(drawn as usize).copied().unwrap_or(0) as usize;
        let pieces = self.ends.len();
        (start..pieces).chain((0..pieces).cycle())
    }

    fn piece(&self, place: usize) -> &'static str {
        let end = |place: usize| self.ends.get(place).map_or(0, |end| *end as usize);
        &self.text[place.checked_sub(1).map_or(0, end)..end(place)]
    }

    /// The tokens of each piece, as `tokenizer` counts them in their place.
    fn measured(&self, tokenizer: &Tokenizer) -> Vec<u8> {
        let mut costs = Vec::with_capacity(self.ends.len());
        let (mut first, mut from) = (0, 0);
        while first < self.ends.len() {
            let last = self.ends[first..].partition_point(|end| *end as usize - from < MEASURED_AT_ONCE) + first;
            let last = last.min(self.ends.len() - 1);
            let to = self.ends[last] as usize;
            let ends: Vec<u32> = self.ends[first..=last].iter().map(|end| *end - from as u32).collect();
            let counts = tokenizer.count_by_piece(&self.text[from..to], &ends);
            costs.extend(counts.into_iter().map(|count| u8::try_from(count).unwrap_or(u8::MAX)));
            (first, from) = (last + 1, to);
        }
        costs
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
        let Some(costs) = tokenizer.passages.get(self.place) else { return 0 };
        let costs = costs.get_or_init(|| self.measured(tokenizer));
        let mut spent = 0;
        for (number, place) in self.passage(generator).enumerate() {
            let cost = u32::from(costs.get(place).copied().unwrap_or(0));
            // A tokenizer that does not know the script makes one token of a whole line, and would need a book.
            if spent + cost > tokens || number > tokens as usize * MOST_PIECES_A_TOKEN {
                break;
            }
            self.push(text, number, place);
            spent += cost;
        }
        spent
    }

    /// Appends a passage up to the end of the piece with which it has at least `wanted.0` tokens, and at most
    /// `wanted.1`. Returns the tokens of the passage.
    pub(super) fn append_at_least(
        &self,
        text: &mut String,
        wanted: (u32, u32),
        tokenizer: &Tokenizer,
        generator: &mut impl Rng,
    ) -> u32 {
        let Some(costs) = tokenizer.passages.get(self.place) else { return 0 };
        let costs = costs.get_or_init(|| self.measured(tokenizer));
        let (least, most) = wanted;
        let mut spent = 0;
        for (number, place) in self.passage(generator).enumerate() {
            let cost = u32::from(costs.get(place).copied().unwrap_or(0));
            if spent >= least || spent + cost > most || number > least as usize * MOST_PIECES_A_TOKEN {
                break;
            }
            self.push(text, number, place);
            spent += cost;
        }
        spent
    }

    /// Appends a passage, so that the estimate of the whole text grows by `tokens`: words, or for a text without words
    /// the estimate of any text.
    pub(super) fn append_estimated(&self, text: &mut String, tokens: u32, generator: &mut impl Rng) {
        if self.by_word {
            for (number, place) in self.passage(generator).take(tokens as usize).enumerate() {
                self.push(text, number, place);
            }
            return;
        }
        let mut estimator = Estimator::default();
        text.chars().for_each(|character| estimator.add(character));
        let wanted = estimator.tokens().saturating_add(tokens);
        for (number, place) in self.passage(generator).enumerate() {
            let before = text.len();
            self.push(text, number, place);
            text[before..].chars().for_each(|character| estimator.add(character));
            if estimator.tokens() > wanted {
                text.truncate(before);
                break;
            }
        }
    }

    /// Appends piece `place`, which is piece `number` of its passage. A passage begins on a line of its own.
    fn push(&self, text: &mut String, number: usize, place: usize) {
        let piece = self.piece(place);
        if number > 0 {
            // The first piece of a corpus has no white space before it.
            if place == 0 {
                text.push('\n');
            }
            return text.push_str(piece);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(piece.trim_start());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::workload::{estimate_text, estimate_tokens};

    #[test]
    fn a_passage_has_the_estimate_asked_for_and_is_taken_from_its_corpus() {
        for kind in TextKind::ALL {
            assert_eq!(kind.to_string().parse::<TextKind>().unwrap(), kind);
            let Some(corpus) = kind.corpus() else { continue };
            for (id, tokens) in [(1, 1), (2, 16), (3, 512), (4, 8192), (5, 100_000)] {
                let mut text = String::new();
                corpus.append_estimated(&mut text, tokens, &mut Seed::new(1).stream("prompts").at(id));
                let estimated = if corpus.by_word { estimate_tokens(&text) } else { estimate_text(&text) };
                assert_eq!(estimated, tokens, "{kind}");
                if tokens <= 512 {
                    assert!(corpus.text.contains(&text), "{kind}: {text}");
                }
            }
        }
        assert!("prose".parse::<TextKind>().unwrap_err().to_string().contains("words, english, code, chinese"));
    }

    #[test]
    fn corpora_are_large_enough_and_have_many_beginnings() {
        for (kind, bytes, starts) in
            [(TextKind::English, 200_000, 1_500), (TextKind::Code, 40_000, 900), (TextKind::Chinese, 100_000, 900)]
        {
            let corpus = kind.corpus().unwrap();
            let seen = (corpus.text.len(), corpus.starts.len());
            assert!(seen.0 >= bytes && seen.1 >= starts, "{kind}: {seen:?}");
            assert!(!corpus.text.contains("\n\n") && !corpus.text.contains('\r'), "{kind}");
        }
    }
}
