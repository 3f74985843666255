//! Owns the words of the simulated server's responses, and the texts at which a response stops.

/// The words of every response, one token each. Some are not ASCII, so that a stream can be cut inside a character.
pub(super) const WORDS: [&str; 16] = [
    " the", " traffic", " naïve", " of", " tokens", " runs", " über", " open", " loops", " and", " waits", " 数据",
    " for", " nobody", " at", " all",
];

/// Token number `token`, from 0, of choice `choice`. Each choice begins one word later, so that choices differ.
fn word(choice: u32, token: u32) -> &'static str {
    WORDS[(choice as usize + token as usize) % WORDS.len()]
}

/// Appends the words of tokens `from` to `to` of choice `choice`.
pub(super) fn push_words(text: &mut String, choice: u32, from: u32, to: u32) {
    for token in from..to {
        text.push_str(word(choice, token));
    }
}

/// Where a response meets a text at which it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Met {
    /// Tokens of the response, with the token that completes the text.
    pub(super) tokens: u32,
    /// Bytes of the answer before the text.
    pub(super) bytes: usize,
    /// Place of the text in the list.
    which: usize,
}

/// The texts at which a response stops.
#[derive(Debug, Clone, Default)]
pub(super) struct Stops {
    texts: Vec<String>,
    /// The same texts, escaped as inside a JSON string.
    escaped: Vec<String>,
}

impl Stops {
    pub(super) fn new(texts: Vec<String>) -> Self {
        let escape = |text: &String| {
            let quoted = serde_json::to_string(text).unwrap_or_default();
            quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
        };
        Self { escaped: texts.iter().map(escape).collect(), texts }
    }

    /// The text that was met, escaped as inside a JSON string.
    pub(super) fn escaped(&self, met: Met) -> &str {
        self.escaped.get(met.which).map_or("", String::as_str)
    }

    /// Characters at the end of a stream that are held back, because a stop text may begin in them. As in vLLM, this is
    /// one less than the longest stop text has.
    pub(super) fn held_back(&self) -> usize {
        self.texts.iter().map(|text| text.chars().count()).max().unwrap_or(1).saturating_sub(1)
    }

    /// Where tokens `from` to `to` of choice `choice` meet the first text. As in vLLM, it is looked for after each
    /// token, and of several texts the first in the list counts.
    pub(super) fn met(&self, choice: u32, from: u32, to: u32) -> Option<Met> {
        let longest = self.texts.iter().map(String::len).max()?;
        // The words repeat, and a word has more than one byte: a text that this many words do not hold never comes.
        let enough = u32::try_from(WORDS.len() + longest).unwrap_or(u32::MAX);
        let mut text = String::new();
        for token in from..to.min(from.saturating_add(enough)) {
            let before = text.len();
            text.push_str(word(choice, token));
            for (which, stop) in self.texts.iter().enumerate() {
                let mut start = before.saturating_sub(stop.len() - 1);
                while !text.is_char_boundary(start) {
                    start += 1;
                }
                if let Some(at) = text[start..].find(stop.as_str()) {
                    return Some(Met { tokens: token + 1, bytes: start + at, which });
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_text_is_met_with_the_token_that_completes_it() {
        let met = |texts: &[&str], choice, to| {
            let stops = Stops::new(texts.iter().map(|text| (*text).to_owned()).collect());
            stops.met(choice, 0, to).map(|met| (met.tokens, met.bytes, stops.escaped(met).to_owned()))
        };
        let found = |tokens, bytes, text: &str| Some((tokens, bytes, text.to_owned()));
        assert_eq!(met(&["traffic"], 0, 9), found(2, " the ".len(), "traffic"));
        assert_eq!(met(&["c na"], 0, 9), found(3, " the traffi".len(), "c na"), "over two tokens");
        assert_eq!(met(&["of", "ïve o"], 0, 9), found(4, " the traffic naïve ".len(), "of"), "the first in the list");
        let before: usize = WORDS[1..].iter().map(|word| word.len()).sum();
        assert_eq!(met(&["the"], 1, 99), found(16, before + 1, "the"), "choice 1 begins with the second word");
        assert_eq!(met(&["the"], 1, 15), None, "after the end");
        assert_eq!(met(&["never"], 0, u32::MAX), None);
        assert_eq!(met(&[], 0, 9), None);
        let quoted = Stops::new(vec!["\"".to_owned()]);
        assert_eq!((quoted.escaped[0].as_str(), quoted.held_back()), ("\\\"", 0));
    }
}
