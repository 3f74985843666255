//! Owns how an answer's bytes become an exchange: events folded as they come, and the outcome at the end. No I/O here.

use super::delta::{self, Delta, Event};
use super::likeness::Likeness;
use super::sse::{Framer, MOST_EVENT_BYTES};
use super::text;
use crate::record::{Exchange, Failure, FailureClass, Outcome};
use crate::units::Offset;

/// How the transport ended an answer.
#[derive(Debug)]
pub(super) enum End {
    /// As its framing said: last chunk, full length, or a close where the close is the end.
    Orderly,
    /// Not so.
    Broken(Failure),
}

/// An answer being read.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    asked_tokens: u32,
    said: Said,
}

#[derive(Debug)]
enum Body {
    Events(Framer),
    /// One JSON object, kept until its end.
    Whole(Vec<u8>),
    /// A whole object where events were asked for: an error in it is told, anything else is malformed.
    Unasked(Vec<u8>),
}

/// What the answer has said so far.
#[derive(Debug, Default)]
struct Said {
    /// `[DONE]`; what follows is not read.
    done: bool,
    /// At least one token.
    token: bool,
    /// The first thing that went wrong; later ones do not replace it.
    failure: Option<Failure>,
    tally: Tally,
    likeness: Likeness,
}

/// Tokens of each event by the differences of a running count, as long as every token-bearing event carries one that grows.
#[derive(Debug, Default)]
struct Tally {
    counted: u32,
    broken: bool,
}

impl Tally {
    fn note(&mut self, delta: &Delta, exchange: &mut Exchange) {
        if self.broken {
            return;
        }
        match delta.usage.map(|usage| usage.output_tokens) {
            Some(count) if count > self.counted => {
                exchange.event_tokens.push(count - self.counted);
                self.counted = count;
            }
            _ => {
                self.broken = true;
                exchange.event_tokens = Vec::new();
            }
        }
    }
}

impl Said {
    fn event(&mut self, event: &[u8], at: Offset, exchange: &mut Exchange) {
        if self.done {
            return;
        }
        exchange.first_event.get_or_insert(at);
        match self.meaning(event.trim_ascii()) {
            Event::Done => self.done = true,
            Event::Malformed(why) => self.fail(FailureClass::Malformed, &why),
            Event::Delta(delta) => {
                if delta.has_token() {
                    exchange.note_token_event(at, delta.answer);
                    self.tally.note(&delta, exchange);
                    // What no memory should hold no tokenizer need count.
                    if let Some(kept) = exchange.text.as_mut().filter(|kept| kept.bytes.len() <= MOST_EVENT_BYTES) {
                        text::append_event(event.trim_ascii(), kept);
                    }
                }
                self.facts(delta, exchange);
            }
        }
    }

    fn meaning(&mut self, event: &[u8]) -> Event {
        if self.likeness.covers(event) {
            return Event::Delta(Likeness::token());
        }
        let meaning = delta::read(event);
        if let Event::Delta(delta) = &meaning {
            self.likeness.learn(event, delta);
        }
        meaning
    }

    fn facts(&mut self, delta: Delta, exchange: &mut Exchange) {
        self.token |= delta.has_token();
        if let Some(error) = &delta.error {
            self.fail(FailureClass::StreamError, error);
        }
        exchange.usage = delta.usage.or(exchange.usage);
        if exchange.finish_reason.is_none() {
            exchange.finish_reason = delta.finish_reason;
        }
    }

    fn fail(&mut self, class: FailureClass, why: &str) {
        self.failure.get_or_insert_with(|| Failure::new(class, why));
    }
}

impl Answer {
    /// An answer that has not begun. `content_type` is what the server says it is.
    pub(super) fn new(stream: bool, content_type: Option<&str>, asked_tokens: u32) -> Self {
        let json = content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("application/json"));
        let body = match (stream, json) {
            (false, _) => Body::Whole(Vec::new()),
            (true, true) => Body::Unasked(Vec::new()),
            (true, false) => Body::Events(Framer::default()),
        };
        Self { body, asked_tokens, said: Said::default() }
    }

    /// Takes the next bytes, read from the socket at `at`. `false` when no more need be read: `[DONE]`, or more than can be kept.
    ///
    /// After a malformed or an error event reading goes on: the server is loaded as planned, and the timings are kept.
    pub(super) fn read(&mut self, piece: &[u8], at: Offset, exchange: &mut Exchange) -> bool {
        let said = &mut self.said;
        // Some proxies call every answer JSON: only the bytes tell. An object starts with a brace, a stream of events never does.
        if matches!(&self.body, Body::Unasked(kept) if kept.is_empty())
            && piece.trim_ascii_start().first().is_some_and(|byte| *byte != b'{')
        {
            self.body = Body::Events(Framer::default());
        }
        let fits = match &mut self.body {
            Body::Whole(kept) | Body::Unasked(kept) => {
                kept.extend_from_slice(piece);
                kept.len() <= MOST_EVENT_BYTES
            }
            Body::Events(framer) => framer.feed(piece, |event| said.event(event, at, exchange)).is_ok() || said.done,
        };
        if !fits {
            said.fail(FailureClass::Malformed, &format!("more than {MOST_EVENT_BYTES} bytes without an end"));
        }
        fits && !said.done
    }

    /// Bytes kept of what has not ended yet.
    pub(super) fn held(&self) -> usize {
        match &self.body {
            Body::Whole(kept) | Body::Unasked(kept) => kept.capacity(),
            Body::Events(framer) => framer.held(),
        }
    }

    /// Whether it has said `[DONE]`.
    pub(super) fn is_done(&self) -> bool {
        self.said.done
    }

    /// Decides the outcome. `at` is the instant of the end: of `[DONE]`, of the body's end, or of the break.
    pub(super) fn settle(self, end: End, at: Offset, exchange: &mut Exchange) {
        let Self { body, asked_tokens, mut said } = self;
        let events = matches!(body, Body::Events(_));
        match body {
            Body::Whole(kept_bytes) if matches!(end, End::Orderly) => match delta::read_object(kept_bytes.trim_ascii()) {
                Ok(delta) => {
                    said.facts(delta, exchange);
                    if let Some(kept) = &mut exchange.text {
                        text::append_object(kept_bytes.trim_ascii(), kept);
                    }
                }
                Err(why) => said.fail(FailureClass::Malformed, &why),
            },
            Body::Unasked(kept) => {
                let error = delta::read_object(kept.trim_ascii()).ok().and_then(|delta| delta.error);
                let start = delta::excerpt(&kept);
                let (class, why) = match error {
                    Some(error) => (FailureClass::StreamError, error),
                    None => (FailureClass::Malformed, format!("one JSON object where a stream of events was asked for: `{start}`")),
                };
                said.fail(class, &why);
            }
            Body::Events(_) | Body::Whole(_) => {}
        }
        let finished = said.done || exchange.finish_reason.is_some();
        match end {
            // A break after all was said takes nothing from the answer. Bytes that are not HTTP do: nothing excuses them.
            End::Broken(failure) if !finished || failure.class == FailureClass::Malformed => said.fail(failure.class, &failure.text),
            _ if !finished && events && exchange.first_event.is_none() => {
                said.fail(FailureClass::Truncated, "the answer ended before any event");
            }
            _ if !finished => said.fail(FailureClass::Truncated, "the answer ended without a finish reason or [DONE]"),
            _ if asked_tokens > 0 && !said.token => {
                said.fail(FailureClass::Empty, &format!("no token, although {asked_tokens} were asked for"));
            }
            _ => {}
        }
        exchange.ended = Some(at);
        exchange.outcome = said.failure.map_or(Outcome::Completed, Outcome::Failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Usage;

    const TOKEN: &str = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    const REASON: &str = r#"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#;
    const FINISH: &str = r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#;
    const ROLE: &str = r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#;

    /// Feeds one event a second from second 1, then ends.
    fn streamed(events: &[&str], end: End) -> Exchange {
        let mut exchange = Exchange::default();
        let mut answer = Answer::new(true, Some("text/event-stream; charset=utf-8"), 8);
        let mut at = Offset::ZERO;
        for event in events {
            at = at.plus(std::time::Duration::from_secs(1));
            answer.read(format!("data: {event}\n\n").as_bytes(), at, &mut exchange);
        }
        answer.settle(end, at, &mut exchange);
        exchange
    }

    fn broken() -> End {
        End::Broken(Failure::new(FailureClass::Reset, "cut"))
    }

    fn class(exchange: &Exchange) -> Option<FailureClass> {
        match &exchange.outcome {
            Outcome::Completed => None,
            Outcome::Failed(failure) => Some(failure.class),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_way_to_end_has_its_outcome() {
        use FailureClass::{Empty, Malformed, Reset, StreamError, Truncated};
        let error = r#"{"error":{"message":"oom"}}"#;
        for (events, end, expected) in [
            (&[TOKEN, FINISH, "[DONE]"][..], End::Orderly, None),
            (&[TOKEN, FINISH], End::Orderly, None),
            (&[TOKEN, "[DONE]"], End::Orderly, None),
            (&[TOKEN, FINISH], broken(), None),
            (&[TOKEN, "[DONE]"], broken(), None),
            (&[TOKEN], End::Orderly, Some(Truncated)),
            (&[], End::Orderly, Some(Truncated)),
            (&[TOKEN], broken(), Some(Reset)),
            (&[ROLE, FINISH, "[DONE]"], End::Orderly, Some(Empty)),
            (&[TOKEN, error, "[DONE]"], End::Orderly, Some(StreamError)),
            (&[TOKEN, "{oops", FINISH, "[DONE]"], End::Orderly, Some(Malformed)),
            (&["", TOKEN, FINISH, "[DONE]"], End::Orderly, Some(Malformed)),
            (&[TOKEN, "{oops", error], broken(), Some(Malformed)),
            (&[TOKEN, FINISH, "[DONE]", "{oops"], End::Orderly, None),
            (&[TOKEN, FINISH], End::Broken(Failure::new(Malformed, "chunk size")), Some(Malformed)),
        ] {
            assert_eq!(class(&streamed(events, end)), expected, "{events:?}");
        }
    }

    #[test]
    fn instants_follow_their_definitions() {
        let exchange = streamed(&[ROLE, REASON, TOKEN, TOKEN, FINISH, "[DONE]"], End::Orderly);
        let seconds = |instant: Option<Offset>| instant.map(|at| at.as_nanos() / 1_000_000_000);
        assert_eq!(seconds(exchange.first_event), Some(1));
        assert_eq!(seconds(exchange.first_token), Some(2));
        assert_eq!(seconds(exchange.first_answer), Some(3));
        assert_eq!(seconds(exchange.last_token), Some(4));
        assert_eq!(seconds(exchange.ended), Some(6));
        assert_eq!((exchange.events, exchange.event_gaps_us), (3, vec![1_000_000, 1_000_000]));
    }

    fn counted(content: &str, count: u32) -> String {
        format!(r#"{{"choices":[{{"delta":{{"content":"{content}"}}}}],"usage":{{"prompt_tokens":5,"completion_tokens":{count}}}}}"#)
    }

    #[test]
    fn a_running_count_gives_the_tokens_of_each_event() {
        let events = [counted("", 0), counted("a", 1), counted("", 2), counted("bcd", 4), counted("", 5)];
        let events: Vec<&str> = events.iter().map(String::as_str).chain([FINISH, "[DONE]"]).collect();
        let exchange = streamed(&events, End::Orderly);
        assert_eq!(exchange.event_tokens, [1, 3]);
        assert_eq!(exchange.usage, Some(Usage { input_tokens: 5, output_tokens: 5, cached_tokens: None }));
    }

    #[test]
    fn an_inconsistent_count_gives_no_tokens_of_events() {
        for events in [[counted("a", 1), counted("b", 1)], [counted("a", 3), counted("b", 2)], [counted("a", 1), TOKEN.to_owned()]] {
            let events: Vec<&str> = events.iter().map(String::as_str).collect();
            assert_eq!(streamed(&events, End::Orderly).event_tokens, [0_u32; 0], "{events:?}");
        }
    }

    fn whole(stream: bool, body: &str) -> Exchange {
        let mut exchange = Exchange::default();
        let mut answer = Answer::new(stream, Some("application/json"), 8);
        answer.read(body.as_bytes(), Offset::ZERO, &mut exchange);
        answer.settle(End::Orderly, Offset::from_secs(2.0), &mut exchange);
        exchange
    }

    #[test]
    fn an_unstreamed_answer_is_judged_at_its_end() {
        use FailureClass::{Empty, Malformed, StreamError, Truncated};
        let full =
            r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
        let exchange = whole(false, full);
        assert_eq!((class(&exchange), exchange.first_token, exchange.events), (None, None, 0));
        assert_eq!(exchange.usage.map(|usage| usage.output_tokens), Some(2));
        for (body, expected) in [
            (r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#, Empty),
            (r#"{"choices":[{"message":{"content":"x"}}]}"#, Truncated),
            (r#"{"error":{"message":"x"}}"#, StreamError),
            ("{\"choices\":[", Malformed),
        ] {
            assert_eq!(class(&whole(false, body)), Some(expected), "{body}");
        }
    }

    #[test]
    fn a_stream_that_calls_itself_json_is_still_a_stream() {
        assert_eq!(class(&whole(true, &format!("data: {TOKEN}\n\ndata: [DONE]\n\n"))), None);
    }

    #[test]
    fn an_object_where_a_stream_was_asked_for_is_an_error_or_malformed() {
        assert_eq!(class(&whole(true, r#"{"error":"busy"}"#)), Some(FailureClass::StreamError));
        assert_eq!(
            class(&whole(true, r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}"#)),
            Some(FailureClass::Malformed)
        );
    }
}
