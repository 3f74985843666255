//! Owns one connection of HTTP/1.1: reads requests, and hands each to the code that answers it.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::clock::Socket;
use crate::sim::server::answering::{Asking, answer};
use crate::sim::server::chunks::Chunks;
use crate::sim::server::request::{BadHead, Body, Head, parse_head};
use crate::sim::server::shared::Shared;
use crate::sim::server::streams::{self, PREFACE};
use crate::sim::server::way::{After, Line, Way, discard};
use crate::sim::server::wire::{Page, error_body, write_all};
use crate::units::Offset;

/// An idle connection keeps a read buffer of at most this size.
const MOST_IDLE_BYTES: usize = 8 << 10;

/// A request that has come whole.
struct Whole {
    head: Head,
    /// Its bytes in the buffer, head and body.
    length: usize,
    /// Its body, if it came in chunks.
    chunked: Option<Vec<u8>>,
}

/// What a connection has brought.
enum Came {
    Request(Whole),
    /// The beginning of HTTP/2.
    Preface,
    /// The client closed, was refused, or was silent for too long.
    Nothing,
}

/// Serves a connection until one side closes it.
pub(super) async fn serve(shared: &Rc<Shared>, socket: Socket) {
    // An error here means that the client left. The truth log records this; no other part needs it.
    let _ = requests(shared, socket).await;
}

async fn requests(shared: &Rc<Shared>, owned: Socket) -> io::Result<()> {
    let accepted = shared.clock.now();
    let socket = &owned;
    shared.receiver.prepare(socket);
    let mut received = accepted;
    let mut buffer = Vec::new();
    loop {
        let Whole { head, length, chunked } = match read_request(shared, socket, &mut buffer, &mut received).await? {
            Came::Request(whole) => whole,
            Came::Preface => return streams::serve(shared, owned, buffer, accepted).await,
            Came::Nothing => return Ok(()),
        };
        let body = chunked.as_deref().unwrap_or_else(|| &buffer[head.length..length]);
        let way = Way::Line(Line { socket, keep_alive: head.keep_alive, bodiless: head.bodiless });
        let asking = Asking { accepted, received, head: &head, body };
        match answer(shared, &way, asking).await? {
            After::Next if head.keep_alive => {}
            After::Next | After::Close => return close(shared, socket).await,
            After::Reset => return socket.reset_when_dropped(),
        }
        buffer.drain(..length);
        if buffer.is_empty() && buffer.capacity() > MOST_IDLE_BYTES {
            buffer = Vec::new();
        }
    }
}

/// Reads until `buffer` begins with one whole request, or with HTTP/2.
/// `received` becomes the instant at which the kernel received the last bytes.
async fn read_request(
    shared: &Shared,
    socket: &Socket,
    buffer: &mut Vec<u8>,
    received: &mut Offset,
) -> io::Result<Came> {
    let mut head: Option<Head> = None;
    let mut chunks = Chunks::default();
    loop {
        if head.is_none() && buffer.starts_with(PREFACE) {
            return Ok(Came::Preface);
        }
        match progress(buffer, &mut head, &mut chunks) {
            Ok(Some((length, chunked))) => {
                return Ok(head.map_or(Came::Nothing, |head| Came::Request(Whole { head, length, chunked })));
            }
            Ok(None) => {}
            Err(bad) => {
                refuse(shared, socket, bad).await?;
                return Ok(Came::Nothing);
            }
        }
        if let Some(found) = &mut head {
            if std::mem::take(&mut found.wants_continue) {
                write_all(socket, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            if let Body::Bytes(length) = found.body {
                buffer.reserve((found.length + length).saturating_sub(buffer.len()).min(1 << 20));
            }
        }
        let read = shared.receiver.try_read(socket, &mut shared.scratch.borrow_mut().read);
        match read {
            Ok((0, _)) => return Ok(Came::Nothing),
            Ok((length, age)) => {
                *received = shared.clock.now().minus(age.unwrap_or_default());
                buffer.extend_from_slice(&shared.scratch.borrow().read[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match tokio::time::timeout(shared.keep_alive, socket.readable()).await {
                    Ok(ready) => ready?,
                    Err(_) => return Ok(Came::Nothing),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// The bytes of a request, head and body, and its body if it came in chunks.
type Extent = (usize, Option<Vec<u8>>);

/// The request at the front of `buffer`; `None` while it is not whole.
fn progress(buffer: &[u8], head: &mut Option<Head>, chunks: &mut Chunks) -> Result<Option<Extent>, BadHead> {
    if head.is_none() && !buffer.is_empty() && !PREFACE.starts_with(buffer) {
        *head = parse_head(buffer)?;
    }
    let Some(head) = head else { return Ok(None) };
    match head.body {
        Body::Bytes(length) => {
            let end = head.length + length;
            Ok((buffer.len() >= end).then_some((end, None)))
        }
        Body::Chunks => {
            let whole = chunks.take(&buffer[head.length..])?;
            Ok(whole.then(|| (head.length + chunks.used, Some(std::mem::take(&mut chunks.body)))))
        }
    }
}

async fn refuse(shared: &Shared, socket: &Socket, bad: BadHead) -> io::Result<()> {
    let way = Way::Line(Line { socket, keep_alive: false, bodiless: false });
    way.respond(Page::json(bad.0, &error_body(bad.0, "BadRequestError", bad.1))).await?;
    close(shared, socket).await
}

/// Sends FIN, then waits for the client's FIN for at most a second. Closing with unread bytes would send RST and
/// destroy data on its way to the client.
async fn close(shared: &Shared, socket: &Socket) -> io::Result<()> {
    socket.end_writing()?;
    tokio::time::timeout(Duration::from_secs(1), discard(socket, &shared.scratch)).await.unwrap_or(Ok(()))
}
