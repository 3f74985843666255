//! Owns `Failures`: the failed requests of a load by kind, each with the words that came last.

use std::collections::BTreeMap;

/// Kinds that are counted apart. There are about twenty, and one for each HTTP status; the rest are counted together.
const MOST_KINDS: usize = 64;
/// The name under which kinds beyond [`MOST_KINDS`] are counted.
const OTHER: &str = "other";

/// Failed requests by kind.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<String, (u64, String)>);

impl Failures {
    /// Adds a failure of `kind`; `words` is what the server or the system said.
    pub(super) fn add(&mut self, kind: String, words: String) {
        let kind = if self.0.len() < MOST_KINDS || self.0.contains_key(&kind) { kind } else { OTHER.to_owned() };
        let group = self.0.entry(kind).or_default();
        group.0 += 1;
        group.1 = words;
    }

    /// Number, kind and last words, the most frequent kind first.
    pub(super) fn largest(&self) -> Vec<(u64, &str, &str)> {
        let mut all: Vec<_> =
            self.0.iter().map(|(kind, (count, words))| (*count, kind.as_str(), words.as_str())).collect();
        all.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
        all
    }
}
