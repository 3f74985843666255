//! Owns the tests of how responses are read: instants, unusual transports, and the outcome of every server fault.

use proptest::prelude::*;
use tonnage::record::{Exchange, FailureClass, Outcome, Usage};

use super::Step::{Drip, Hold, Pause, Request, Reset, Write};
use super::{
    Bench, DONE, FINISH, LAST_CHUNK, ROLE, STREAM_HEAD, Step, TOKEN, USAGE, chunk, class, event, failure_text, good,
    paused, streamed,
};

/// The exchange of one request to a server that follows `script` after it has read the request.
fn after(script: Vec<Step>) -> Exchange {
    paused(async { Bench::new(vec![[vec![Request], script].concat()]).await.ask(0).await })
}

fn milliseconds(instant: Option<tonnage::units::Offset>) -> Option<u64> {
    instant.map(|at| at.as_nanos() / 1_000_000)
}

#[test]
fn every_instant_is_exact() {
    let exchange = after(vec![
        Pause(40),
        Write(STREAM_HEAD.to_vec()),
        Pause(10),
        Write(chunk(&event(ROLE))),
        Pause(50),
        Write(chunk(&event(r#"{"choices":[{"delta":{"reasoning":"hm"}}]}"#))),
        Pause(20),
        Write(chunk(&event(TOKEN))),
        Pause(30),
        Write([chunk(&event(TOKEN)), chunk(&event(TOKEN))].concat()),
        Pause(5),
        Write(chunk(&event(FINISH))),
        Pause(6),
        Write(chunk(&event(USAGE))),
        Pause(7),
        Write([chunk(&event(DONE)), LAST_CHUNK.to_vec()].concat()),
    ]);
    assert_eq!(milliseconds(exchange.sent), Some(0));
    assert_eq!(milliseconds(exchange.connected), Some(0));
    assert_eq!(milliseconds(exchange.written), Some(0));
    assert_eq!(milliseconds(exchange.headers), Some(40));
    assert_eq!(milliseconds(exchange.first_event), Some(50));
    assert_eq!(milliseconds(exchange.first_token), Some(100));
    assert_eq!(milliseconds(exchange.first_answer), Some(120));
    assert_eq!(milliseconds(exchange.last_token), Some(150));
    assert_eq!(milliseconds(exchange.ended), Some(168));
    assert_eq!((exchange.events, exchange.event_gaps_us), (4, vec![20_000, 30_000, 0]));
    assert_eq!((exchange.status, exchange.finish_reason.as_deref()), (Some(200), Some("length")));
    assert_eq!(exchange.usage, Some(Usage { input_tokens: 3, output_tokens: 2, cached_tokens: None }));
    assert_eq!(exchange.outcome, Outcome::Completed);
}

#[test]
fn bytes_that_come_one_by_one_say_the_same() {
    let (whole, dripped) = (after(vec![Write(good())]), after(vec![Drip(good())]));
    assert_eq!(whole.outcome, Outcome::Completed);
    assert_eq!((dripped.outcome, dripped.events, dripped.usage), (whole.outcome, whole.events, whole.usage));
    assert_eq!(
        milliseconds(dripped.ended),
        Some(u64::try_from(good().len() - LAST_CHUNK.len() - 3).unwrap()),
        "the last byte before CR LF"
    );
}

#[test]
fn every_framing_of_http_is_read() {
    let events: Vec<u8> = [ROLE, TOKEN, FINISH, DONE].iter().flat_map(|data| event(data)).collect();
    let by_length =
        [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", events.len()).as_bytes(), &events].concat();
    let by_close = [b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &events].concat();
    let long_head = [format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "x".repeat(10_000)).as_bytes(), &events].concat();
    let informed = [b"HTTP/1.1 103 Early Hints\r\n\r\n".as_slice(), &good()].concat();
    let with_trailer = [STREAM_HEAD, &chunk(&events), b"0\r\nx-took: 1\r\n\r\n"].concat();
    for answer in [by_length, by_close, long_head, informed, with_trailer] {
        let exchange = after(vec![Write(answer.clone())]);
        assert_eq!(exchange.outcome, Outcome::Completed, "{}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn each_fault_has_its_class() {
    use FailureClass::{Empty, Malformed, Reset as Broken, Status, StreamError, Truncated};
    let begun = [STREAM_HEAD, &chunk(&event(TOKEN))].concat();
    let with = |more: &[u8]| Write([&begun, more].concat());
    let closing = b"HTTP/1.0 200 OK\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    for (script, expected) in [
        (vec![Write(streamed(&[TOKEN]))], Truncated),
        (vec![Write(streamed(&[]))], Truncated),
        (vec![Write(closing.to_vec())], Truncated),
        (vec![Write(streamed(&[ROLE, FINISH, DONE]))], Empty),
        (vec![Write(streamed(&[TOKEN, r#"{"error":{"message":"out of memory"}}"#, DONE]))], StreamError),
        (vec![Write(streamed(&[TOKEN, "{\"choices\":[", FINISH, DONE]))], Malformed),
        (vec![with(b"zz\r\nnot a chunk")], Malformed),
        (vec![Write(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec())], Malformed),
        (vec![Write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n".to_vec())], Malformed),
        (vec![Write(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(500_000)).into_bytes())], Malformed),
        (vec![], Broken),
        (vec![Reset], Broken),
        (vec![Write(b"HTTP/1.1 200 O".to_vec())], Broken),
        (vec![with(b"")], Broken),
        (vec![with(b"ff\r\ndata: ")], Broken),
        (vec![with(b""), Pause(5), Reset], Broken),
        (vec![Write(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ndata: x".to_vec())], Broken),
        (vec![Write(b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy".to_vec())], Status),
        (vec![Write(b"HTTP/1.1 307 Elsewhere\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n".to_vec())], Status),
        (vec![Write(b"HTTP/1.1 301 Elsewhere\r\nlocation: /\x1b[2Jx\r\ncontent-length: 0\r\n\r\n".to_vec())], Status),
        (vec![Write(b"HTTP/1.1 200 OK\r\nx-odd: \x01\r\ncontent-length: 0\r\n\r\n".to_vec())], Malformed),
        (vec![Write(b"HTTP/1.1 500 Oops\r\ncontent-length: 99\r\n\r\n{".to_vec()), Reset], Status),
    ] {
        let exchange = after(script.clone());
        assert_eq!(class(&exchange), Some(expected), "{script:?}: {exchange:?}");
        assert!(exchange.ended.is_some() && exchange.written.is_some(), "instants must be kept: {exchange:?}");
    }
}

#[test]
fn a_broken_answer_keeps_its_timings() {
    let exchange = after(vec![Pause(10), Write([STREAM_HEAD, &chunk(&event(TOKEN))].concat()), Pause(10), Reset]);
    assert_eq!(class(&exchange), Some(FailureClass::Reset));
    assert_eq!(
        (milliseconds(exchange.first_token), milliseconds(exchange.ended), exchange.events),
        (Some(10), Some(20), 1)
    );
}

#[test]
fn a_status_says_what_the_server_said() {
    let body = r#"{"error":{"message":"the prompt is too long","code":400}}"#;
    let answer = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let exchange = after(vec![Write(answer.into_bytes()), Hold]);
    assert_eq!((exchange.status, failure_text(&exchange)), (Some(400), "400 Bad Request: the prompt is too long"));
}

#[test]
fn a_head_that_is_no_valid_http_keeps_its_status_and_says_what_is_wrong_once() {
    let moved = b"HTTP/1.1 301 Moved\r\nLocation: http://a/\x1b]0;x\x07\r\ncontent-length: 0\r\n\r\n".to_vec();
    let exchange = after(vec![Drip(moved)]);
    let expected = "301 Moved Permanently: it redirects to http://a/\\x1b]0;x\\x07";
    assert_eq!((exchange.status, failure_text(&exchange)), (Some(301), expected));
    let exchange = after(vec![Write(b"HTTP/1.1 200 OK\r\nx: \x01\r\n\r\n".to_vec())]);
    assert_eq!(
        (class(&exchange), failure_text(&exchange)),
        (Some(FailureClass::Malformed), "not HTTP: invalid HTTP header parsed")
    );
}

#[test]
fn an_endless_failure_body_is_left_after_1_mib_or_a_second() {
    for length in [5_000, (1 << 20) + 1] {
        let answer = [b"HTTP/1.1 500 Oops\r\n\r\n".as_slice(), &b"x".repeat(length)].concat();
        let exchange = after(vec![Write(answer), Hold]);
        assert_eq!(class(&exchange), Some(FailureClass::Status), "{length}");
        assert!(failure_text(&exchange).starts_with("500 Internal Server Error: xxx"), "{}", failure_text(&exchange));
    }
}

#[test]
fn an_unstreamed_answer_is_read_whole() {
    let body = concat!(
        r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"#,
        r#""completion_tokens":2}}"#,
    );
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let exchange = paused(async {
        let script = vec![Request, Write(head.into_bytes()), Pause(9), Write(body.as_bytes().to_vec())];
        Bench::with(vec![script], |options| options.stream = false).await.ask(0).await
    });
    assert_eq!(
        (exchange.outcome, exchange.first_token, milliseconds(exchange.ended)),
        (Outcome::Completed, None, Some(9))
    );
    assert_eq!(exchange.usage.map(|usage| usage.output_tokens), Some(2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn no_bytes_from_a_server_make_us_panic(
        head in prop_oneof![Just(STREAM_HEAD.to_vec()), Just(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), Just(Vec::new())],
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let exchange = after(vec![Write([head, body].concat())]);
        prop_assert!(matches!(exchange.outcome, Outcome::Failed(_)), "{:?}", exchange);
    }

    #[test]
    fn a_good_answer_with_one_byte_changed_is_still_judged(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut answer = good();
        let at = at.index(answer.len());
        answer[at] = byte;
        let exchange = after(vec![Write(answer)]);
        prop_assert!(matches!(exchange.outcome, Outcome::Completed | Outcome::Failed(_)));
        prop_assert!(exchange.ended.is_some());
    }
}
