//! Owns one connection of HTTP/2: accepts its streams, and answers each in a task of its own.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use hyper::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::Socket;
use crate::sim::server::answering::{Asking, answer};
use crate::sim::server::request::{Head, MOST_BODY_BYTES};
use crate::sim::server::shared::Shared;
use crate::sim::server::stream::Stream;
use crate::sim::server::way::{After, Way};
use crate::units::Offset;

/// How a client begins HTTP/2 without asking first (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a request that may be on their way without having been read.
const WINDOW_BYTES: u32 = 1 << 20;

/// How long what was written before a fault may take to leave. A reset would discard it.
const FLUSH: Duration = Duration::from_millis(1);

/// A socket some of whose bytes have been read already.
struct Resumed {
    read: Vec<u8>,
    at: usize,
    socket: Socket,
}

impl AsyncRead for Resumed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = self.read.len() - self.at;
        if left == 0 {
            return Pin::new(&mut self.socket).poll_read(cx, buffer);
        }
        let now = left.min(buffer.remaining());
        buffer.put_slice(&self.read[self.at..self.at + now]);
        self.at += now;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Resumed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Serves a connection, whose first bytes are `read`, until one side closes it.
pub(super) async fn serve(shared: &Rc<Shared>, socket: Socket, read: Vec<u8>, accepted: Offset) -> io::Result<()> {
    let mut connection = Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(shared.most_streams)
        .handshake(Resumed { read, at: 0, socket })
        .await
        .map_err(io::Error::other)?;
    let active = Rc::new(Cell::new(0_u32));
    loop {
        let next = tokio::time::timeout(shared.keep_alive, connection.accept()).await;
        match next {
            Ok(Some(asked)) => {
                let (request, respond) = asked.map_err(io::Error::other)?;
                active.set(active.get() + 1);
                let (shared_by, active) = (Rc::clone(shared), Active(Rc::clone(&active)));
                shared.spawn_stream(async move {
                    // An error here means that the client left; the truth log records this.
                    _ = stream(&shared_by, request, respond, accepted).await;
                    drop(active);
                });
            }
            Ok(None) => return Ok(()),
            Err(_) if active.get() == 0 => connection.graceful_shutdown(),
            Err(_) => {}
        }
    }
}

/// A stream in progress.
struct Active(Rc<Cell<u32>>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn stream(
    shared: &Shared,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    accepted: Offset,
) -> io::Result<()> {
    let (parts, body) = request.into_parts();
    let mut head = Head::new(parts.method.as_str(), parts.uri.path());
    for (name, value) in &parts.headers {
        head.note_header(name.as_str(), value.as_bytes());
    }
    let way = Stream::new(respond, head.bodiless);
    let Some(body) = whole(body).await? else {
        way.reset(Reason::REFUSED_STREAM);
        return Ok(());
    };
    let asking = Asking { accepted, received: shared.clock.now(), head: &head, body: &body };
    let way = Way::Stream(way);
    match answer(shared, &way, asking).await? {
        After::Next => {}
        After::Close | After::Reset => {
            tokio::time::sleep(FLUSH).await;
            let Way::Stream(way) = &way else { return Ok(()) };
            way.reset(Reason::INTERNAL_ERROR);
        }
    }
    Ok(())
}

/// The body of a request; `None` when it is too long.
async fn whole(mut body: RecvStream) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(io::Error::other)?;
        if bytes.len() + piece.len() > MOST_BODY_BYTES {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
        body.flow_control().release_capacity(piece.len()).map_err(io::Error::other)?;
    }
    Ok(Some(bytes))
}
