//! Owns how the bytes of a response become an exchange: folds events as they come, and decides the outcome. No I/O.
//!
//! # When a response is *completed*
//!
//! All of these must hold. Otherwise the response is *failed*, and its timings are kept.
//!
//! 1. The status is 2xx.
//! 2. No event reports an error. An event reports an error in one of these ways:
//!    - an `error` value that is not falsy (falsy: `null`, `false`, 0, an empty text, a list or object of only these);
//!    - its name (`event: error`);
//!    - it is an error object (`object: "error"`, an `error_code`, or a `message` with a `code` and no choices);
//!    - a finish reason that gives up the request (`abort`, `error`, `cancelled`, `timeout` and similar ones).
//! 3. Every event is readable: a JSON object, `[DONE]`, `null`, or no data. A repeated key is allowed, and its last
//!    value counts. A value of an odd type is allowed too, except `choices` that are not a list.
//! 4. There is at least one token: text, reasoning, a refusal, or the name or arguments of a call. No token is needed
//!    if the server counts tokens that it does not show ([`Exchange::hidden_tokens`]), or if none was asked for.
//! 5. The response was finished, by `[DONE]` or by a finish reason.
//!    - A finish reason is not empty, not blank, and not a text such as `null`. No token of its choice follows it.
//!    - If a finish reason ended one choice, each choice with tokens needs one.
//!    - When a token follows a finish reason, the server's reasons beside text mean nothing. From then on a reason
//!      counts only in an event without text. The text counts, and the earlier reason is kept if `[DONE]` follows.
//! 6. The transport ended in order, or broke after the response was finished. Bytes that are not HTTP always fail it.
//!
//! An endpoint without output tokens (embeddings, rerank) answers with one object: it needs at least one item instead
//! of a token and a finish reason.
//!
//! After `[DONE]` nothing is read. An odd `usage` never fails a response (see `tally`).

use super::delta::Meaning;
use super::dialect::{Endpoint, StreamFraming};
use super::held::{HeldBytes, MOST_HELD_BYTES};
use super::lines::Lines;
use super::progress::Progress;
use super::reading::{read, read_object};
use super::sse::{Block, Framer, MOST_EVENT_BYTES};
use super::text;
use super::words::{self, MOST_START_BYTES};
use crate::record::{Exchange, Failure, FailureCause, FailureClass, Outcome};
use crate::units::Offset;

/// How the transport of a response ended.
#[derive(Debug)]
pub(super) enum End {
    /// As its framing said: last chunk, full length, or a close where a close marks the end.
    Orderly,
    /// Before the end that its framing said.
    Broken(Failure),
}

/// A response being read.
#[derive(Debug)]
pub(super) struct Answer {
    framing: Framing,
    asked_tokens: u32,
    /// The content type that the server states, if it is not a stream of events.
    kind: Option<Box<str>>,
    /// The first bytes of a stream, kept until its first event, for a message.
    start: Vec<u8>,
    said: Progress,
    held: HeldBytes,
}

#[derive(Debug)]
enum Framing {
    /// Events were asked for, and only white space has come so far.
    Awaited(Framer),
    Events(Framer),
    /// One JSON object a line.
    Lines(Lines),
    /// One JSON object, kept until its end.
    Whole(Vec<u8>),
    /// A whole object where events were asked for: an error in it is reported, anything else is malformed.
    Unasked(Vec<u8>),
}

/// Most token-bearing events of one response: 262 144, four times the longest response of any model, and 2 MiB in the
/// record. A stream with more events is taken as endless.
const MOST_EVENTS: u32 = 1 << 18;

/// Bytes that are kept of an object where a stream was asked for: enough for an error message.
const MOST_UNASKED_BYTES: usize = 1 << 20;

impl Answer {
    /// A response of `endpoint` that has not begun. `content_type` is the type that the server states.
    pub(super) fn new(endpoint: Endpoint, stream: bool, content_type: Option<&str>, asked_tokens: u32) -> Self {
        let framing = match (stream, endpoint.framing()) {
            (false, _) => Framing::Whole(Vec::new()),
            (true, StreamFraming::Events) => Framing::Awaited(Framer::default()),
            (true, StreamFraming::Lines) => Framing::Lines(Lines::default()),
        };
        let of_stream = endpoint.framing().content_type();
        let kind = content_type.filter(|kind| !kind.trim_start().to_ascii_lowercase().starts_with(of_stream));
        Self {
            framing,
            asked_tokens,
            kind: kind.map(Box::from),
            start: Vec::new(),
            said: Progress::new(endpoint.dialect()),
            held: HeldBytes::default(),
        }
    }

    /// Takes the next bytes, read from the socket at `at`. Returns `false` when no more should be read: after `[DONE]`,
    /// or when a limit is exceeded.
    ///
    /// After a malformed event or an error event, reading continues: the server keeps its planned load, and the timings
    /// are kept.
    pub(super) fn read(&mut self, piece: &[u8], at: Offset, exchange: &mut Exchange) -> bool {
        let said = &mut self.said;
        let of_events = !matches!(self.framing, Framing::Whole(_));
        if of_events && exchange.first_event.is_none() && self.start.len() < MOST_START_BYTES {
            self.start.extend_from_slice(&piece[..piece.len().min(MOST_START_BYTES - self.start.len())]);
        }
        if let Framing::Awaited(framer) = &mut self.framing {
            // Some proxies label every response as JSON, and some servers label every response as a stream. Only the
            // bytes decide: an object starts with a brace, a stream of events never does.
            match piece.trim_ascii_start().first() {
                None => {}
                Some(b'{') => self.framing = Framing::Unasked(Vec::new()),
                Some(_) => self.framing = Framing::Events(std::mem::take(framer)),
            }
        }
        let (fits, held, most) = match &mut self.framing {
            Framing::Whole(kept) => {
                kept.extend_from_slice(piece);
                (kept.len() <= MOST_EVENT_BYTES, kept.len(), MOST_EVENT_BYTES)
            }
            Framing::Unasked(kept) => {
                kept.extend_from_slice(&piece[..piece.len().min(MOST_UNASKED_BYTES)]);
                (kept.len() <= MOST_UNASKED_BYTES, kept.len(), MOST_UNASKED_BYTES)
            }
            Framing::Awaited(framer) | Framing::Events(framer) => {
                let fits = framer.feed(piece, |block| said.block(block, at, exchange)).is_ok() || said.done;
                (fits, framer.held_bytes(), MOST_EVENT_BYTES)
            }
            Framing::Lines(lines) => {
                let fits = lines.feed(piece, |line| said.block(Block::Data(line), at, exchange)).is_ok();
                (fits, lines.held_bytes(), MOST_EVENT_BYTES)
            }
        };
        let bounded = exchange.events < MOST_EVENTS;
        let shared = self.held.fits(held);
        if !fits {
            said.fail(FailureClass::Malformed, &format!("more than {most} bytes without an end"));
        } else if !bounded {
            said.fail(FailureClass::Malformed, &format!("more than {MOST_EVENTS} events with text, and no end"));
        } else if !shared {
            let why = format!("unfinished events and bodies of all requests in flight exceed {MOST_HELD_BYTES} bytes");
            said.fail(FailureClass::Malformed, &why);
        }
        fits && bounded && shared && !said.done
    }

    /// Whether `[DONE]` has come.
    pub(super) fn is_done(&self) -> bool {
        self.said.done
    }

    /// Decides the outcome. `at` is the instant of `[DONE]`, of the end of the body, or of the break.
    pub(super) fn settle(self, end: End, at: Offset, exchange: &mut Exchange) {
        let Self { framing, asked_tokens, kind, start, mut said, held: _held } = self;
        let (kind, dialect) = (kind.as_deref(), said.dialect);
        let events = matches!(framing, Framing::Events(_) | Framing::Awaited(_) | Framing::Lines(_));
        let generates = dialect.capabilities().output_tokens;
        let mut is_read = false;
        let whole = matches!(framing, Framing::Whole(_));
        let orderly = matches!(end, End::Orderly);
        match framing {
            Framing::Whole(kept_bytes) if orderly => match read_object(kept_bytes.trim_ascii(), dialect) {
                Ok(delta) => {
                    is_read = true;
                    said.facts(delta, at, exchange);
                    // A whole response has no events, and so no tokens of events.
                    exchange.event_tokens = Vec::new();
                    if let Some(kept) = &mut exchange.text {
                        text::append_object(kept_bytes.trim_ascii(), dialect, kept);
                    }
                }
                Err(why) => {
                    let empty = || Failure::new(FailureClass::Malformed, why).because(FailureCause::NoObject);
                    said.fail_with(words::of_other(dialect, kind, &kept_bytes, false).unwrap_or_else(empty));
                }
            },
            Framing::Unasked(kept) => {
                if let Some(failure) = words::of_other(dialect, kind, &kept, true) {
                    said.fail_with(failure);
                }
            }
            // A last event without its blank line counts if it is complete. One that was cut is ignored.
            Framing::Events(mut framer) if orderly => framer.finish(|block| match block {
                Block::Data(event) if matches!(read(event, dialect), Meaning::Malformed(_)) => {}
                block => said.block(block, at, exchange),
            }),
            Framing::Lines(lines) if orderly => lines.finish(|line| {
                if !matches!(read(line, dialect), Meaning::Malformed(_)) {
                    said.block(Block::Data(line), at, exchange);
                }
            }),
            Framing::Events(_) | Framing::Whole(_) | Framing::Awaited(_) | Framing::Lines(_) => {}
        }
        if said.done && exchange.finish_reason.is_none() {
            exchange.finish_reason = said.weak_reason.take();
        }
        std::mem::take(&mut said.tally).settle(said.token && generates, asked_tokens, exchange);
        if whole && said.token {
            // A whole response has no events, and so no hidden tokens.
            (exchange.hidden_tokens, exchange.first_event_tokens) = (0, None);
        }
        // An endpoint without output tokens gives no finish reason: its one object is all.
        let by_body = orderly && said.token && dialect.ends_with_body();
        let over = exchange.finish_reason.is_some() || (is_read && !generates) || by_body;
        let finished = said.done || (over && !said.is_open());
        // If the response was a stream of events: other text found between the events.
        let stray = words::of_body(None, &said.stray).filter(|_| exchange.first_event.is_some());
        let between = stray.map_or_else(String::new, |words| format!("; text between its events: `{words}`"));
        match end {
            // A break after the finish does not fail the response. Bytes that are not HTTP always fail it.
            End::Broken(failure) if !finished || failure.class == FailureClass::Malformed => {
                let text = format!("{}{between}", failure.text);
                said.fail_with(failure.told(text));
            }
            _ if !finished && events && exchange.first_event.is_none() => {
                let empty = || Failure::new(FailureClass::Truncated, "the answer ended before any event");
                said.fail_with(words::of_other(dialect, kind, &start, true).unwrap_or_else(empty));
            }
            _ if !finished => {
                let lacks = if said.is_open() { "a finish reason for each choice" } else { "a finish reason" };
                said.fail(FailureClass::Truncated, &format!("the answer ended without {lacks} or [DONE]{between}"));
            }
            _ if !generates && !said.token => said.fail(FailureClass::Empty, "a list without items"),
            _ if generates && asked_tokens > 0 && !said.token && exchange.hidden_tokens == 0 => {
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

    const BLANK: &str = r#"{"choices":[{"delta":{},"finish_reason":"null"}]}"#;
    const ABORT: &str = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"abort"}]}"#;
    const FILTER: &str = r#"{"choices":[{"delta":{},"finish_reason":"content_filter"}]}"#;
    const LAST: &str = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    const USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":1}}"#;
    const HIDDEN: &str = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":64}}"#;
    const NO_USAGE: &str = r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":0}}"#;
    const FLAT: &str = r#"{"object":"error","message":"gave up","code":500}"#;

    /// Feeds one event a second from second 1, then ends.
    fn streamed(events: &[&str], end: End) -> Exchange {
        let mut exchange = Exchange::default();
        let mut answer = Answer::new(Endpoint::default(), true, Some("text/event-stream; charset=utf-8"), 8);
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
            (&["", TOKEN, "", FINISH, "[DONE]"], End::Orderly, None),
            (&[TOKEN, "null", "{}", FINISH], End::Orderly, None),
            (&[BLANK, TOKEN, BLANK], End::Orderly, Some(Truncated)),
            (&[BLANK, TOKEN, BLANK], broken(), Some(Reset)),
            (&[TOKEN, BLANK, "[DONE]"], broken(), None),
            (&[ABORT, "[DONE]"], End::Orderly, Some(StreamError)),
            (&[TOKEN, ABORT, USAGE, "[DONE]"], End::Orderly, Some(StreamError)),
            (&[TOKEN, FILTER, "[DONE]"], End::Orderly, None),
            (&[LAST, LAST, LAST], broken(), Some(Reset)),
            (&[LAST], broken(), None),
            (&[TOKEN, FINISH, TOKEN], broken(), Some(Reset)),
            (&[LAST, LAST, FINISH], broken(), None),
            (&[LAST, LAST, "[DONE]"], broken(), None),
            (&[ROLE, FINISH, HIDDEN, "[DONE]"], End::Orderly, None),
            (&[ROLE, FINISH, NO_USAGE, "[DONE]"], End::Orderly, Some(Empty)),
            (&[TOKEN, FLAT, "[DONE]"], End::Orderly, Some(StreamError)),
            (&[TOKEN, FINISH, FLAT], End::Orderly, Some(StreamError)),
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
        format!(
            r#"{{"choices":[{{"delta":{{"content":"{content}"}}}}],"usage":{{"prompt_tokens":5,"completion_tokens":{count}}}}}"#
        )
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
        for events in [
            [counted("a", 2), counted("b", 2)],
            [counted("a", 3), counted("b", 2)],
            [counted("a", 1), TOKEN.to_owned()],
        ] {
            let events: Vec<&str> = events.iter().map(String::as_str).collect();
            assert_eq!(streamed(&events, End::Orderly).event_tokens, [0_u32; 0], "{events:?}");
        }
    }

    fn whole(stream: bool, body: &str) -> Exchange {
        let mut exchange = Exchange::default();
        let mut answer = Answer::new(Endpoint::default(), stream, Some("application/json"), 8);
        answer.read(body.as_bytes(), Offset::ZERO, &mut exchange);
        answer.settle(End::Orderly, Offset::from_secs(2.0), &mut exchange);
        exchange
    }

    #[test]
    fn an_unstreamed_answer_is_judged_at_its_end() {
        use FailureClass::{Empty, Malformed, StreamError, Truncated};
        let full = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
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
    fn a_stream_without_end_is_left_at_a_bound() {
        let mut exchange = Exchange::default();
        let mut answer = Answer::new(Endpoint::default(), true, None, 8);
        let many = format!("data: {TOKEN}\n\n").repeat(1_000);
        let reads = (0..1_000).take_while(|_| answer.read(many.as_bytes(), Offset::ZERO, &mut exchange)).count();
        answer.settle(End::Orderly, Offset::ZERO, &mut exchange);
        assert_eq!((reads, class(&exchange)), (MOST_EVENTS as usize / 1_000, Some(FailureClass::Malformed)));

        let (mut answer, mut exchange) = (Answer::new(Endpoint::default(), true, None, 8), Exchange::default());
        let braces = "{".repeat(100_000);
        let reads = (0..100).take_while(|_| answer.read(braces.as_bytes(), Offset::ZERO, &mut exchange)).count();
        assert_eq!(reads, MOST_UNASKED_BYTES / 100_000);
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
