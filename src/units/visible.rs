//! Owns the display of foreign text: characters that a terminal, a table or a web page would obey become visible
//! escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The codes of the colours on our own pages
/// ([SGR](https://www.ecma-international.org/publications-and-standards/standards/ecma-48/)).
const OWN_CODES: [&str; 6] = ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[1;34m", "\u{1b}[1;35m", "\u{1b}[33m"];

/// Whether a terminal obeys `character` instead of showing it: control characters (C0, DEL, C1), line and paragraph
/// separators, marks that change the direction of text, and invisible characters without a width.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` as one line that is safe to show: every character that a terminal would obey, line breaks included, becomes
/// an escape (`\n`, `\x1b`, `\u{202e}`).
#[must_use]
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// Like [`visible`], for a page of ours: it keeps line breaks and the colours of our own pages.
#[must_use]
pub(crate) fn visible_page(text: &str) -> Cow<'_, str> {
    if !text.contains(|character| character != '\n' && is_hidden(character)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(start) = rest.find('\u{1b}') {
        let (before, after) = rest.split_at(start);
        shown.push_str(&escaped(before, |character| character == '\n'));
        let own = OWN_CODES.into_iter().find(|code| after.starts_with(code));
        shown.push_str(own.unwrap_or("\\x1b"));
        rest = &after[own.map_or(1, str::len)..];
    }
    shown.push_str(&escaped(rest, |character| character == '\n'));
    Cow::Owned(shown)
}

/// JSON text of the same value, in which every character that a terminal would obey is a JSON escape. Line breaks and
/// tabs stay: outside strings, JSON has no other such characters.
#[must_use]
pub(crate) fn visible_json(text: &str) -> Cow<'_, str> {
    let kept = |character| character == '\n' || character == '\t' || !is_hidden(character);
    if text.chars().all(kept) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if kept(character) {
            shown.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    Cow::Owned(shown)
}

/// A field of a CSV file (RFC 4180): quoted if it contains a separator, a quote, a line break or outer blanks. A
/// spreadsheet runs a field that begins with `=`, `+`, `-`, `@`, a tab or a carriage return as a formula. Such a
/// field gets an apostrophe in front, unless it is a number.
#[must_use]
pub(crate) fn csv_field(text: &str) -> Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let quoted = text.contains([',', ';', '"', '\n', '\r', '\t']) || text.trim() != text;
    match (formula, quoted) {
        (false, false) => Cow::Borrowed(text),
        (true, false) => Cow::Owned(format!("'{text}")),
        (formula, true) => Cow::Owned(format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))),
    }
}

fn escaped(text: &str, kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(|character| is_hidden(character) && !kept(character)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        // Writing to a string cannot fail.
        _ = match character {
            plain if kept(plain) || !is_hidden(plain) => shown.write_char(plain),
            '\n' => shown.write_str("\\n"),
            '\r' => shown.write_str("\\r"),
            '\t' => shown.write_str("\\t"),
            low if (low as u32) < 0x100 => write!(shown, "\\x{:02x}", low as u32),
            high => write!(shown, "\\u{{{:x}}}", high as u32),
        };
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_seen_instead() {
        for (text, shown) in [
            ("Qwen3-8B é 模型 👩‍🔬", "Qwen3-8B é 模型 👩‍🔬"),
            ("a\u{1b}[2Jb", "a\\x1b[2Jb"),
            ("a\u{9b}31mb", "a\\x9b31mb"),
            ("PASS\r\nverdict: FAIL", "PASS\\r\\nverdict: FAIL"),
            ("\u{7}\u{8}\u{7f}\0\t", "\\x07\\x08\\x7f\\x00\\t"),
            ("\u{202e}txt\u{2066}\u{2028}\u{feff}\u{e0041}", "\\u{202e}txt\\u{2066}\\u{2028}\\u{feff}\\u{e0041}"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn a_page_keeps_its_lines_and_its_own_colours() {
        let page = "\u{1b}[1;35mFAIL\u{1b}[0m\nmodel \u{1b}[31mred\u{1b}]0;title\u{7}\r\n";
        assert_eq!(visible_page(page), "\u{1b}[1;35mFAIL\u{1b}[0m\nmodel \\x1b[31mred\\x1b]0;title\\x07\\r\n");
        assert_eq!(visible_page("plain\n"), "plain\n");
    }

    #[test]
    fn fields_of_tables_and_pages_are_quoted() {
        for (text, field) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1,2)", "\"'@SUM(A1,2)\""),
            ("-12.5", "-12.5"),
            ("-cmd", "'-cmd"),
            (" x", "\" x\""),
        ] {
            assert_eq!(csv_field(text), field);
        }
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>(), code in 0u32..0x3000) {
            let text = format!("{text}{}", char::from_u32(code).unwrap_or('x'));
            prop_assert!(!visible(&text).contains(is_hidden));
            let page = visible_page(&text).into_owned();
            let bare = OWN_CODES.iter().fold(page, |page, code| page.replace(code, ""));
            prop_assert!(!bare.contains(|character| character != '\n' && is_hidden(character)));
        }

        #[test]
        fn json_stays_the_same_value(text in any::<String>(), code in 0x7fu32..0x3000) {
            let value = serde_json::json!({"k": format!("{text}{}", char::from_u32(code).unwrap_or('x'))});
            let shown = visible_json(&serde_json::to_string_pretty(&value).unwrap()).into_owned();
            prop_assert!(!shown.contains(|character| character != '\n' && is_hidden(character)));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }
}
