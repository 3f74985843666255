//! Owns `SharedLine`: an open connection of HTTP/2, whose streams many requests use at the same time.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Frames;
use super::stamped::{Layers, Stamps};
use super::tls::{tls_error, tls_words};
use super::traffic::Traffic;
use crate::clock::RunClock;
use crate::record::{Failure, FailureClass};
use crate::units::Offset;

/// Bytes of a response that may be on their way without having been read. A response that nobody reads holds up to this
/// much memory.
const WINDOW_BYTES: u32 = 1 << 20;
/// The same for all responses of a connection together, so that one slow reader does not hold up the others.
const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;
/// The largest head of a response, as over HTTP/1.1.
const MOST_HEAD_BYTES: u32 = 64 << 10;

/// What `h2` reads and writes: the layers below, whose bytes are followed as they pass.
#[derive(Debug)]
struct Followed {
    layers: Layers,
    stamps: Rc<Stamps>,
    frames: Rc<Frames>,
    clock: RunClock,
}

impl AsyncRead for Followed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.layers).poll_read(cx, buffer))?;
        let at = self.stamps.read.get().unwrap_or_else(|| self.clock.now());
        self.frames.note_read(&buffer.filled()[before..], (at, self.stamps.lag.get()));
        Poll::Ready(Ok(()))
    }
}

impl Followed {
    /// Runs one write. The socket stamps the instant just before it; TLS may keep the bytes for the next one.
    fn stamp_write(
        &mut self,
        write: impl FnOnce(Pin<&mut Layers>) -> Poll<io::Result<usize>>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let before = self.clock.now();
        self.stamps.written.set(None);
        let written = ready!(write(Pin::new(&mut self.layers)))?;
        let at = self.stamps.written.get().unwrap_or(before);
        let mut left = written;
        for slice in slices {
            let taken = left.min(slice.len());
            self.frames.note_written(&slice[..taken], at);
            left -= taken;
        }
        Poll::Ready(Ok(written))
    }
}

impl AsyncWrite for Followed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stamp_write(|layers| layers.poll_write(cx, bytes), &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stamp_write(|layers| layers.poll_write_vectored(cx, slices), slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.layers).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.layers).poll_shutdown(cx)
    }
}

/// The moving part of a connection.
struct Core {
    /// `None` once the connection has ended.
    connection: RefCell<Option<Connection<Followed, Bytes>>>,
    /// The waker of the task that drives the connection; a poll by another task uses it, too.
    driver: RefCell<Option<Waker>>,
    stamps: Rc<Stamps>,
}

impl Core {
    /// Moves bytes as far as the socket allows; ready once the connection has ended.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut connection = self.connection.borrow_mut();
        let Some(open) = connection.as_mut() else { return Poll::Ready(()) };
        self.stamps.turn.begin();
        // An error reaches the requests that it concerns.
        let ended = Pin::new(open).poll(cx).is_ready();
        if ended {
            *connection = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// An open connection of HTTP/2. A task of its own moves its bytes, because they belong to many requests.
pub(super) struct SharedLine {
    send: SendRequest<Bytes>,
    core: Rc<Core>,
    frames: Rc<Frames>,
    /// The clock of the stamps; requests convert them to their own.
    clock: RunClock,
    /// Streams in use.
    active: Cell<usize>,
    /// Streams used so far.
    uses: Cell<usize>,
    /// Since when no stream is in use.
    idle_since: Cell<Offset>,
    traffic: Arc<Traffic>,
}

impl SharedLine {
    /// Begins HTTP/2 on `layers`, and waits for the server's settings, which hold its stream limit.
    pub(super) async fn over(
        layers: Layers,
        stamps: Rc<Stamps>,
        clock: RunClock,
        traffic: Arc<Traffic>,
    ) -> Result<Rc<Self>, Failure> {
        let frames = Rc::new(Frames::default());
        stamps.clock.set(Some(clock));
        stamps.turn.begin();
        let followed = Followed { layers, stamps: stamps.clone(), frames: frames.clone(), clock };
        let (send, connection) = Builder::new()
            .enable_push(false)
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(MOST_HEAD_BYTES)
            // What is not read yet is bounded by the windows; an event may be much smaller than its overhead.
            .data_frame_budget(CONNECTION_WINDOW_BYTES as usize)
            .handshake(followed)
            .await
            .map_err(|error| unspoken(&error, &stamps))?;
        let core = Rc::new(Core { connection: RefCell::new(Some(connection)), driver: RefCell::default(), stamps });
        poll_fn(|cx| {
            let mut connection = core.connection.borrow_mut();
            core.stamps.turn.begin();
            match connection.as_mut().map(|open| Pin::new(open).poll(cx)) {
                Some(Poll::Pending) if frames.are_settled() => Poll::Ready(Ok(())),
                Some(Poll::Pending) => Poll::Pending,
                Some(Poll::Ready(Err(error))) => Poll::Ready(Err(unspoken(&error, &core.stamps))),
                Some(Poll::Ready(Ok(()))) | None => {
                    let text = "the server ended the connection before it said its settings (HTTP/2)";
                    Poll::Ready(Err(Failure::new(FailureClass::Connect, text)))
                }
            }
        })
        .await?;
        if send.current_max_send_streams() == 0 {
            let text = "the server allows no stream at all (SETTINGS_MAX_CONCURRENT_STREAMS is 0)";
            return Err(Failure::new(FailureClass::Connect, text));
        }
        let driven = core.clone();
        tokio::task::spawn_local(poll_fn(move |cx| {
            driven.driver.replace(Some(cx.waker().clone()));
            driven.poll(cx)
        }));
        traffic.note_connection(send.current_max_send_streams());
        let (active, uses, idle_since) = (Cell::new(0), Cell::new(0), Cell::new(clock.now()));
        Ok(Rc::new(Self { send, core, frames, clock, active, uses, idle_since, traffic }))
    }

    /// A handle that begins one stream.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.send.clone()
    }

    pub(super) fn frames(&self) -> &Frames {
        &self.frames
    }

    /// An instant of the stamps, by `clock`.
    pub(super) fn by(&self, clock: RunClock, at: Offset) -> Offset {
        clock.instant_of(&self.clock, at)
    }

    /// Moves bytes now, on behalf of the task that drives the connection.
    pub(super) fn drive(&self) {
        if let Some(waker) = self.core.driver.borrow().clone() {
            _ = self.core.poll(&mut Context::from_waker(&waker));
        }
    }

    /// Whether new streams can begin on it.
    pub(super) fn is_open(&self) -> bool {
        self.core.connection.borrow().is_some() && !self.frames.are_ending()
    }

    /// The server's stream limit (`SETTINGS_MAX_CONCURRENT_STREAMS`).
    pub(super) fn limit(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// Streams that can begin now.
    pub(super) fn room(&self) -> usize {
        if self.is_open() { self.limit().saturating_sub(self.active.get()) } else { 0 }
    }

    pub(super) fn active(&self) -> usize {
        self.active.get()
    }

    /// Whether any stream was used.
    pub(super) fn is_used(&self) -> bool {
        self.uses.get() > 0
    }

    /// Since when no stream is in use; `None` while one is.
    pub(super) fn idle_since(&self) -> Option<Offset> {
        (self.active.get() == 0).then(|| self.idle_since.get())
    }

    /// Takes room for one stream.
    pub(super) fn begin(&self) {
        self.active.set(self.active.get() + 1);
        self.uses.set(self.uses.get() + 1);
    }

    /// Notes that a request is about to be sent.
    pub(super) fn note_request(&self) {
        self.traffic.note_stream(self.active.get());
    }

    /// Gives the room of one stream back.
    pub(super) fn end(&self) {
        self.active.set(self.active.get().saturating_sub(1));
        self.idle_since.set(self.clock.now());
    }
}

/// Why HTTP/2 did not begin.
fn unspoken(error: &h2::Error, stamps: &Stamps) -> Failure {
    if stamps.start().starts_with(b"HTTP/1.") {
        let text = "the server answers HTTP/2 with HTTP/1.1; leave out the option http2";
        return Failure::new(FailureClass::Malformed, text);
    }
    explain(error, "before the server's settings")
}

/// What an error of HTTP/2 means for a request.
pub(super) fn explain(error: &h2::Error, when: &str) -> Failure {
    if let Some(tls) = tls_error(error).or_else(|| error.get_io().and_then(|io| tls_error(io))) {
        return Failure::new(FailureClass::Tls, format!("TLS broke {when}: {}", tls_words(tls)));
    }
    let reason = error.reason().map_or_else(|| "no reason".to_owned(), |reason| format!("{reason:?}"));
    let (class, text) = if error.is_io() {
        let io = error.get_io().map_or_else(|| error.to_string(), ToString::to_string);
        (FailureClass::Reset, format!("the connection broke {when} (HTTP/2): {io}"))
    } else if error.is_remote() && error.is_go_away() {
        (FailureClass::Reset, format!("the server closed the connection {when} (GOAWAY, {reason})"))
    } else if error.is_remote() && error.is_reset() {
        (FailureClass::Reset, format!("the server reset the stream {when} (RST_STREAM, {reason})"))
    } else {
        (FailureClass::Malformed, format!("not HTTP/2: {error}"))
    };
    Failure::new(class, text)
}

/// Whether `line` has been without streams for `most_idle` or longer, so that it is dropped.
pub(super) fn is_stale(line: &SharedLine, now: Offset, most_idle: Duration) -> bool {
    line.idle_since().is_some_and(|since| now.since(since) >= most_idle)
}
