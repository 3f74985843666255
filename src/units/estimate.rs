//! Owns `text-v1`: the estimate of the tokens of any text, in any script, without a tokenizer.

use serde_json::Value;

/// The name of the estimate, for reports.
pub const TEXT_ESTIMATE_NAME: &str = "text-v1";

/// The kind of a character, by which a run of characters is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Latin,
    Ideograph,
    OtherLetter,
    Mark,
    Symbol,
    Break,
    Space,
}

impl Kind {
    /// The kind of each ASCII character, by its number: a table, because prompts are counted beside a running load.
    const ASCII: [Self; 128] = {
        let mut kinds = [Self::Symbol; 128];
        let mut number = 0u8;
        while number < 128 {
            kinds[number as usize] = match number {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'\'' => Self::Latin,
                b'\n' => Self::Break,
                b'\t' | b'\x0b' | b'\x0c' | b'\r' | b' ' => Self::Space,
                _ if number.is_ascii_punctuation() => Self::Mark,
                _ => Self::Symbol,
            };
            number += 1;
        }
        kinds
    };

    fn of(character: char) -> Self {
        if let Some(kind) = Self::ASCII.get(character as usize) {
            return *kind;
        }
        match character {
            '\u{c0}'..='\u{24f}' => Self::Latin,
            '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{20000}'..='\u{3ffff}' => {
                Self::Ideograph
            }
            _ if character.is_whitespace() => Self::Space,
            '\u{2010}'..='\u{205e}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}' => Self::Mark,
            _ if character.is_alphanumeric() => Self::OtherLetter,
            _ => Self::Symbol,
        }
    }

    /// Tokens of a run of `length` characters. The figures are those of vocabularies of 100 000 tokens and more: a
    /// common word is one token, a long word two, four ideographs are three tokens, three letters of another alphabet
    /// are one, as are two marks in a row.
    fn tokens(self, length: u32) -> u32 {
        match self {
            Self::Latin => length.div_ceil(8),
            Self::Ideograph => length.saturating_mul(3).div_ceil(4),
            Self::OtherLetter => length.div_ceil(3),
            Self::Mark => length.div_ceil(2),
            Self::Symbol => length.saturating_mul(2),
            Self::Break => 1,
            // A single space belongs to the word after it; deeper indentation is a token.
            Self::Space => u32::from(length > 1),
        }
    }
}

/// Estimates the tokens of a text that grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Estimator {
    tokens: u32,
    kind: Kind,
    run: u32,
}

impl Default for Estimator {
    fn default() -> Self {
        Self { tokens: 0, kind: Kind::Space, run: 0 }
    }
}

impl Estimator {
    /// Adds the next character.
    pub(crate) fn add(&mut self, character: char) {
        let next = Kind::of(character);
        if next != self.kind {
            *self = Self { tokens: self.tokens(), kind: next, run: 0 };
        }
        self.run = self.run.saturating_add(1);
    }

    /// The estimate of the text so far.
    pub(crate) fn tokens(&self) -> u32 {
        if self.run > 0 { self.tokens.saturating_add(self.kind.tokens(self.run)) } else { self.tokens }
    }
}

/// The tokens of `text` by the estimate `text-v1`. For prompts of `words-v1`, it is exactly their words. For English
/// prose it is within 5 % of the count of the tokenizers that were tried (`datasets/README.md`); for other texts it is
/// rougher.
#[must_use]
pub fn estimate_text(text: &str) -> u32 {
    let mut estimator = Estimator::default();
    text.chars().for_each(|character| estimator.add(character));
    estimator.tokens()
}

/// The words of `text`, each with the white space before it, and with its tokens by the estimate. White space at the
/// end belongs to the last word. No run of characters goes beyond a word, so the tokens add up to the estimate of the
/// whole.
pub(crate) fn estimated_words(text: &str) -> impl Iterator<Item = (&str, u32)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(|letter: char| !letter.is_whitespace()).unwrap_or(rest.len());
        let end = rest[start..].find(char::is_whitespace).map_or(rest.len(), |length| start + length);
        let end = if rest[end..].trim_start().is_empty() { rest.len() } else { end };
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then(|| (word, estimate_text(word)))
    })
}

/// The texts under the keys of prompts in `body`, a request body of JSON; empty if it is none.
pub(crate) fn text_of_body(body: &[u8]) -> String {
    let mut text = String::new();
    collect(&serde_json::from_slice(body).unwrap_or_default(), false, &mut text);
    text
}

/// Adds the texts in `value` to `text`: those under the keys of prompts (`is_prompt`), at any depth.
fn collect(value: &Value, is_prompt: bool, text: &mut String) {
    match value {
        Value::String(said) if is_prompt => text.extend([said, "\n"]),
        Value::Array(items) => items.iter().for_each(|item| collect(item, is_prompt, text)),
        Value::Object(keys) => {
            for (key, inner) in keys {
                let prompt =
                    matches!(key.as_str(), "content" | "text" | "prompt" | "input" | "system" | "instructions");
                collect(inner, prompt, text);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_words_of_a_text_add_up_to_the_whole(text in "\\PC*|[a-c \t\n,.]*") {
            let words: Vec<_> = estimated_words(&text).collect();
            prop_assert_eq!(words.iter().map(|(word, _)| *word).collect::<String>(), text.clone());
            prop_assert_eq!(words.iter().map(|(_, tokens)| *tokens).sum::<u32>(), estimate_text(&text));
        }
    }

    #[test]
    fn every_script_has_its_own_density() {
        for (text, tokens) in [
            ("", 0),
            ("Hello, world!", 4),
            ("internationalization", 3),
            ("今天天气", 3),
            ("Привет мир", 3),
            ("a\n\n    b();", 6),
            ("你好，“世界”……", 7),
            ("🙂", 2),
            ("Größe", 1),
        ] {
            assert_eq!(estimate_text(text), tokens, "{text:?}");
        }
    }
}
