//! Owns the estimate of the tokens of any text, in any script, without a tokenizer.

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
    fn of(character: char) -> Self {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '\'' | '\u{c0}'..='\u{24f}' => Self::Latin,
            '\n' => Self::Break,
            '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{20000}'..='\u{3ffff}' => {
                Self::Ideograph
            }
            _ if character.is_whitespace() => Self::Space,
            '\u{2010}'..='\u{205e}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}' => Self::Mark,
            _ if character.is_ascii_punctuation() => Self::Mark,
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
pub(super) struct Estimator {
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
    pub(super) fn add(&mut self, character: char) {
        let next = Kind::of(character);
        if next != self.kind {
            *self = Self { tokens: self.tokens(), kind: next, run: 0 };
        }
        self.run = self.run.saturating_add(1);
    }

    /// The estimate of the text so far.
    pub(super) fn tokens(&self) -> u32 {
        if self.run > 0 { self.tokens.saturating_add(self.kind.tokens(self.run)) } else { self.tokens }
    }
}

/// A rough estimate of the tokens of `text`. For prompts of `words-v1`, it is exactly their words.
#[must_use]
pub fn estimate_text(text: &str) -> u32 {
    let mut estimator = Estimator::default();
    text.chars().for_each(|character| estimator.add(character));
    estimator.tokens()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::workload::estimate_tokens;
    use crate::workload::words::append_words;

    #[test]
    fn the_estimate_of_words_is_their_number() {
        let mut text = String::new();
        append_words(&mut text, 500, &mut Seed::new(3).stream("prompts").at(0));
        assert_eq!((estimate_text(&text), estimate_tokens(&text)), (500, 500));
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
