//! Owns the reading of `usage` objects: token counts under the key names that servers use.

use serde::de::{IgnoredAny, MapAccess};

use super::delta::Counts;
use super::value::{Count, Object, Raw, object_of};

/// The counts in a `usage` value; `None` when it holds no count and nothing odd.
pub(super) fn counts_of(usage: Raw<'_>) -> Option<Counts> {
    if !usage.is_object() {
        return (!usage.is_falsy()).then_some(Counts { odd: true, ..Counts::default() });
    }
    let usage: UsageKeys = object_of(usage);
    let details = |details: Raw<'_>| object_of::<DetailKeys>(details);
    let (input, output) = (usage.input, usage.output);
    let (cached, reasoning) = (details(usage.input_details).cached, details(usage.output_details).reasoning);
    let all = [input, output, cached, reasoning];
    all.iter().any(|count| *count != Count::Absent).then_some(Counts {
        input: input.known(),
        output: output.known(),
        cached: cached.known(),
        reasoning: reasoning.known(),
        odd: all.contains(&Count::Odd),
    })
}

#[derive(Default)]
struct UsageKeys<'a> {
    input: Count,
    output: Count,
    input_details: Raw<'a>,
    output_details: Raw<'a>,
}

impl<'de: 'a, 'a> Object<'de> for UsageKeys<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"prompt_tokens" | b"input_tokens" => self.input = map.next_value::<Raw<'a>>()?.count().or(self.input),
            b"completion_tokens" | b"output_tokens" => {
                self.output = map.next_value::<Raw<'a>>()?.count().or(self.output);
            }
            b"prompt_tokens_details" | b"input_tokens_details" => self.input_details = map.next_value()?,
            b"completion_tokens_details" | b"output_tokens_details" => self.output_details = map.next_value()?,
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct DetailKeys {
    cached: Count,
    reasoning: Count,
}

impl<'de> Object<'de> for DetailKeys {
    fn take<A: MapAccess<'de>>(&mut self, key: &[u8], map: &mut A) -> Result<(), A::Error> {
        match key {
            b"cached_tokens" => self.cached = map.next_value::<Raw<'de>>()?.count(),
            b"reasoning_tokens" => self.reasoning = map.next_value::<Raw<'de>>()?.count(),
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Endpoint;
    use crate::client::delta::{Delta, Meaning};
    use crate::client::reading::read;

    fn delta(event: &str) -> Delta {
        match read(event.as_bytes(), Endpoint::default().dialect()) {
            Meaning::Delta(delta) => delta,
            other => panic!("{event}: {other:?}"),
        }
    }

    #[test]
    fn counts_are_read_however_they_are_written_and_what_is_none_is_noted() {
        let known = |input, output| Counts { input, output, ..Counts::default() };
        let odd = |counts: Counts| Some(Counts { odd: true, ..counts });
        for (usage, expected) in [
            (
                r#"{"prompt_tokens":12,"completion_tokens":34.0,"total_tokens":46,"prompt_tokens_details":{"cached_tokens":8}}"#,
                Some(Counts { cached: Some(8), ..known(Some(12), Some(34)) }),
            ),
            (
                r#"{"prompt_tokens":1,"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":8}}"#,
                Some(Counts { reasoning: Some(8), ..known(Some(1), Some(9)) }),
            ),
            (r#"{"prompt_tokens":"10","completion_tokens":"4"}"#, Some(known(Some(10), Some(4)))),
            (r#"{"input_tokens":10,"output_tokens":4}"#, Some(known(Some(10), Some(4)))),
            (r#"{"completion_tokens":4,"output_tokens":null}"#, Some(known(None, Some(4)))),
            (
                r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":[]}"#,
                Some(known(Some(10), Some(4))),
            ),
            (r#"{"prompt_tokens":1,"prompt_tokens":2}"#, Some(known(Some(2), None))),
            (
                r#"{"prompt_tokens":10,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":-1}}"#,
                odd(known(Some(10), Some(4))),
            ),
            (r#"{"prompt_tokens":-1,"completion_tokens":4}"#, odd(known(None, Some(4)))),
            (r#"{"prompt_tokens":10,"completion_tokens":4.5}"#, odd(known(Some(10), None))),
            ("7", odd(Counts::default())),
            ("[1]", odd(Counts::default())),
            (r#"{"prompt_tokens":null,"completion_tokens":null,"prompt_tokens_details":null}"#, None),
            (r#"{"total_tokens":4}"#, None),
            ("{}", None),
            ("[]", None),
            ("null", None),
            (r#""""#, None),
            ("false", None),
        ] {
            let read = delta(&format!(r#"{{"choices":[],"usage":{usage}}}"#));
            assert_eq!((read.usage, read.has_token(), read.error), (expected, false, None), "{usage}");
        }
        let inside = r#"{"choices":[{"delta":{},"usage":{"prompt_tokens":1,"completion_tokens":2}}]}"#;
        assert_eq!(delta(inside).usage, Some(known(Some(1), Some(2))), "beside the delta, as Moonshot has it");
    }
}
