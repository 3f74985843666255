//! Owns the tests of unusual or wrong content inside a response: the outcome, the counts, and the metrics that follow
//! from them.

use tonnage::metrics::{Metric, OriginOf, Value, input_tokens, output_tokens};
use tonnage::record::{Exchange, FailureClass, Origin, Outcome, Record};
use tonnage::units::Offset;

use super::Step::{Pause, Request, Reset, Write};
use super::{
    Bench, DONE, FINISH, LAST_CHUNK, ROLE, STREAM_HEAD, Step, TOKEN, chunk, class, event, failure_text, paused,
};

/// The record of one request for `asked` tokens, scheduled at 0, to a server that follows `script`.
fn answered(script: Vec<Step>, asked: u32) -> Record {
    let script = [vec![Request, Write(STREAM_HEAD.to_vec())], script].concat();
    let exchange = paused(async { Bench::new(vec![script]).await.ask(0).await });
    record(exchange, asked)
}

fn record(exchange: Exchange, asked: u32) -> Record {
    Record {
        id: 0,
        class: "default".into(),
        session: None,
        turn: None,
        turns: None,
        origin: Origin::Planned,
        scheduled: Offset::ZERO,
        asked_input_tokens: 10,
        asked_output_tokens: asked,
        cancel_after: None,
        target: "http://a".into(),
        model: "m".into(),
        exchange,
    }
}

/// One event as an HTTP chunk.
fn say(data: &str) -> Step {
    Write(chunk(&event(data)))
}

/// The bytes of a stream as one HTTP chunk.
fn raw(bytes: &str) -> Step {
    Write(chunk(bytes.as_bytes()))
}

fn end() -> Vec<Step> {
    vec![say(DONE), Write(LAST_CHUNK.to_vec())]
}

/// A delta with a finish reason and a usage, both as JSON.
fn delta(delta: &str, reason: &str, usage: &str) -> Step {
    say(&format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":{reason}}}],"usage":{usage}}}"#))
}

fn text(text: &str) -> Step {
    delta(&format!(r#"{{"content":"{text}"}}"#), "null", "null")
}

fn count(tokens: u32) -> String {
    format!(r#"{{"prompt_tokens":10,"completion_tokens":{tokens},"total_tokens":{}}}"#, tokens + 10)
}

/// A role event, three tokens 10 ms apart, then `last`.
fn three_then(last: Vec<Step>) -> Vec<Step> {
    let three = (0..3).flat_map(|_| [Pause(10), text(" a")]);
    [say(ROLE)].into_iter().chain(three).chain(last).collect()
}

fn milliseconds(record: &Record, metric: Metric) -> Option<f64> {
    match metric.value(record, OriginOf::Scheduled) {
        Value::Defined(nanos) => Some(nanos as f64 / 1e6),
        _ => None,
    }
}

#[test]
fn a_reason_that_is_none_finishes_nothing() {
    for reason in [r#""""#, r#""null""#, r#""NULL""#, r#"" ""#, r#""none""#, "false", "0", "{}"] {
        let token = delta(r#"{"content":" a"}"#, reason, "null");
        let cut = answered(vec![say(ROLE), token.clone(), Pause(10), token.clone(), Reset], 16);
        assert_eq!(class(&cut.exchange), Some(FailureClass::Reset), "{reason}");
        let ended = answered([vec![token], end()].concat(), 16);
        assert_eq!((class(&ended.exchange), ended.exchange.finish_reason), (None, None), "{reason} before [DONE]");
    }
    let stop = delta(r#"{"content":" a"}"#, r#""stop""#, "null");
    let cut = answered(vec![stop.clone(), Pause(10), stop, Reset], 16);
    assert_eq!(
        class(&cut.exchange),
        Some(FailureClass::Reset),
        "a finish reason in every event does not finish the response"
    );
}

#[test]
fn a_server_that_gives_a_request_up_has_failed_it() {
    for (reason, expected) in [
        ("abort", Some(FailureClass::StreamError)),
        ("error", Some(FailureClass::StreamError)),
        ("cancelled", Some(FailureClass::StreamError)),
        ("content_filter", None),
        ("length", None),
    ] {
        let last = vec![delta("{}", &format!("\"{reason}\""), "null"), delta("{}", "null", &count(3))];
        let record = answered(three_then([last, end()].concat()), 16);
        assert_eq!(class(&record.exchange), expected, "{reason}");
        assert_eq!((record.exchange.finish_reason.as_deref(), output_tokens(&record)), (Some(reason), Some(3)));
        if expected.is_some() {
            assert!(failure_text(&record.exchange).contains(reason));
        }
    }
}

#[test]
fn an_error_in_the_middle_fails_the_answer_with_the_servers_words() {
    for error in [
        raw("event: error\n: engine gave up\n\n"),
        raw("event: error\r\ndata: {\"message\": \"engine gave up\", \"code\": 500}\r\n\r\n"),
        raw("event: error\ndata: engine gave up\n\n"),
        raw("error: {\"message\":\"engine gave up\"}\n\n"),
        raw("{\"error\":{\"message\":\"engine gave up\"}}\n\n"),
        say(r#"{"object":"error","message":"engine gave up","type":"InternalServerError","param":null,"code":500}"#),
        say(r#"{"error_code":50001,"message":"engine gave up"}"#),
        say(r#"{"message":"engine gave up","code":500}"#),
        say(r#"{"error":"{\"message\":\"engine gave up\"}"}"#),
        say(r#"{"error":{"message":"engine gave up"},"choices":[]}"#),
    ] {
        let record = answered(three_then([vec![error.clone()], end()].concat()), 16);
        assert_eq!(class(&record.exchange), Some(FailureClass::StreamError), "{error:?}");
        assert_eq!(failure_text(&record.exchange), "engine gave up");
        assert_eq!(record.exchange.events, 3, "events before the error keep their timings");
    }
}

#[test]
fn a_line_that_is_no_event_is_the_reason_of_an_answer_that_is_not_whole() {
    for (lines, words) in [
        ("Internal Server Error\n", "Internal Server Error"),
        ("upstream connect error: reset\n\n", "upstream connect error: reset"),
        ("<html><head>\n<title>502 Bad Gateway</title>\n</head></html>\n\n", "an HTML page, \"502 Bad Gateway\""),
        ("Oops\u{1b}[2J", "Oops\\x1b[2J"),
    ] {
        let cut = answered(three_then(vec![raw(lines), Write(LAST_CHUNK.to_vec())]), 16);
        let expected =
            format!("the answer ended without a finish reason or [DONE]; text between its events: `{words}`");
        assert_eq!((class(&cut.exchange), failure_text(&cut.exchange)), (Some(FailureClass::Truncated), &*expected));
        let broken = answered(three_then(vec![raw(&format!("{lines}\n")), Pause(5), Reset]), 16);
        assert_eq!(class(&broken.exchange), Some(FailureClass::Reset));
        assert!(
            failure_text(&broken.exchange).ends_with(&format!("; text between its events: `{words}`")),
            "{:?}",
            broken.exchange
        );
        let whole = answered(three_then([vec![raw(&format!("{lines}\n\n"))], end()].concat()), 16);
        assert_eq!(class(&whole.exchange), None, "{lines}: a response with a proper end is complete");
    }
}

#[test]
fn each_choice_has_its_own_end() {
    let choice = |index: u32, text: &str, reason: &str| {
        say(&format!(r#"{{"choices":[{{"index":{index},"delta":{{"content":"{text}"}},"finish_reason":{reason}}}]}}"#))
    };
    let (stop, none) = (r#""stop""#, "null");
    let both = vec![choice(0, " a", none), choice(1, " b", none), choice(0, "", stop), choice(1, " b", none)];
    let ended = [both.clone(), vec![choice(1, "", r#"["length"]"#)]].concat();
    for (script, expected, reason) in [
        ([ended.clone(), vec![Reset]].concat(), None, Some("stop")),
        ([both.clone(), vec![Reset]].concat(), Some(FailureClass::Reset), Some("stop")),
        ([both.clone(), vec![Write(LAST_CHUNK.to_vec())]].concat(), Some(FailureClass::Truncated), Some("stop")),
        ([both, end()].concat(), None, Some("stop")),
        // Text after its choice's finish reason: the text counts, and the finish reason stays valid if the response
        // has a proper end.
        (
            [vec![choice(0, " a", none), choice(0, "", r#""length""#), choice(0, " b", none)], end()].concat(),
            None,
            Some("length"),
        ),
        (
            vec![choice(0, " a", none), choice(0, "", r#""length""#), choice(0, " b", none), Reset],
            Some(FailureClass::Reset),
            None,
        ),
    ] {
        let exchange = answered(script.clone(), 16).exchange;
        assert_eq!((class(&exchange), exchange.finish_reason.as_deref()), (expected, reason), "{script:?}");
    }
    assert_eq!(answered([ended, end()].concat(), 16).exchange.events, 3);
}

#[test]
fn a_healthy_server_may_write_what_it_likes() {
    for odd in [
        delta("{}", r#""stop""#, "null"),
        say(r#"{"error":"","choices":[{"delta":{},"finish_reason":"stop"}]}"#),
        say(r#"{"error":{},"choices":[{"delta":{},"finish_reason":"stop"}]}"#),
        say(r#"{"error":[],"choices":[{"delta":{},"finish_reason":"stop"}]}"#),
        say(r#"{"error":0,"choices":[{"delta":{},"finish_reason":"stop"}]}"#),
        say(r#"{"error":false,"choices":[{"delta":{},"finish_reason":"stop"}]}"#),
        say(concat!(
            r#"{"id":"a","id":"b","choices":[],"choices":[{"delta":null,"finish_reason":null,"#,
            r#""finish_reason":"stop"}]}"#,
        )),
        say(r#"{"code":0,"message":"success","choices":[{"delta":{},"finish_reason":"stop"}]}"#),
        raw("data:\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata:\n\n"),
        raw(": ping\r\rdata:{\"choices\":[{\"delta\":{},\rdata: \"finish_reason\":\"stop\"}]}\r\r"),
    ] {
        let record = answered(three_then([vec![odd.clone()], end()].concat()), 3);
        assert_eq!(class(&record.exchange), None, "{odd:?}: {:?}", record.exchange);
        assert_eq!((record.exchange.events, record.exchange.finish_reason.as_deref()), (3, Some("stop")), "{odd:?}");
    }
    let unended = answered(three_then(vec![raw("data: [DONE]"), Write(LAST_CHUNK.to_vec())]), 3);
    assert_eq!(class(&unended.exchange), None, "the last event may lack its blank line");
    let numbers = [" price", ":", "6", " dollars"].map(|word| {
        let content = if word == "6" { word.to_owned() } else { format!("\"{word}\"") };
        delta(
            &format!(r#"{{"content":{content}}}"#),
            "null",
            r#"{"prompt_tokens":0,"completion_tokens":1,"total_tokens":1}"#,
        )
    });
    let record = answered([numbers.to_vec(), vec![say(FINISH), delta("{}", "null", &count(4))], end()].concat(), 4);
    assert_eq!((class(&record.exchange), output_tokens(&record), record.exchange.usage_odd), (None, Some(4), false));
    assert_eq!(
        record.exchange.event_tokens,
        [1, 1, 1, 1],
        "each event's own count is used, because the counts add up to the last one"
    );
}

#[test]
fn no_usage_is_odd_enough_to_lose_an_answer_and_no_odd_count_is_believed() {
    for (usage, input, output, odd) in [
        (r#"{"prompt_tokens":12,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":-1}}"#, 12, 5, true),
        (r#"{"prompt_tokens":"12","completion_tokens":"5"}"#, 12, 5, false),
        (r#"{"prompt_tokens":-1,"completion_tokens":5}"#, 10, 5, true),
        (r#"{"prompt_tokens":12,"completion_tokens":4.5}"#, 12, 3, true),
        (r#"{"prompt_tokens":12,"completion_tokens":0}"#, 12, 3, true),
        (r#"{"completion_tokens":5}"#, 10, 5, true),
        (r#"{"prompt_tokens":12,"completion_tokens":5,"prompt_tokens_details":[]}"#, 12, 5, false),
        (r#"{"input_tokens":12,"output_tokens":5}"#, 12, 5, false),
        ("[]", 10, 3, false),
        ("null", 10, 3, false),
        ("7", 10, 3, true),
    ] {
        let record = answered(three_then([vec![say(FINISH), delta("{}", "null", usage)], end()].concat()), 3);
        assert_eq!(class(&record.exchange), None, "{usage}");
        let seen = (input_tokens(&record), output_tokens(&record), record.exchange.usage_odd);
        assert_eq!(seen, (Some(input), Some(output), odd), "{usage}");
    }
    // Three events show 6 bytes, and the request asked for 8 tokens.
    for (usage, output, hidden, odd) in [
        (count(8), 8, 0, false),
        (count(22), 22, 0, false),
        (count(24), 24, 18, false),
        (count(25), 3, 0, true),
        (count(1_000_000), 3, 0, true),
        (
            r#"{"prompt_tokens":10,"completion_tokens":1000,"completion_tokens_details":{"reasoning_tokens":990}}"#
                .to_owned(),
            1000,
            990,
            false,
        ),
        (
            r#"{"prompt_tokens":10,"completion_tokens":90000,"completion_tokens_details":{"reasoning_tokens":990}}"#
                .to_owned(),
            3,
            0,
            true,
        ),
    ] {
        let record = answered(three_then([vec![say(FINISH), delta("{}", "null", &usage)], end()].concat()), 3);
        assert_eq!(class(&record.exchange), None, "{usage}");
        let seen = (output_tokens(&record), record.exchange.hidden_tokens, record.exchange.usage_odd);
        assert_eq!(seen, (Some(output), hidden, odd), "{usage}");
    }
    // Content other than text can stand for any number of tokens.
    let sound = delta(r#"{"audio":{"data":"UklG"}}"#, "null", "null");
    let record = answered([vec![sound, say(FINISH), delta("{}", "null", &count(500))], end()].concat(), 3);
    assert_eq!(
        (output_tokens(&record), record.exchange.hidden_tokens, record.exchange.usage_odd),
        (Some(500), 0, false)
    );
    // An earlier count is kept when a later one is invalid or smaller.
    for last in [r#"{"prompt_tokens":-1,"completion_tokens":-1}"#.to_owned(), count(4)] {
        let events = vec![
            delta(r#"{"content":"a"}"#, "null", &count(2)),
            delta(r#"{"content":"b"}"#, "null", &count(5)),
            say(FINISH),
        ];
        let record = answered([events, vec![delta("{}", "null", &last)], end()].concat(), 5);
        let seen = (input_tokens(&record), output_tokens(&record), record.exchange.usage_odd);
        assert_eq!(seen, (Some(10), Some(5), true), "{last}");
    }
}

#[test]
fn a_call_begins_with_its_first_byte_be_it_a_name() {
    let call = |function: &str| {
        delta(
            &format!(r#"{{"tool_calls":[{{"index":0,"id":"t1","type":"function","function":{function}}}]}}"#),
            "null",
            "null",
        )
    };
    let arguments = (0..4).flat_map(|_| [call(r#"{"arguments":"{"}"#), Pause(20)]);
    let script: Vec<Step> =
        [Pause(100), call(r#"{"name":"look_up","arguments":""}"#), Pause(200)].into_iter().chain(arguments).collect();
    let record = answered([script, vec![delta("{}", r#""tool_calls""#, &count(8))], end()].concat(), 8);
    assert_eq!((class(&record.exchange), milliseconds(&record, Metric::Ttft)), (None, Some(100.0)));
    let alone = answered(
        [vec![Pause(100), call(r#"{"name":"now"}"#), delta("{}", r#""tool_calls""#, "null")], end()].concat(),
        8,
    );
    assert_eq!((class(&alone.exchange), milliseconds(&alone, Metric::Ttft)), (None, Some(100.0)), "without arguments");
}

#[test]
fn the_tokens_of_the_first_event_are_no_part_of_the_speed() {
    let events = [
        vec![say(ROLE), Pause(100), delta(r#"{"content":" a a a a a a a a a a"}"#, "null", &count(10))],
        vec![
            Pause(60),
            delta(r#"{"content":" a a a a a a"}"#, "null", &count(16)),
            delta("{}", r#""length""#, &count(16)),
        ],
        end(),
    ];
    let record = answered(events.concat(), 16);
    let figures = [Metric::Ttft, Metric::Tpot, Metric::Tbt, Metric::E2e, Metric::Ntpot]
        .map(|metric| milliseconds(&record, metric));
    assert_eq!(figures, [Some(100.0), Some(10.0), Some(10.0), Some(160.0), Some(10.0)]);
    assert_eq!(Metric::OutputSpeed.value(&record, OriginOf::Scheduled), Value::Defined(100_000), "100 tokens/s");
    let mut compact = record.clone();
    compact.exchange.event_tokens.clear();
    assert_eq!(milliseconds(&compact, Metric::Tpot), Some(10.0), "compact records must keep the inputs of TPOT");
}

#[test]
fn tokens_in_hiding_are_seen_by_the_count() {
    let hidden = (1..=15).flat_map(|tokens| [Pause(10), delta("{}", "null", &count(tokens))]);
    let shown = (16..=20).flat_map(|tokens| [Pause(10), delta(r#"{"content":" a"}"#, "null", &count(tokens))]);
    let start = [delta(r#"{"role":"assistant","content":""}"#, "null", &count(0))];
    let events: Vec<Step> = start.into_iter().chain(hidden).chain(shown).collect();
    let record = answered([events, vec![delta("{}", r#""length""#, &count(20)), say(FINISH)], end()].concat(), 20);
    assert_eq!(class(&record.exchange), None);
    assert_eq!((milliseconds(&record, Metric::Ttft), milliseconds(&record, Metric::Tpot)), (Some(160.0), Some(10.0)));
    let counting = record.exchange.counting.expect("a running count");
    assert_eq!((counting.first.as_nanos() / 1_000_000, record.exchange.hidden_tokens), (10, 15));
    // Tokens held back in the middle, and tokens never shown: in both cases TPOT follows from the count.
    let begun = (1..=2).flat_map(|tokens| [Pause(10), delta(r#"{"content":"a"}"#, "null", &count(tokens))]);
    let silent = (3..=12).flat_map(|tokens| [Pause(10), delta("{}", "null", &count(tokens))]);
    let record =
        answered([begun.chain(silent).collect(), vec![delta("{}", r#""length""#, &count(12))], end()].concat(), 12);
    assert_eq!((milliseconds(&record, Metric::Tpot), record.exchange.hidden_tokens), (Some(10.0), 10));
    // A stop token in the last event does not count as a hidden token.
    let plain = (1..=4).flat_map(|tokens| [Pause(10), delta(r#"{"content":"a"}"#, "null", &count(tokens))]).collect();
    let record = answered([plain, vec![Pause(10), delta("{}", r#""stop""#, &count(5))], end()].concat(), 5);
    assert_eq!((record.exchange.counting, record.exchange.hidden_tokens), (None, 0));
}

#[test]
fn an_answer_that_shows_nothing_is_not_one_that_says_nothing() {
    let usage = r#"{"prompt_tokens":10,"completion_tokens":64,"completion_tokens_details":{"reasoning_tokens":64}}"#;
    let hidden = answered(
        [vec![say(ROLE), Pause(200), delta("{}", r#""length""#, "null"), delta("{}", "null", usage)], end()].concat(),
        64,
    );
    assert_eq!((class(&hidden.exchange), hidden.exchange.hidden_tokens, output_tokens(&hidden)), (None, 64, Some(64)));
    assert_eq!((milliseconds(&hidden, Metric::Ttft), milliseconds(&hidden, Metric::E2e)), (None, Some(200.0)));
    // Reasoning that is not sent does not count towards the speed of the visible tokens.
    let usage = r#"{"prompt_tokens":10,"completion_tokens":67,"completion_tokens_details":{"reasoning_tokens":64}}"#;
    let part = answered(three_then([vec![say(FINISH), delta("{}", "null", usage)], end()].concat()), 67);
    assert_eq!((part.exchange.hidden_tokens, milliseconds(&part, Metric::Tpot)), (64, Some(10.0)));
    let nothing = answered([vec![say(ROLE), say(FINISH), delta("{}", "null", &count(0))], end()].concat(), 8);
    assert_eq!(class(&nothing.exchange), Some(FailureClass::Empty));
}

#[test]
fn one_token_under_two_names_counts_once() {
    let both = concat!(
        r#"{"choices":[{"index":0,"text":"a","delta":{"role":"assistant","content":"a"},"#,
        r#""finish_reason":null}],"usage":null}"#,
    );
    let tokens: Vec<Step> = (0..16).flat_map(|_| [Pause(10), say(both)]).collect();
    let script = [vec![Request, Write(STREAM_HEAD.to_vec())], tokens, vec![say(FINISH)], end()].concat();
    let exchange = paused(async { Bench::with(vec![script], |options| options.keep_text = true).await.ask(0).await });
    assert_eq!(exchange.outcome, Outcome::Completed);
    let kept = exchange.text.as_ref().expect("a text");
    assert_eq!((String::from_utf8_lossy(&kept.bytes), kept.event_ends.len()), ("a".repeat(16).into(), 16));
    let record = record(exchange, 16);
    assert_eq!((output_tokens(&record), milliseconds(&record, Metric::Tpot)), (Some(16), Some(10.0)));
}

#[test]
fn what_came_in_one_read_is_known() {
    let all: Vec<u8> = [ROLE, TOKEN, TOKEN, FINISH, DONE].iter().flat_map(|data| chunk(&event(data))).collect();
    let buffered = answered(vec![Pause(50), Write([&all, LAST_CHUNK].concat())], 2);
    assert!(buffered.exchange.one_read, "{:?}", buffered.exchange);
    let streamed = answered([vec![text("a"), Pause(1), text("b"), say(FINISH)], end()].concat(), 2);
    assert!(!streamed.exchange.one_read);
    let single = answered([vec![text("a"), say(FINISH)], end()].concat(), 1);
    assert!(!single.exchange.one_read, "a single event cannot show that something on the way buffers");
}

#[test]
fn a_whole_answer_is_read_as_leniently() {
    for (body, expected) in [
        (r#"{"choices":[{"message":{"content":6},"finish_reason":"stop"}],"usage":[]}"#, None),
        (r#"{"error":{},"choices":[{"message":{"content":"x","content":"y"},"finish_reason":"length"}]}"#, None),
        (
            concat!(
                r#"{"choices":[{"message":{"content":null,"tool_calls":[{"function":{"name":"f"}}]},"#,
                r#""finish_reason":"tool_calls"}]}"#,
            ),
            None,
        ),
        (r#"{"choices":[{"message":{"content":"x"},"finish_reason":""}]}"#, Some(FailureClass::Truncated)),
        (r#"{"choices":[{"message":{"content":"x"},"finish_reason":"abort"}]}"#, Some(FailureClass::StreamError)),
        (r#"{"object":"error","message":"gave up","code":500}"#, Some(FailureClass::StreamError)),
        (r#"{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}"#, Some(FailureClass::Empty)),
    ] {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let script = vec![Request, Write([head.as_bytes(), body.as_bytes()].concat())];
        let exchange = paused(async { Bench::with(vec![script], |options| options.stream = false).await.ask(0).await });
        assert_eq!(class(&exchange), expected, "{body}");
    }
    // Without a count, the planned length is used if the finish reason is `length`; otherwise there is no count.
    let planned = |reason: &str| {
        let exchange =
            Exchange { outcome: Outcome::Completed, finish_reason: Some(reason.into()), ..Exchange::default() };
        output_tokens(&record(exchange, 16))
    };
    assert_eq!((planned("length"), planned("stop")), (Some(16), None));
}
