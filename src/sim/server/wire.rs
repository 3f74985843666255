//! Owns the bytes of HTTP responses, and writing them.

use std::io;

use crate::client::StreamFraming;
use crate::clock::Socket;

/// A page: the content type and the bytes of a response that is not streamed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: &'a [u8],
}

impl<'a> Page<'a> {
    /// A page of JSON.
    pub(super) fn json(status: u16, body: &'a [u8]) -> Self {
        Self { status, content_type: "application/json", body }
    }
}

/// The header `server`.
pub(super) const SERVER_NAME: &str = "tonnage-sim";

/// The content type of a streamed response.
pub(super) const fn stream_type(framing: StreamFraming) -> &'static str {
    match framing {
        StreamFraming::Events => "text/event-stream; charset=utf-8",
        StreamFraming::Lines => "application/x-ndjson",
    }
}

/// The head of a streamed response.
pub(super) const fn stream_head(framing: StreamFraming) -> &'static [u8] {
    match framing {
        StreamFraming::Events => {
            b"HTTP/1.1 200 OK\r\nserver: tonnage-sim\r\ncontent-type: text/event-stream; \
              charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        }
        StreamFraming::Lines => {
            b"HTTP/1.1 200 OK\r\nserver: tonnage-sim\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: \
              chunked\r\n\r\n"
        }
    }
}

/// Appends `bytes` as one HTTP chunk. Appends nothing for no bytes, because an empty chunk would end the body.
pub(super) fn append_chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    use std::io::Write;
    if !bytes.is_empty() {
        // Writing to memory cannot fail.
        let _ = write!(out, "{:x}\r\n", bytes.len());
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
}

/// An error body in vLLM's format.
pub(super) fn error_body(status: u16, kind: &str, why: &str) -> Vec<u8> {
    let why = serde_json::to_string(why).unwrap_or_default();
    format!(r#"{{"error":{{"message":{why},"type":"{kind}","param":null,"code":{status}}}}}"#).into_bytes()
}

/// The content type of Prometheus text.
pub(super) const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A whole response.
pub(super) fn response(page: Page<'_>, keep_alive: bool) -> Vec<u8> {
    let Page { status, content_type, body } = page;
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    };
    let retry = if matches!(status, 429 | 503) { "retry-after: 1\r\n" } else { "" };
    let close = if keep_alive { "" } else { "connection: close\r\n" };
    let mut out = format!(
        "HTTP/1.1 {status} {reason}\r\nserver: tonnage-sim\r\ncontent-type: {content_type}\r\ncontent-length: \
         {}\r\n{retry}{close}\r\n",
        body.len()
    )
    .into_bytes();
    out.extend_from_slice(body);
    out
}

pub(super) async fn write_all(socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.try_write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
