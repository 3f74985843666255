//! Owns the repair of JSON as some servers write it: bytes that are not UTF-8, and numbers that JSON does not have.

/// Numbers that Python writes and JSON does not have, the longest first.
const NO_NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// A larger event is none that a server meant well: it would keep a worker busy for others to wait.
const MOST_BYTES: usize = 1 << 20;

/// `object` with every byte that is not UTF-8 replaced by U+FFFD, and `NaN`, `Infinity` and `-Infinity` outside of
/// texts by `null`; none where nothing of that is in it. Only what could not be read as it came is worth the pass.
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
            // What follows is part of the text, a quote too.
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
