//! Owns the bytes of the controls: a prebuilt request, and finding the end of a response and its first token.

use std::io;
use std::net::{SocketAddr, TcpStream};

use memchr::memmem;

/// Digits of a request's number.
const DIGITS: usize = 10;

/// One request as bytes; only its number changes.
#[derive(Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    number_at: usize,
}

impl Template {
    /// A chat request of about `input_tokens` words for `output_tokens` tokens; its `x-request-id` is `raw-` and ten
    /// digits.
    pub(crate) fn chat(server: SocketAddr, input_tokens: usize, output_tokens: u32, streamed: bool) -> Self {
        let prompt = "sample ".repeat(input_tokens);
        let tail =
            if streamed { r#""stream":true,"stream_options":{"include_usage":true}"# } else { r#""stream":false"# };
        let body = format!(
            r#"{{"model":"tonnage-sim","messages":[{{"role":"user","content":"{prompt}"}}],"max_tokens":{output_tokens},"ignore_eos":true,{tail}}}"#
        );
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\n\
             x-request-id: raw-"
        );
        let number_at = head.len();
        let length = body.len();
        let bytes = format!("{head}{:0DIGITS$}\r\ncontent-length: {length}\r\n\r\n{body}", 0).into_bytes();
        Self { bytes, number_at }
    }

    /// The bytes of request `number`.
    pub(crate) fn numbered(&mut self, number: u64) -> &[u8] {
        let mut rest = number;
        for digit in self.bytes[self.number_at..self.number_at + DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        &self.bytes
    }
}

/// The `x-request-id` of request `number`.
pub(crate) fn request_id(number: u64) -> String {
    format!("raw-{number:0DIGITS$}")
}

/// A connection as the tool opens it: with `TCP_NODELAY`.
pub(crate) fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The position of a connection inside one response. It looks for the end only and parses no event.
#[derive(Default)]
pub(crate) struct Response {
    begun: bool,
    /// Remaining body bytes if the length is known; otherwise the body is chunked.
    left: Option<usize>,
    /// The last bytes seen.
    tail: [u8; END.len()],
}

/// The end of a chunked body.
const END: &[u8; 7] = b"\r\n0\r\n\r\n";

impl Response {
    /// Takes the next bytes; returns true when they end the response. A connection carries one request at a time, so
    /// nothing follows.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<bool, String> {
        let mut body = bytes.len();
        if !self.begun {
            self.begun = true;
            if !bytes.starts_with(b"HTTP/1.1 200") {
                return Err(format!("answer is no 200: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)])));
            }
            let head_end = memmem::find(bytes, b"\r\n\r\n").ok_or("a response head came in pieces")? + 4;
            body = bytes.len() - head_end;
            let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
            self.left = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        }
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(body).ok_or("more bytes than the length said")?;
            return Ok(*left == 0);
        }
        if bytes.len() >= END.len() {
            self.tail.copy_from_slice(&bytes[bytes.len() - END.len()..]);
        } else {
            self.tail.rotate_left(bytes.len());
            self.tail[END.len() - bytes.len()..].copy_from_slice(bytes);
        }
        Ok(&self.tail == END)
    }
}

/// Whether these bytes contain a delta with content.
pub(crate) fn holds_token(finder: &memmem::Finder<'_>, bytes: &[u8]) -> bool {
    finder.find_iter(bytes).any(|at| bytes.get(at + CONTENT.len()).is_some_and(|byte| *byte != b'"'))
}

/// The bytes before the text of a delta.
pub(crate) const CONTENT: &[u8] = br#""content":""#;
