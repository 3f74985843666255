//! Owns the short cut for streams: an event that differs from an earlier one only inside the text of its token means
//! the same.

use memchr::memmem;

use super::delta::Delta;

/// Bytes of an event that is worth keeping: a larger one is no common case, and would be kept for as long as its
/// answer lasts.
const MOST_FRAME_BYTES: usize = 16 << 10;

/// What surrounds the text in an event that was parsed and brought one plain token.
///
/// A JSON object stays valid, and says the same of everything else, when one of its strings gives way to another. All
/// that is asked of the text of a token is whether there is any; so nothing is assumed about a server here, and what
/// is not alike is parsed in full.
#[derive(Debug, Default)]
pub(super) struct Likeness {
    /// The event without the text.
    frame: Box<[u8]>,
    /// Bytes of the frame before the text, its opening quote among them.
    head: usize,
}

impl Likeness {
    /// Whether parsing `event` would give what [`Likeness::token`] says, but for its bytes.
    pub(super) fn covers(&self, event: &[u8]) -> bool {
        let (head, tail) = self.frame.split_at(self.head);
        !tail.is_empty() && event.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)).is_some_and(is_plain)
    }

    /// What a covered event says: some of the answer, and nothing more. Its bytes are those that the frame does not
    /// have.
    pub(super) fn token(&self, event: &[u8]) -> Delta {
        Self::plain(event.len().saturating_sub(self.frame.len()) as u64)
    }

    fn plain(bytes: u64) -> Delta {
        Delta { answer: true, bytes, of_choices: 1, ..Delta::default() }
    }

    /// Keeps the frame of `event`, which was parsed as `delta`, where it is of use. `text_keys`: where the endpoint's
    /// dialect has the text of a token.
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

/// Whether `text`, between two quotes, is a JSON string that is not empty. Says no to escapes.
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
