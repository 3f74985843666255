//! Owns the one rounding policy of screen and pages (three significant digits, the unit beside the number) and line
//! breaking.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::units::visible;

/// Seconds for people: `0 s`, `83.1 µs`, `12.4 ms`, `1.73 s`, `16.6 min`, `2.10 h`; `—` for NaN, `∞` for infinity.
#[must_use]
pub fn seconds(value_s: f64) -> String {
    if value_s.is_nan() {
        return "—".to_owned();
    }
    if value_s.is_infinite() {
        return "∞".to_owned();
    }
    let magnitude = value_s.abs();
    let (scaled, unit) = if magnitude == 0.0 {
        return "0 s".to_owned();
    } else if magnitude < 0.999_5e-3 {
        (value_s * 1e6, "µs")
    } else if magnitude < 0.999_5 {
        (value_s * 1e3, "ms")
    } else if magnitude < 599.5 {
        (value_s, "s")
    } else if magnitude < 35_970.0 {
        (value_s / 60.0, "min")
    } else {
        (value_s / 3600.0, "h")
    };
    format!("{} {unit}", plain(scaled))
}

/// A rate for people: `12.5/s`.
#[must_use]
pub(crate) fn per_second(value_per_s: f64) -> String {
    format!("{}/s", plain(value_per_s))
}

/// A rate for people, however low: `12.5/s`, `38.6/h`.
#[must_use]
pub(crate) fn pace(value_per_s: f64) -> String {
    if value_per_s.abs() < 0.1 { format!("{}/h", plain(value_per_s * 3600.0)) } else { per_second(value_per_s) }
}

/// A whole number with thin separators: `12 345`.
#[must_use]
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A number whose unit stands elsewhere: three significant digits, whole from 100 up.
#[must_use]
pub(crate) fn plain(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 99.95 {
        format!("{value:.0}")
    } else if magnitude >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// Columns that `text` takes on a screen: the one place where widths are computed. A Chinese character takes two, a
/// combining mark none.
#[must_use]
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// `text` cut to `most` columns; it ends in `…` if it was cut.
#[must_use]
pub(crate) fn cut_to(text: &str, most: usize) -> Cow<'_, str> {
    if columns(text) <= most {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", &text[..end_within(text, most.saturating_sub(1))]))
}

/// The byte index up to which `text` takes at most `most` columns.
fn end_within(text: &str, most: usize) -> usize {
    let mut used = 0;
    let beyond = text.char_indices().find(|(_, character)| {
        used += character.width().unwrap_or(0);
        used > most
    });
    beyond.map_or(text.len(), |(end, _)| end)
}

/// Columns. A longer word of foreign text is broken; no path or address that tonnage writes is that long.
const LONGEST_WORD: usize = 160;
/// Columns of each part of a broken word.
const PART: usize = 60;

/// `word`, or its parts if it is too long for any screen.
fn parts(word: &str) -> Vec<&str> {
    if columns(word) <= LONGEST_WORD {
        return vec![word];
    }
    let (mut parts, mut rest) = (Vec::new(), word);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(end_within(rest, PART));
        parts.push(part);
        rest = after;
    }
    parts
}

/// Whether `before` and `after`, with a blank between them, are parts of one number: `64` and `800`.
fn is_one_number(before: &str, after: &str) -> bool {
    let head = before.trim_end_matches(|last: char| last.is_ascii_digit());
    let tail = after.trim_start_matches(|first: char| first.is_ascii_digit());
    (1..=3).contains(&(before.len() - head.len()))
        && !head.ends_with(char::is_alphanumeric)
        && after.len() - tail.len() == 3
}

/// The words of `text`: it is split at blanks, except at a blank inside a number.
fn words(text: &str) -> Vec<Cow<'_, str>> {
    let mut words: Vec<Cow<'_, str>> = Vec::new();
    let mut before = "";
    for word in text.split_whitespace() {
        match words.last_mut() {
            Some(last) if is_one_number(before, word) => last.to_mut().extend([" ", word]),
            _ => words.push(Cow::Borrowed(word)),
        }
        before = word;
    }
    words
}

/// `text` broken into lines of at most `width` columns, every line after the first behind `indent` blanks. A number
/// is never broken. Line breaks in `text` become blanks, and characters that a terminal would obey become escapes:
/// `text` cannot add lines of its own.
#[must_use]
pub(crate) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut lines = String::new();
    let mut used = indent;
    for word in words(text).iter().flat_map(|word| parts(word)) {
        let word = &*visible(word);
        let length = columns(word);
        if used > indent && used + 1 + length > width {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            used = indent;
        } else if used > indent {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_carry_three_digits_and_a_unit() {
        for (value_s, text) in [
            (0.0, "0 s"),
            (0.000_083_14, "83.1 µs"),
            (0.012_35, "12.3 ms"),
            (0.999_9, "1.00 s"),
            (1.734, "1.73 s"),
            (600.0, "10.0 min"),
            (86_400.0, "24.0 h"),
            (f64::NAN, "—"),
        ] {
            assert_eq!(seconds(value_s), text);
        }
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        assert_eq!((count(7), count(1234), count(1_234_567)), ("7".into(), "1 234".into(), "1 234 567".into()));
    }

    #[test]
    fn long_text_is_wrapped_behind_its_indent() {
        assert_eq!(wrapped("one two three four", 11, 2), "one two\n  three\n  four");
        assert_eq!(wrapped("", 11, 2), "");
        let flood = wrapped(&"x".repeat(300), 80, 2);
        assert!(flood.lines().all(|line| line.chars().count() <= 80) && flood.matches('x').count() == 300, "{flood}");
    }

    #[test]
    fn a_number_is_never_broken() {
        for (text, width, expected) in [
            ("of 64 800 requests", 8, "of\n64 800\nrequests"),
            ("(1 234 567 B) x", 6, "(1 234 567\nB) x"),
            ("12 345.6 a", 5, "12 345.6\na"),
            ("p99 200 ms", 7, "p99 200\nms"),
            ("a 5 12 b", 4, "a 5\n12 b"),
            ("1234 567", 6, "1234\n567"),
            ("3 1000", 4, "3\n1000"),
        ] {
            assert_eq!(wrapped(text, width, 0), expected);
        }
    }

    #[test]
    fn widths_are_those_of_the_screen() {
        assert_eq!((columns("通义千问"), columns("é"), columns("e\u{301}"), columns("▏")), (8, 1, 1, 1));
        assert_eq!(wrapped("通义千问 通义千问", 12, 0), "通义千问\n通义千问");
        let flood = wrapped(&"问".repeat(300), 80, 2);
        assert!(flood.lines().all(|line| columns(line) <= 80) && flood.matches('问').count() == 300, "{flood}");
        assert_eq!(
            (cut_to("通义千问", 8), cut_to("通义千问", 7), cut_to("abc", 2)),
            ("通义千问".into(), "通义千…".into(), "a…".into())
        );
    }
}
