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
            _ if character.is_ascii_punctuation() || matches!(character, '\u{3000}'..='\u{303f}') => Self::Mark,
            _ if character.is_alphanumeric() => Self::OtherLetter,
            _ => Self::Symbol,
        }
    }

    /// Tokens of a run of `length` characters. The figures are those of current vocabularies of 100 000 tokens and more:
    /// a common word is one token, a long word two, four ideographs are three tokens, three letters of another alphabet
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

/// A rough estimate of the tokens of `text`. For prompts of `words-v1`, it is exactly their words.
#[must_use]
pub fn estimate_text(text: &str) -> u32 {
    let (mut tokens, mut run) = (0_u32, 0_u32);
    let mut kind = Kind::Space;
    for character in text.chars() {
        let next = Kind::of(character);
        if next != kind {
            tokens = tokens.saturating_add(kind.tokens(run));
            (kind, run) = (next, 0);
        }
        run = run.saturating_add(1);
    }
    if run > 0 { tokens.saturating_add(kind.tokens(run)) } else { tokens }
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
            ("a\n\n    b();", 5),
            ("🙂", 2),
            ("Größe", 1),
        ] {
            assert_eq!(estimate_text(text), tokens, "{text:?}");
        }
    }
}
