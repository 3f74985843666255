//! Owns the tests of the simulated server over real sockets, read byte by byte under a paused clock.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tonnage::clock::{Pacing, RunClock};
use tonnage::schedule::Extent;
use tonnage::seed::Seed;
use tonnage::sim::{Listener, Options, Served, Server, listen, listen_at};
use tonnage::workload::{Closed, Load, Plan, Workload};

const STREAMED: &str = concat!(
    r#"{"model":"tonnage-sim","messages":[{"role":"user","content":"four words of prompt"}],"max_tokens":6,"#,
    r#""stream":true,"stream_options":{"include_usage":true}}"#,
);
const WHOLE: &str = r#"{"messages":[{"role":"user","content":"two words"}],"max_completion_tokens":6}"#;
const CHAT: &str = "/v1/chat/completions";

/// The state of the connection when the server left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
    /// No byte came for a minute.
    Silent,
}

/// The bytes of each read with their instant in milliseconds, and how the connection ended.
struct Seen {
    reads: Vec<(u64, Vec<u8>)>,
    end: End,
    ended_ms: u64,
}

impl Seen {
    fn bytes(&self) -> Vec<u8> {
        self.reads.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// The body without its chunk framing, and whether it ended properly.
    fn body(&self) -> (String, bool) {
        let bytes = self.bytes();
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
        let mut rest = &bytes[head..];
        let mut body = Vec::new();
        while let Some(line) = rest.windows(2).position(|window| window == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).expect("a chunk size");
            if size == 0 {
                return (String::from_utf8(body).unwrap(), true);
            }
            body.extend_from_slice(&rest[line + 2..line + 2 + size]);
            rest = &rest[line + 2 + size + 2..];
        }
        (String::from_utf8(body).unwrap(), false)
    }

    /// The `data:` of each event.
    fn events(&self) -> Vec<String> {
        self.body().0.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).map(str::to_owned).collect()
    }

    fn contents(&self) -> Vec<String> {
        self.events().iter().filter_map(|event| delta(event, "content")).filter(|text| !text.is_empty()).collect()
    }

    /// The instant of each read that brought content, in milliseconds.
    fn content_ms(&self) -> Vec<u64> {
        let brings = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(r#""delta":{"content":" "#);
        self.reads.iter().filter(|(_, bytes)| brings(bytes)).map(|(at, _)| *at).collect()
    }
}

fn delta(event: &str, key: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(event).ok()?;
    Some(event["choices"][0]["delta"][key].as_str()?.to_owned())
}

fn request(path: &str, body: &str, more: &str) -> String {
    let method = if body.is_empty() { "GET" } else { "POST" };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nx-request-id: r1\r\n{more}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Runs `client` against a server at a unix socket, both on this runtime; returns the server's own counts too.
///
/// The socket is no TCP socket, because the paused clock moves as soon as nobody has anything to do, and on a busy
/// machine the kernel may deliver TCP's bytes only after that. Those of a unix socket are there when the write returns.
async fn with_server<T>(options: Options, client: impl AsyncFnOnce(&Path) -> T) -> (T, Served) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    serving(options, listen_at(&path).unwrap(), async || client(&path).await).await
}

async fn serving<T>(options: Options, listener: Listener, client: impl AsyncFnOnce() -> T) -> (T, Served) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::task::spawn_local(Server::new(options).serve(listener, async { _ = stopped.await }));
    let result = client().await;
    stop.send(()).unwrap();
    (result, server.await.unwrap().unwrap())
}

fn options(profile: &str, faults: &[&str]) -> Options {
    let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
    Options { profile: profile.parse().unwrap(), faults, pacing: Pacing::Coarse, ..Options::default() }
}

/// Sends `request` and reads until the server ends the connection or is silent for a minute.
async fn read_all(server: &Path, request: &str) -> Seen {
    exchanged(UnixStream::connect(server).await.unwrap(), request).await
}

async fn exchanged(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Seen {
    let clock = RunClock::starting_in(Duration::ZERO);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reads: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let end = loop {
        match tokio::time::timeout(Duration::from_mins(1), stream.read(&mut buffer)).await {
            Err(_) => break End::Silent,
            Ok(Ok(0)) => break End::Closed,
            Ok(Ok(length)) => reads.push((clock.now().as_nanos() / 1_000_000, buffer[..length].to_vec())),
            Ok(Err(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                break End::Reset;
            }
        }
    };
    Seen { reads, end, ended_ms: clock.now().as_nanos() / 1_000_000 }
}

async fn seen(options: Options, path: &str, body: &str, more: &str) -> Seen {
    let request = request(path, body, &format!("{more}connection: close\r\n"));
    with_server(options, async |server| read_all(server, &request).await).await.0
}

/// One streamed chat of six tokens: TTFT 20 ms, gaps 5 ms.
async fn streamed(faults: &[&str]) -> Seen {
    seen(options("delay:ttft=20ms,itl=5ms", faults), CHAT, STREAMED, "").await
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_streamed_answer_has_vllms_shape() {
    let seen = streamed(&[]).await;
    assert!(seen.text().starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(seen.text().contains("content-type: text/event-stream"));
    assert_eq!((seen.end, seen.body().1), (End::Closed, true));
    let events = seen.events();
    assert_eq!(events.len(), 1 + 6 + 1 + 1 + 1, "role, tokens, finish, usage, done");
    assert_eq!(delta(&events[0], "role").as_deref(), Some("assistant"));
    assert_eq!(seen.contents().concat(), " the traffic naïve of tokens runs");
    assert!(events[7].contains(r#""finish_reason":"length""#));
    let usage: serde_json::Value = serde_json::from_str(&events[8]).unwrap();
    assert_eq!(usage["choices"], serde_json::json!([]));
    assert_eq!(usage["usage"], serde_json::json!({"prompt_tokens": 4, "total_tokens": 10, "completion_tokens": 6}));
    assert_eq!(events[9], "[DONE]");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_completion_has_vllms_shape() {
    let body = concat!(
        r#"{"model":"tonnage-sim","prompt":"four words of prompt","max_tokens":3,"stream":true,"#,
        r#""stream_options":{"include_usage":true,"continuous_usage_stats":true}}"#,
    );
    let plain = || options("delay:ttft=20ms,itl=5ms", &[]);
    let events = seen(plain(), "/v1/completions", body, "").await.events();
    let events: Vec<serde_json::Value> =
        events.iter().take(5).map(|event| serde_json::from_str(event).unwrap()).collect();
    assert_eq!((&events[0]["object"], &events[0]["choices"][0]["text"]), (&"text_completion".into(), &" the".into()));
    assert!(events[0]["id"].as_str().unwrap().starts_with("cmpl-"));
    let counts: Vec<u64> = events.iter().map(|event| event["usage"]["completion_tokens"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 2, 3, 3, 3], "tokens, finish, usage");
    assert_eq!(events[3]["choices"][0]["finish_reason"], "length");
    let whole = seen(plain(), "/v1/completions", r#"{"prompt":[1,2,3],"max_tokens":2}"#, "").await.text();
    let answer: serde_json::Value = serde_json::from_str(whole.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((&answer["choices"][0]["text"], &answer["usage"]["prompt_tokens"]), (&" the traffic".into(), &3.into()));
    for body in
        ["{}", r#"{"prompt":""}"#, r#"{"prompt":["a",""]}"#, r#"{"prompt":[]}"#, r#"{"messages":[{"content":"a"}]}"#]
    {
        assert!(seen(plain(), "/v1/completions", body, "").await.text().starts_with("HTTP/1.1 400 "), "{body}");
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn latencies_over_sockets_are_exact_to_the_millisecond() {
    let seen = streamed(&[]).await;
    assert_eq!(seen.reads[0].0, 0, "the head must leave before the first token");
    assert_eq!(seen.content_ms(), [20, 25, 30, 35, 40, 45]);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_queue_over_sockets_gives_what_the_model_says() {
    let request = request(CHAT, STREAMED, "connection: close\r\n");
    let profile = "mmc:servers=2,service=100ms";
    let ask = async |server: &Path| {
        let five: Vec<_> = (0..5)
            .map(|_| {
                let (server, request) = (server.to_owned(), request.clone());
                tokio::task::spawn_local(async move { read_all(&server, &request).await })
            })
            .collect();
        let mut ends = Vec::new();
        for one in five {
            let seen = one.await.unwrap();
            assert_eq!(seen.contents().len(), 6);
            let at: Vec<u64> = seen.reads.iter().map(|(at, _)| *at).collect();
            assert!(at.iter().all(|other| *other == at[0]), "one burst must be read at one instant, not at {at:?}");
            ends.push(at[0]);
        }
        ends.sort_unstable();
        ends
    };
    let ends = with_server(options(profile, &[]), ask).await.0;
    let five = Closed::concurrent(5, Extent::Requests(5), Duration::ZERO, Duration::ZERO).unwrap();
    let plan = Plan::new(Load::Closed(five), Workload::default(), Seed::new(1), None);
    let mut known: Vec<u64> = tonnage::sim::run(&plan, profile.parse().unwrap(), Seed::new(1))
        .iter()
        .map(|record| record.exchange.ended.unwrap().as_nanos().div_ceil(1_000_000))
        .collect();
    known.sort_unstable();
    assert_eq!(ends, known);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_that_is_not_streamed_comes_with_its_last_token() {
    let seen = seen(options("delay:ttft=20ms,itl=5ms", &[]), CHAT, WHOLE, "").await;
    assert_eq!(seen.reads.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [45]);
    let text = seen.text();
    let answer: serde_json::Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], " the traffic naïve of tokens runs");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_connection_serves_many_requests_and_is_closed_after_idling() {
    let twice = request(CHAT, STREAMED, "").repeat(2);
    let options = Options { keep_alive: Duration::from_secs(5), ..options("delay:ttft=20ms,itl=5ms", &[]) };
    let (seen, served) = with_server(options, async |server| read_all(server, &twice).await).await;
    assert_eq!(seen.text().matches("HTTP/1.1 200 OK").count(), 2);
    assert_eq!(seen.text().matches("[DONE]").count(), 2);
    assert_eq!((seen.end, served.requests, served.connections), (End::Closed, 2, 1));
    assert_eq!(seen.ended_ms, 2 * 45 + 5_000, "two responses, then the keep-alive time");
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn models_and_health_are_served_and_mistakes_are_told() {
    let plain = || options("small", &[]);
    let models = seen(plain(), "/v1/models", "", "").await.text();
    assert!(models.contains(r#""id":"tonnage-sim""#), "{models}");
    assert!(seen(plain(), "/health", "", "").await.text().starts_with("HTTP/1.1 200"));
    let unknown_model = STREAMED.replace("tonnage-sim", "other \\\"quoted\\\"");
    for (path, body, status) in [
        (CHAT, unknown_model.as_str(), 404),
        (CHAT, "{not json", 400),
        (CHAT, r#"{"messages":[]}"#, 400),
        (CHAT, r#"{"messages":[{"content":"a"}],"max_tokens":0}"#, 400),
        (CHAT, r#"{"messages":[{"content":"a"}],"max_tokens":4000000000}"#, 400),
        (CHAT, r#"{"messages":[{"content":"a"}],"n":0}"#, 400),
        (CHAT, r#"{"messages":[{"content":"a"}],"n":1000}"#, 400),
        ("/v1/models/other", "", 404),
        ("/tokenize", "{}", 400),
        ("/tokenize", r#"{"model":"other","prompt":"a"}"#, 404),
        ("/detokenize", r#"{"tokens":[4000000]}"#, 400),
        ("/v2/else", "", 404),
        (CHAT, "", 405),
    ] {
        let text = seen(plain(), path, body, "").await.text();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {body}: {text}");
        let error: serde_json::Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(error["error"]["code"], status);
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_model_may_have_any_name() {
    let named = Options { model: "a \"quoted\" näme".to_owned(), ..options("small", &[]) };
    let body = STREAMED.replace("tonnage-sim", r#"a \"quoted\" näme"#);
    let events = seen(named, CHAT, &body, "").await.events();
    let first: serde_json::Value = serde_json::from_str(&events[0]).unwrap();
    assert_eq!(first["model"], "a \"quoted\" näme");
}

#[tokio::test(flavor = "local")]
async fn on_a_real_clock_no_token_is_early() {
    let options = Options { pacing: Pacing::Precise, ..options("delay:ttft=20ms,itl=5ms", &[]) };
    let request = request(CHAT, STREAMED, "connection: close\r\n");
    let (seen, served) = with_server(options, async |server| read_all(server, &request).await).await;
    assert_eq!(seen.contents().len(), 6);
    let at = seen.content_ms();
    assert!(at[0] >= 19 && at.last().is_some_and(|last| (44..2_000).contains(last)), "{at:?}");
    assert_eq!(served.late_ns.len(), 7);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_key_is_asked_for_when_one_is_set() {
    let locked = || Options { api_key: Some("secret".to_owned()), ..options("small", &[]) };
    for (header, status) in
        [("", 401), ("authorization: Bearer wrong\r\n", 401), ("Authorization: Bearer secret\r\n", 200)]
    {
        for (path, body) in [(CHAT, STREAMED), ("/v1/models", "")] {
            let text = seen(locked(), path, body, header).await.text();
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{header}: {text}");
        }
    }
    assert!(seen(locked(), "/health", "", "").await.text().starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn bytes_that_are_not_http_are_answered_with_400_and_a_request_in_pieces_is_put_together() {
    let seen =
        with_server(options("small", &[]), async |server| read_all(server, "\u{1}\u{2}nonsense\r\n\r\n").await).await.0;
    assert!(seen.text().starts_with("HTTP/1.1 400 "), "{}", seen.text());
    let whole = request(CHAT, STREAMED, "connection: close\r\n");
    let text = with_server(options("small", &[]), async |server| {
        let mut stream = UnixStream::connect(server).await.unwrap();
        for piece in whole.as_bytes().chunks(13) {
            stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    })
    .await
    .0;
    assert!(text.contains("[DONE]"));
}

/// A sink that keeps its bytes for the test.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_truth_log_tells_each_request_even_one_cut_off_by_the_shutdown() {
    let log = Kept::default();
    let options = Options { truth: Some(Box::new(log.clone())), ..options("delay:ttft=20ms,itl=5ms", &[]) };
    let request = request(CHAT, STREAMED, "");
    let ((), served) = with_server(options, async |server| {
        let mut done = UnixStream::connect(server).await.unwrap();
        done.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut cut_off = UnixStream::connect(server).await.unwrap();
        cut_off.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(27)).await;
    })
    .await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2, "{text}");
    let after_arrival_ms = |row: &serde_json::Value, key: &str| {
        (row[key].as_u64().unwrap() - row["arrived_ns"].as_u64().unwrap()) / 1_000_000
    };
    assert_eq!(
        (rows[0]["sequence"].as_u64(), rows[0]["x_request_id"].as_str(), rows[0]["ended"].as_str()),
        (Some(0), Some("r1"), Some("whole"))
    );
    assert_eq!((rows[0]["input_tokens"].as_u64(), rows[0]["output_tokens"].as_u64()), (Some(4), Some(6)));
    let instants: Vec<u64> =
        ["planned_first_token_ns", "first_write_ns", "first_token_write_ns", "last_token_write_ns", "last_write_ns"]
            .iter()
            .map(|key| after_arrival_ms(&rows[0], key))
            .collect();
    assert_eq!(instants, [20, 0, 20, 45, 45]);
    let instants = ["accepted_ns", "received_ns", "arrived_ns"].map(|key| rows[0][key].as_u64().unwrap());
    assert!(instants.is_sorted(), "accepted, then received by the kernel, then read: {instants:?}");
    assert_eq!((rows[1]["ended"].as_str(), rows[1]["output_tokens"].as_u64()), (Some("shutdown"), Some(2)));
    assert_eq!((served.requests, served.late_ns.len()), (2, 7 + 3));
    assert!(served.late_ns.max() < 2_000_000, "late by {} ns under a paused clock", served.late_ns.max());
}

mod engine;
mod faults;
mod vllm;

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_truth_log_names_an_injected_fault() {
    let log = Kept::default();
    let options = Options { truth: Some(Box::new(log.clone())), ..options("delay:ttft=20ms,itl=5ms", &["status:503"]) };
    let request = request(CHAT, STREAMED, "");
    with_server(options, async |server| {
        let mut stream = UnixStream::connect(server).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    })
    .await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let row: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
    assert_eq!((row["ended"].as_str(), row["status"].as_u64()), (Some("fault"), Some(503)), "{row}");
}
