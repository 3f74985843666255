//! Owns the tests of stored and shown data: no secret leaks, no file is destroyed, no external text reaches the
//! terminal unescaped.

mod boundary;
mod disk;
mod inputs;
mod messages;
mod place;
mod secrets;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A server in a thread. It answers each request (head and body as text) with bytes, then closes the connection. It
/// ends with the test.
pub(crate) struct Echo {
    pub(crate) url: String,
    /// Every request received so far.
    pub(crate) seen: Arc<Mutex<String>>,
}

impl Echo {
    pub(crate) fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<String>> = Arc::default();
        let (kept, answer) = (Arc::clone(&seen), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let request = read_request(&stream);
                    if !request.is_empty() {
                        kept.lock().expect("a lock").push_str(&request);
                        let _ = (&stream).write_all(&answer(&request));
                    }
                });
            }
        });
        Self { url, seen }
    }
}

fn read_request(mut stream: &TcpStream) -> String {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_ascii_lowercase();
        let length = length
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|text| text.trim().parse().ok());
        if body.len() >= length.unwrap_or(0usize) {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A complete HTTP response.
pub(crate) fn http(status: &str, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The bytes of a stream of these events.
pub(crate) fn events_of(events: &[serde_json::Value]) -> String {
    events.iter().flat_map(|event| ["data: ".to_owned(), event.to_string(), "\n\n".to_owned()]).collect()
}

/// A model list with one model of this name.
pub(crate) fn models(name: &str) -> Vec<u8> {
    http("200 OK", "application/json", &serde_json::json!({"object": "list", "data": [{"id": name}]}).to_string())
}

/// A stream of one token with this finish reason.
pub(crate) fn stream(text: &str, reason: &str) -> Vec<u8> {
    let first = serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    let last = serde_json::json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]});
    http("200 OK", "text/event-stream", &format!("data: {first}\n\ndata: {last}\n\ndata: [DONE]\n\n"))
}

/// Characters that a terminal obeys, of every kind: CSI, OSC, C1, DEL, backspace, direction, separators, tags.
pub(crate) const HOSTILE: &str = "\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J\u{9d}x\u{7f}\u{8}\u{202e}cba\
    \u{2066}\u{2028}\u{feff}\u{e0041}\r\nPASS forged\n\tverdict: PASS";

/// Panics if a terminal would obey any part of `bytes`, or if it contains a forged line.
pub(crate) fn assert_tame(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|_| panic!("{what}: not UTF-8"));
    let raw = text.chars().find(|character| *character != '\n' && tonnage::units::is_hidden(*character));
    assert_eq!(raw, None, "{what}: {text:?}");
    for line in text.lines() {
        assert!(!line.trim_start().starts_with("PASS forged"), "{what}: a forged line: {text}");
    }
}
