//! Owns the table of hostile responses: families and their parameters, each with the required outcome of a request.

mod breaks;
mod floods;
mod foreign;
mod framing;
mod models;
mod sizes;
mod statuses;
mod texts;

use super::server::Step::{self, Request, Write};

/// The required outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The request completes: the response is unusual but contains everything needed.
    Completes,
    /// The request fails.
    Fails,
    /// Either outcome: a parser may be strict or lenient here. The request must end and be counted.
    Either,
}

/// One kind of hostile server.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) family: &'static str,
    pub(crate) name: String,
    pub(crate) script: Vec<Step>,
    pub(crate) fate: Fate,
    /// Whether the client uses TLS.
    pub(crate) secure: bool,
    /// Whether requests for the models follow the script too.
    pub(crate) at_models: bool,
}

/// Text that acts on terminals in every known way: titles, colours, C1, bells, direction marks, forged lines.
pub(crate) const NASTY: &str =
    "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[31m\u{9b}31m\u{90}\u{202e}evil\u{8}\u{7f}\u{0}\r\nerror: forged\u{85}\u{2028}x";

const TOKEN: &str = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
const FINISH: &str = r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#;

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn head(more: &str) -> Vec<u8> {
    // One response per connection: a request that hits the close of a reused connection would fail for another reason
    // than the tested one.
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n{more}\r\n").into_bytes()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    [head("transfer-encoding: chunked\r\n"), chunk(body), b"0\r\n\r\n".to_vec()].concat()
}

fn stream() -> String {
    event(TOKEN).repeat(3) + &event(FINISH) + &event("[DONE]")
}

/// A valid response.
pub(crate) fn good() -> Vec<u8> {
    chunked(stream().as_bytes())
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An HTTP response with this status line, content type and body.
fn status(line: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {line}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body]
        .concat()
}

struct Table(Vec<Case>);

impl Table {
    fn add(&mut self, family: &'static str, name: impl Into<String>, fate: Fate, script: Vec<Step>) -> &mut Case {
        let script = if matches!(script.first(), Some(Request)) { script } else { [vec![Request], script].concat() };
        self.0.push(Case { family, name: name.into(), script, fate, secure: false, at_models: false });
        self.0.last_mut().expect("just added")
    }

    fn answer(&mut self, family: &'static str, name: impl Into<String>, fate: Fate, bytes: Vec<u8>) {
        self.add(family, name, fate, vec![Write(bytes)]);
    }

    /// A case whose script acts before it reads any request.
    fn at_once(&mut self, family: &'static str, name: impl Into<String>, secure: bool, script: Vec<Step>) {
        self.0.push(Case { family, name: name.into(), script, fate: Fate::Fails, secure, at_models: false });
    }
}

/// All cases.
pub(crate) fn table() -> Vec<Case> {
    let mut table = Table(Vec::new());
    floods::floods(&mut table);
    framing::framing(&mut table);
    breaks::breaks(&mut table);
    foreign::foreign(&mut table);
    statuses::statuses(&mut table);
    texts::texts(&mut table);
    sizes::sizes(&mut table);
    models::models(&mut table);
    table.0
}
