//! Owns the repair of invalid JSON that some servers write: bytes that are not UTF-8, and numbers such as `NaN`.

/// Numbers that Python writes and JSON does not allow, the longest first.
const NO_NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Bytes. A larger object is not repaired: the pass would keep a worker busy and delay its other requests.
const MOST_BYTES: usize = 1 << 20;

/// Returns `object` with every invalid UTF-8 byte replaced by U+FFFD, and `NaN`, `Infinity` and `-Infinity` outside
/// strings replaced by `null`. Returns `None` when there is nothing to replace or `object` is too large. Called only
/// for objects that could not be read.
pub(super) fn repaired(object: &[u8]) -> Option<String> {
    if object.len() > MOST_BYTES {
        return None;
    }
    let text = String::from_utf8_lossy(object);
    let mut whole = String::with_capacity(text.len());
    let (mut rest, mut in_text) = (&*text, false);
    while let Some(letter) = rest.chars().next() {
        let word = if in_text { None } else { NO_NUMBERS.iter().find(|word| rest.starts_with(**word)) };
        if let Some(word) = word {
            whole.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        let mut length = letter.len_utf8();
        match letter {
            '"' => in_text = !in_text,
            // The next character belongs to the string, even when it is a quote.
            '\\' if in_text => length += rest[length..].chars().next().map_or(0, char::len_utf8),
            _ => {}
        }
        whole.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    (whole.as_bytes() != object).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_does_not_have_is_replaced_outside_of_texts() {
        for (object, expected) in [
            (&br#"{"logprobs":NaN,"a":[-Infinity,Infinity]}"#[..], Some(r#"{"logprobs":null,"a":[null,null]}"#)),
            (br#"{"content":"NaN \" Infinity"}"#, None),
            (b"{\"content\":\"a\xff\"}", Some("{\"content\":\"a\u{fffd}\"}")),
            (br#"{"content":"a"}"#, None),
        ] {
            assert_eq!(repaired(object).as_deref(), expected);
        }
    }
}
