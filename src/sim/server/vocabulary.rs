//! Owns `Vocabulary`: the token ids of the simulated server. A token is one short word with the white space before it,
//! or a part of a longer word, as many as the estimate `text-v1` counts.

use std::collections::HashMap;
use std::rc::Rc;

use crate::sim::words::WORDS;
use crate::workload::estimated_words;

/// Most different tokens that are kept: more than any test needs, and little memory.
const MOST_WORDS: usize = 1 << 20;

/// The words seen so far. The id of a word is its place; the words of responses have the first ids.
#[derive(Debug)]
pub(super) struct Vocabulary {
    words: Vec<Rc<str>>,
    ids: HashMap<Rc<str>, u32>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        let mut vocabulary = Self { words: Vec::new(), ids: HashMap::new() };
        for word in WORDS {
            vocabulary.id(word);
        }
        vocabulary
    }
}

impl Vocabulary {
    fn id(&mut self, word: &str) -> Option<u32> {
        if let Some(id) = self.ids.get(word) {
            return Some(*id);
        }
        let id = u32::try_from(self.words.len()).ok().filter(|_| self.words.len() < MOST_WORDS)?;
        let word: Rc<str> = word.into();
        self.words.push(Rc::clone(&word));
        self.ids.insert(word, id);
        Some(id)
    }

    /// Appends the ids of `text`, one for each token; `None` when it has seen too many different ones. White space at
    /// the end belongs to the last word.
    pub(super) fn encode(&mut self, text: &str, ids: &mut Vec<u32>) -> Option<()> {
        pieces(text).try_for_each(|piece| {
            ids.push(self.id(piece)?);
            Some(())
        })
    }

    /// The text of an id; `None` for an id that it has not given.
    pub(super) fn word(&self, id: u64) -> Option<&str> {
        self.words.get(usize::try_from(id).ok()?).map(|word| &**word)
    }
}

/// The tokens of `text`: words with the white space before them, those of several tokens cut into parts. Parts without
/// a letter are left of a symbol that counts as more tokens than it has letters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    estimated_words(text).flat_map(|(word, tokens)| {
        let letters = word.chars().count();
        let end = move |part: usize| {
            let (letter, _) = word.char_indices().nth(letters * part / tokens.max(1) as usize).unzip();
            letter.unwrap_or(word.len())
        };
        (0..tokens as usize).map(move |part| &word[end(part)..end(part + 1)])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::workload::estimate_text;

    #[test]
    fn the_words_of_responses_have_the_first_ids() {
        let mut ids = Vec::new();
        Vocabulary::default().encode(" the traffic the\n\nthe", &mut ids);
        assert_eq!(ids[..2], [0, 1]);
        assert_eq!((ids.len(), ids[2], ids[3], ids[4]), (5, 0, 16, 17), "other white space is a token of its own");
    }

    proptest! {
        #[test]
        fn ids_give_the_text_back_and_count_its_tokens(text in "\\PC*|[a-c \t\n]*") {
            let mut vocabulary = Vocabulary::default();
            let mut ids = Vec::new();
            vocabulary.encode(&text, &mut ids).unwrap();
            prop_assert_eq!(ids.len(), estimate_text(&text) as usize);
            let back: String = ids.iter().filter_map(|id| vocabulary.word(u64::from(*id))).collect();
            prop_assert_eq!(back, if ids.is_empty() { String::new() } else { text });
        }
    }
}
