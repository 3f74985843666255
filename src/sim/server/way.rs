//! Owns `Way`: how the bytes of a response reach their client.

use std::cell::RefCell;
use std::io;

use h2::Reason;

use crate::client::StreamFraming;
use crate::clock::Socket;
use crate::sim::script;
use crate::sim::server::shared::Scratch;
use crate::sim::server::stream::Stream;
use crate::sim::server::wire::{Page, append_chunk, response, stream_head, write_all};

/// Buffers of at most twice about this size, in bytes, are kept between writes.
pub(super) const MOST_WRITE_BYTES: usize = 64 << 10;

/// Whether the connection may be used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Next,
    /// FIN, once all bytes are out.
    Close,
    /// RST.
    Reset,
}

/// The way to the client of one request.
#[derive(Debug)]
pub(super) enum Way<'a> {
    /// A connection of HTTP/1.1, which the request has alone.
    Line(Line<'a>),
    /// A stream of HTTP/2.
    Stream(Stream),
}

/// A connection of HTTP/1.1.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) socket: &'a Socket,
    /// Whether the connection stays open after the response.
    pub(super) keep_alive: bool,
    /// Whether the request was HEAD: its response ends with the head.
    pub(super) bodiless: bool,
}

impl Way<'_> {
    /// Sends a whole response.
    pub(super) async fn respond(&self, page: Page<'_>) -> io::Result<()> {
        match self {
            Self::Line(line) => {
                let whole = response(page, line.keep_alive);
                let length = if line.bodiless { whole.len() - page.body.len() } else { whole.len() };
                write_all(line.socket, &whole[..length]).await
            }
            Self::Stream(stream) => stream.respond(page).await,
        }
    }

    /// Sends a response whose body ends after its first half.
    pub(super) async fn respond_partly(&self, page: Page<'_>) -> io::Result<()> {
        match self {
            Self::Line(line) => {
                let whole = response(page, true);
                write_all(line.socket, &whole[..whole.len() - page.body.len() / 2 - 1]).await
            }
            Self::Stream(stream) => stream.respond_partly(page).await,
        }
    }

    /// Sends the head of a streamed response.
    pub(super) async fn begin(&self, framing: StreamFraming) -> io::Result<()> {
        match self {
            Self::Line(line) => write_all(line.socket, stream_head(framing)).await,
            Self::Stream(stream) => stream.begin_stream(framing),
        }
    }

    /// Sends the events in `scratch`, after the head of the response if `head` is given. `last` ends the response.
    /// Returns the bytes that must still go through [`Way::push_rest`].
    pub(super) fn push(
        &self,
        scratch: &mut Scratch,
        head: Option<StreamFraming>,
        last: bool,
    ) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Line(line) => scratch.write(line.socket, head.map_or(b"", stream_head), last),
            Self::Stream(stream) => {
                head.map_or(Ok(()), |framing| stream.begin_stream(framing))?;
                Ok(Some(scratch.events.clone()))
            }
        }
    }

    /// Sends what [`Way::push`] has left.
    pub(super) async fn push_rest(&self, rest: Vec<u8>, last: bool) -> io::Result<()> {
        match self {
            Self::Line(line) => write_all(line.socket, &rest).await,
            Self::Stream(stream) => stream.push(rest, last).await,
        }
    }

    /// Sends each odd piece of `events` in its own write, and yields so that the client can read the piece alone.
    pub(super) async fn push_oddly(&self, events: &[u8], last: bool) -> io::Result<()> {
        for piece in script::odd_pieces(events) {
            match self {
                Self::Line(line) => {
                    let mut out = Vec::with_capacity(piece.len() + 8);
                    append_chunk(&mut out, piece);
                    write_all(line.socket, &out).await?;
                }
                Self::Stream(stream) => stream.push(piece.to_vec(), false).await?,
            }
            tokio::task::yield_now().await;
        }
        match self {
            Self::Line(line) if last => write_all(line.socket, b"0\r\n\r\n").await,
            Self::Stream(stream) if last => stream.push(Vec::new(), true).await,
            Self::Line(_) | Self::Stream(_) => Ok(()),
        }
    }

    /// Sends bytes that are not HTTP. A stream is reset instead: its connection also carries others.
    pub(super) async fn break_protocol(&self) -> io::Result<()> {
        match self {
            Self::Line(line) => write_all(line.socket, b"\x16\x03\x01 this is not HTTP \xff\xfe\r\n\r\n").await,
            Self::Stream(stream) => {
                stream.reset(Reason::PROTOCOL_ERROR);
                Ok(())
            }
        }
    }

    /// Discards what the client sends until it closes.
    pub(super) async fn client_gone(&self, scratch: &RefCell<Scratch>) -> io::Result<()> {
        match self {
            Self::Line(line) => discard(line.socket, scratch).await,
            Self::Stream(stream) => {
                stream.client_left().await;
                Ok(())
            }
        }
    }

    /// Ready when the client has closed; never ready once the client has sent more bytes.
    pub(super) async fn client_left(&self) {
        match self {
            // An error is an end, too.
            Self::Line(line) => _ = line.socket.closed_by_peer().await,
            Self::Stream(stream) => stream.client_left().await,
        }
    }
}

/// Discards what the peer sends until it closes.
pub(super) async fn discard(socket: &Socket, scratch: &RefCell<Scratch>) -> io::Result<()> {
    loop {
        socket.readable().await?;
        match socket.try_read(&mut scratch.borrow_mut().read) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

impl Scratch {
    /// Writes `head`, and `events` as one HTTP chunk; returns the bytes that the socket did not accept.
    fn write(&mut self, socket: &Socket, head: &[u8], last: bool) -> io::Result<Option<Vec<u8>>> {
        self.out.clear();
        self.out.extend_from_slice(head);
        append_chunk(&mut self.out, &self.events);
        if last {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        let rest = match socket.try_write(&self.out) {
            Ok(length) if length == self.out.len() => None,
            Ok(length) => Some(self.out[length..].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(self.out.clone()),
            Err(error) => return Err(error),
        };
        // A large burst is rare; its buffer is not kept.
        self.out.shrink_to(MOST_WRITE_BYTES * 2);
        Ok(rest)
    }
}
