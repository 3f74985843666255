//! Owns the fast path for streams: an event that differs from an earlier one only in the text of its token is not
//! parsed again.

use memchr::memmem;

use super::delta::Delta;

/// Bytes of the largest event that is kept as a frame. Larger events are rare, and a frame is kept as long as its
/// response lasts.
const MOST_FRAME_BYTES: usize = 16 << 10;

/// The bytes around the text of a parsed event that brought one plain token.
///
/// If one string of a JSON object is replaced by another, the object stays valid and its other values do not change.
/// Of a token's text, only its presence and its length matter. So this assumes nothing about the server, and an event
/// with another frame is parsed in full.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    /// The event without the text.
    frame: Box<[u8]>,
    /// Bytes of the frame before the text, opening quote included.
    head: usize,
}

impl Likeness {
    /// Whether parsing `event` would give [`Likeness::token`], except for the number of bytes.
    pub(super) fn covers(&self, event: &[u8]) -> bool {
        let (head, tail) = self.frame.split_at(self.head);
        !tail.is_empty() && event.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)).is_some_and(is_plain)
    }

    /// The content of a covered event: answer text and nothing else. Its bytes are those beyond the frame.
    pub(super) fn token(&self, event: &[u8]) -> Delta {
        Self::plain(event.len().saturating_sub(self.frame.len()) as u64)
    }

    fn plain(bytes: u64) -> Delta {
        Delta { answer: true, bytes, of_choices: 1, ..Delta::default() }
    }

    /// Keeps the frame of `event`, which was parsed as `delta`, if the event is a plain token. `text_keys` are the keys
    /// under which the endpoint's dialect puts the text of a token.
    pub(super) fn learn(&mut self, event: &[u8], delta: &Delta, text_keys: &[&[u8]]) {
        if *delta != Self::plain(delta.bytes) || event.len() > MOST_FRAME_BYTES {
            return;
        }
        for key in text_keys {
            let Some(at) = memmem::find(event, key) else { continue };
            let mut head = at + key.len();
            while event.get(head) == Some(&b' ') {
                head += 1;
            }
            let Some(text) = event.get(head..).and_then(|rest| rest.strip_prefix(b"\"")) else { continue };
            head += 1;
            let length = memchr::memchr(b'"', text).unwrap_or(0);
            if is_plain(&text[..length]) {
                *self = Self { frame: [&event[..head], &text[length..]].concat().into(), head };
                return;
            }
        }
    }
}

/// Whether `text`, put between quotes, is a non-empty JSON string without escapes.
fn is_plain(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| *byte >= b' ' && !matches!(byte, b'"' | b'\\'))
        && std::str::from_utf8(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;
    use crate::client::delta::Meaning;
    use crate::client::reading::read;
    use proptest::prelude::*;

    fn chunk(content: &str) -> String {
        format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{{"content":{content}}},"finish_reason":null}}]}}"#)
    }

    fn learned(event: &str) -> Likeness {
        let mut likeness = Likeness::default();
        let dialect = Endpoint::default().dialect();
        if let Meaning::Delta(delta) = read(event.as_bytes(), dialect) {
            likeness.learn(event.as_bytes(), &delta, dialect.text_keys());
        }
        likeness
    }

    #[test]
    fn an_event_that_differs_in_its_text_alone_is_covered() {
        let likeness = learned(&chunk("\" a\""));
        for (content, covered) in [
            ("\"b\"", true),
            ("\"größer 数\"", true),
            ("\"\"", false),
            ("\"\\n\"", false),
            ("\"a\u{1}\"", false),
            ("null", false),
            ("\"a\",\"refusal\":\"b\"", false),
        ] {
            assert_eq!(likeness.covers(chunk(content).as_bytes()), covered, "{content}");
        }
        assert_eq!(likeness.token(chunk("\"größer\"").as_bytes()).bytes, 8);
        assert!(!likeness.covers(&chunk("\"a\"").as_bytes()[..20]));
        assert!(!likeness.covers(b"") && !Likeness::default().covers(b""));
        assert!(learned(r#"{"choices": [{"text": "a"}]}"#).covers(r#"{"choices": [{"text": "bc"}]}"#.as_bytes()));
    }

    #[test]
    fn only_plain_tokens_are_learned() {
        for event in [
            r#"{"choices":[{"delta":{"content":""}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"completion_tokens":1}}"#,
            r#"{"choices":[{"delta":{"reasoning":"a","content":"b"}}]}"#,
            r#"{"error":{"content":"a"},"choices":[{"delta":{"content":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":[{"text":7}]}}]}"#,
        ] {
            assert!(learned(event).frame.is_empty(), "{event}");
        }
        let large = format!(r#"{{"id":"{}","choices":[{{"delta":{{"content":"a"}}}}]}}"#, "c".repeat(MOST_FRAME_BYTES));
        assert!(learned(&large).frame.is_empty(), "what is kept of a stream is bounded");
    }

    proptest! {
        #[test]
        fn what_is_covered_parses_to_the_same(
            first in prop_oneof![
                Just(chunk("\"a\"")),
                Just(r#"{"content":"x","choices":[{"delta":{"refusal":"r"}}]}"#.to_owned()),
                Just(r#"{"a\"content": "x", "choices":[{"text":"t"}]}"#.to_owned()),
                Just(r#"{"text":"\"content\":","choices":[{"text":"t"}]}"#.to_owned()),
            ],
            from in 0_usize..80,
            length in 0_usize..6,
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'\\'), Just(b'a')], 0..8),
        ) {
            let mut event = first.clone().into_bytes();
            let from = from.min(event.len());
            event.splice(from..(from + length).min(event.len()), bytes);
            if learned(&first).covers(&event) {
                let Meaning::Delta(whole) = read(&event, Endpoint::default().dialect()) else { panic!("no event") };
                prop_assert_eq!(Delta { bytes: 0, ..whole }, Likeness::plain(0));
            }
        }
    }
}
