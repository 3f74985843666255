//! Owns `words-v1`: synthetic text whose token count is known without a tokenizer.

use std::sync::LazyLock;

use rand_chacha::rand_core::Rng;

/// The word list (`datasets/README.md`). A change of the list changes every prompt, and needs a new version of the
/// name.
static WORDS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("../../datasets/words.txt").lines().collect());

/// The name of the estimate, for reports.
pub(crate) const ESTIMATE_NAME: &str = "words-v1";

/// Tokens of `text` by `words-v1`: one token per word; white space separates words. For prompts made here it is exact
/// if the tokenizer has each listed word, with its leading space, as one token. For other text it is a rough
/// estimate.
#[must_use]
pub fn estimate_tokens(text: &str) -> u32 {
    u32::try_from(text.split_ascii_whitespace().count()).unwrap_or(u32::MAX)
}

/// The word list.
pub(super) fn words() -> &'static [&'static str] {
    WORDS.as_slice()
}

/// Draws words one after another.
#[derive(Debug, Default)]
pub(super) struct WordDraw {
    bits: u64,
    left: u32,
}

impl WordDraw {
    /// The place of the next word in the list. Each random number gives four words: 16 bits each, scaled to the list.
    /// The draw is exactly uniform, because the length of the list is a power of two.
    pub(super) fn next(&mut self, generator: &mut impl Rng) -> usize {
        if self.left == 0 {
            self.bits = generator.next_u64();
            self.left = 4;
        }
        let place = ((self.bits & 0xffff) as usize * WORDS.len()) >> 16;
        self.bits >>= 16;
        self.left -= 1;
        place
    }
}

/// Appends `count` words drawn from `generator` to `text`, one space between any two words.
pub(crate) fn append_words(text: &mut String, count: u32, generator: &mut impl Rng) {
    // The mean word has 4.9 letters and a space.
    text.reserve(count as usize * 6 + 16);
    let mut draw = WordDraw::default();
    for _ in 0..count {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(words()[draw.next(generator)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn the_list_holds_1024_short_lower_case_words_once_each() {
        assert_eq!(WORDS.len(), 1024);
        assert!(WORDS.is_sorted_by(|one, two| one < two), "sorted, no word twice");
        for word in WORDS.iter() {
            assert!((3..=7).contains(&word.len()) && word.bytes().all(|letter| letter.is_ascii_lowercase()), "{word}");
        }
    }

    #[test]
    fn text_counts_the_words_asked_for() {
        for count in [0, 1, 2, 3, 4, 5, 1000, 10_001] {
            let mut text = String::new();
            append_words(&mut text, count, &mut Seed::new(1).stream("prompts").at(0));
            assert_eq!(estimate_tokens(&text), count);
            assert_eq!(crate::units::estimate::estimate_text(&text), count, "the estimate of words is their number");
            assert_eq!(text.split(' ').filter(|word| !word.is_empty()).count(), count as usize, "single spaces");
        }
    }

    #[test]
    fn every_word_is_drawn() {
        let mut text = String::new();
        append_words(&mut text, 20_000, &mut Seed::new(1).stream("prompts").at(0));
        let drawn: std::collections::BTreeSet<&str> = text.split(' ').collect();
        assert_eq!(drawn.len(), 1024);
    }
}
