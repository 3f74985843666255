//! Owns the tests that each fault sends the client the promised bytes.

use super::*;

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_status_is_told_with_an_error_body() {
    for (code, retry) in [(429, true), (500, false), (503, true)] {
        let text = streamed(&[&format!("status:{code}")]).await.text();
        assert!(text.starts_with(&format!("HTTP/1.1 {code} ")), "{text}");
        assert_eq!(text.contains("retry-after: 1\r\n"), retry);
        assert!(text.contains(r#"{"error":{"message":"#));
    }
}

/// What is seen over TCP of the answer to one streamed request. Only TCP has resets, and its bytes need a true clock.
async fn over_tcp(fault: &str) -> Seen {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let client = async || exchanged(TcpStream::connect(address).await.unwrap(), &request(CHAT, STREAMED, "")).await;
    serving(options("delay:ttft=20ms,itl=5ms", &[fault]), listener.into(), client).await.0
}

#[tokio::test(flavor = "local")]
async fn refuse_resets_the_connection_before_any_byte() {
    let seen = over_tcp("refuse").await;
    assert_eq!((seen.bytes().len(), seen.end), (0, End::Reset));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn cut_ends_the_body_in_order_without_finish_and_done() {
    let seen = streamed(&["cut:3"]).await;
    assert_eq!((seen.contents().len(), seen.body().1, seen.end), (3, true, End::Closed));
    assert!(!seen.text().contains("[DONE]") && !seen.text().contains(r#""finish_reason":"length""#));
    assert!(streamed(&["cut:0"]).await.contents().is_empty());
    assert!(
        streamed(&["cut:7"]).await.text().contains("[DONE]"),
        "a response of six tokens has no seventh token to be cut after"
    );
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn drop_closes_inside_the_body() {
    let seen = streamed(&["drop:3"]).await;
    assert_eq!((seen.contents().len(), seen.body().1, seen.end), (3, false, End::Closed));
    let whole = super::seen(options("small", &["drop:0"]), CHAT, WHOLE, "").await;
    let text = whole.text();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let length: usize = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    assert!(body.len() < length, "{} of {length} bytes", body.len());
}

#[tokio::test(flavor = "local")]
async fn reset_resets_after_its_tokens() {
    let seen = over_tcp("reset:2").await;
    assert_eq!((seen.contents().len(), seen.body().1, seen.end), (2, false, End::Reset));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn stall_holds_every_token_until_its_end() {
    let seen = streamed(&["stall:27ms,100ms"]).await;
    assert_eq!(seen.content_ms().first_chunk(), Some(&[20, 25, 127]));
    assert_eq!(seen.contents().len(), 6);
    assert_eq!(seen.reads.last().map(|(at, _)| *at), Some(127));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn hang_takes_the_request_and_never_answers() {
    let seen = streamed(&["hang"]).await;
    assert_eq!((seen.end, seen.bytes().len()), (End::Silent, 0));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn never_ends_goes_on_until_the_client_leaves() {
    for profile in ["delay:ttft=20ms,itl=5ms", "mdc:servers=1,service=10ms"] {
        let log = Kept::default();
        let options = Options { truth: Some(Box::new(log.clone())), ..options(profile, &["never-ends"]) };
        let request = request(CHAT, STREAMED, "");
        let tokens = with_server(options, async |server| {
            let mut stream = UnixStream::connect(server).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let (mut tokens, mut buffer) = (0, vec![0; 1 << 16]);
            while tokens < 500 {
                let length = stream.read(&mut buffer).await.unwrap();
                assert!(length > 0);
                tokens += String::from_utf8_lossy(&buffer[..length]).matches(r#""delta":{"content":" "#).count();
            }
            drop(stream);
            tokio::time::sleep(Duration::from_secs(1)).await;
            tokens
        })
        .await
        .0;
        assert!(tokens >= 500);
        assert!(String::from_utf8_lossy(&log.0.lock().unwrap()).contains(r#""ended":"client_left""#));
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn error_comes_inside_the_stream_with_status_200() {
    let seen = streamed(&["error:2"]).await;
    assert!(seen.text().starts_with("HTTP/1.1 200 OK"));
    let events = seen.events();
    assert_eq!((seen.contents().len(), events.len()), (2, 1 + 2 + 2));
    assert!(events[3].starts_with(r#"{"error":{"message":"#));
    assert_eq!(events[4], "[DONE]");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn malformed_puts_one_bad_event_into_a_whole_answer() {
    let seen = streamed(&["malformed:2"]).await;
    let bad = seen
        .events()
        .iter()
        .filter(|event| *event != "[DONE]" && serde_json::from_str::<serde_json::Value>(event).is_err())
        .count();
    assert_eq!((bad, seen.contents().len(), seen.body().1), (1, 6, true));
    let whole = super::seen(options("small", &["malformed:0"]), CHAT, WHOLE, "").await.text();
    assert!(serde_json::from_str::<serde_json::Value>(whole.split("\r\n\r\n").nth(1).unwrap()).is_err());
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn garbage_is_not_http() {
    let seen = streamed(&["garbage"]).await;
    assert!(!seen.bytes().is_empty() && !seen.bytes().starts_with(b"HTTP"));
    assert_eq!(seen.end, End::Closed);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn split_cuts_inside_characters_and_line_ends_and_loses_nothing() {
    let seen = streamed(&["split"]).await;
    let (body, complete) = seen.body();
    assert!(complete);
    assert!(body.contains("\r\n") && body.contains(": a comment"));
    let raw = seen.bytes();
    let cut_between = |first: u8, second: u8| {
        // Whether one chunk ends in `first` and the next begins with `second`.
        raw.windows(2).enumerate().any(|(at, window)| {
            let next = &raw[at + 1..(at + 8).min(raw.len())];
            let size_line = next
                .strip_prefix(b"\r\n")
                .and_then(|next| next.iter().position(|byte| *byte == b'\n').map(|end| &next[end + 1..]));
            window[0] == first && size_line.is_some_and(|begin| begin.first() == Some(&second))
        })
    };
    assert!(cut_between(0xC3, 0xAF), "the ï of naïve must lie in two chunks");
    assert!(cut_between(b'\r', b'\n'), "a CRLF must lie in two chunks");
    // Parsed as the SSE standard says: comments dropped, the data lines of one event joined by a line feed.
    let contents: Vec<String> = body
        .split("\r\n\r\n")
        .filter_map(|event| {
            let lines: Vec<&str> = event.split("\r\n").filter_map(|line| line.strip_prefix("data:")).collect();
            delta(&lines.join("\n"), "content")
        })
        .collect();
    assert_eq!(contents.concat(), " the traffic naïve of tokens runs");
    assert!(body.contains("\r\ndata:\"choices\""), "an event of two data lines");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn slow_first_byte_moves_the_whole_answer_its_head_included() {
    let seen = streamed(&["slow-first-byte:5s"]).await;
    assert_eq!((seen.reads[0].0, seen.content_ms()), (5_000, vec![5_020, 5_025, 5_030, 5_035, 5_040, 5_045]));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn coalesce_puts_tokens_together_at_the_instant_of_the_last() {
    let seen = streamed(&["coalesce:4"]).await;
    assert_eq!(seen.contents(), [" the traffic naïve of", " tokens runs"]);
    assert_eq!(seen.content_ms(), [35, 45]);
    assert!(seen.text().contains(r#""completion_tokens":6"#));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn reasoning_comes_before_the_answer() {
    let seen = streamed(&["reasoning:2"]).await;
    let reasoning: Vec<String> = seen.events().iter().filter_map(|event| delta(event, "reasoning_content")).collect();
    assert_eq!(
        (reasoning.concat().as_str(), seen.contents().concat().as_str()),
        (" the traffic", " naïve of tokens runs")
    );
    let both = streamed(&["reasoning:2", "coalesce:3"]).await;
    assert_eq!(delta(&both.events()[1], "reasoning_content").as_deref(), Some(" the traffic"));
    assert_eq!(delta(&both.events()[1], "content").as_deref(), Some(" naïve"));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn what_can_be_left_out_is_left_out() {
    for (fault, missing) in [("no-role", r#""role":"assistant""#), ("no-usage", r#""usage""#), ("no-done", "[DONE]")] {
        let (with, without) = (streamed(&[]).await, streamed(&[fault]).await);
        assert!(with.text().contains(missing) && !without.text().contains(missing), "{fault}");
        assert_eq!((without.contents().len(), without.body().1), (6, true));
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn empty_is_an_answer_in_order_without_a_token() {
    let seen = streamed(&["empty"]).await;
    assert!(
        seen.contents().is_empty()
            && seen.text().contains("[DONE]")
            && seen.text().contains(r#""completion_tokens":0"#)
    );
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_share_of_requests_is_struck_and_the_others_are_answered() {
    let request = request(CHAT, STREAMED, "connection: close\r\n");
    let failed = with_server(options("small", &["status:500@30%"]), async |server| {
        let mut failed = 0;
        for _ in 0..40 {
            let seen = read_all(server, &request).await;
            failed += usize::from(seen.text().starts_with("HTTP/1.1 500 "));
        }
        failed
    })
    .await
    .0;
    assert!((5..20).contains(&failed), "{failed} of 40");
}
