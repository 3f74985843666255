//! Owns the neutralising of text that came from outside: what would act on a terminal, or forge a line, is shown as an escape.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with every control character (C0, DEL, C1), line separator and change of direction written as an escape such as `\u{1b}`.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            // Writing to a string cannot fail.
            _ if acts(character) => _ = write!(shown, "\\u{{{:x}}}", u32::from(character)),
            _ => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// Whether a terminal does something at this character instead of showing it.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_shown_and_all_else_is_left() {
        for (text, expected) in [
            ("größer 数 🙂", "größer 数 🙂"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("a\nerror: forged\r\tb", "a\\nerror: forged\\r\\tb"),
            ("\u{9b}2J\u{7f}\u{85}", "\\u{9b}2J\\u{7f}\\u{85}"),
            ("a\u{202e}b\u{2066}c\u{200f}\u{2028}", "a\\u{202e}b\\u{2066}c\\u{200f}\\u{2028}"),
            ("\0", "\\u{0}"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
        assert!(matches!(visible("plain"), Cow::Borrowed(_)));
    }
}
