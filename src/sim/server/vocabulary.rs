//! Owns `Vocabulary`: the token ids of the simulated server. A token is one word with the white space before it.

use std::collections::HashMap;
use std::rc::Rc;

use crate::sim::words::WORDS;

/// Most different words that are kept: more than any test needs, and little memory.
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

    /// Appends the ids of `text`, one for each word; `None` when it has seen too many different words. White space at
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

/// The words of `text`, each with the white space before it.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(|letter: char| !letter.is_whitespace())?;
        let end = rest[start..].find(char::is_whitespace).map_or(rest.len(), |length| start + length);
        let end = if rest[end..].trim_start().is_empty() { rest.len() } else { end };
        let piece;
        (piece, rest) = rest.split_at(end);
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_words_of_responses_have_the_first_ids() {
        let mut ids = Vec::new();
        Vocabulary::default().encode(" the traffic the\n\nthe", &mut ids);
        assert_eq!(ids[..2], [0, 1]);
        assert_eq!((ids.len(), ids[2], ids[3]), (4, 0, 16), "other white space is another token");
    }

    proptest! {
        #[test]
        fn ids_give_the_text_back_and_count_its_words(text in "\\PC*|[a-c \t\n]*") {
            let mut vocabulary = Vocabulary::default();
            let mut ids = Vec::new();
            vocabulary.encode(&text, &mut ids).unwrap();
            prop_assert_eq!(ids.len(), text.split_whitespace().count());
            let back: String = ids.iter().filter_map(|id| vocabulary.word(u64::from(*id))).collect();
            prop_assert_eq!(back, if ids.is_empty() { String::new() } else { text });
        }
    }
}
