//! Owns one open connection: hyper on a socket that stamps its bytes, driven by the task that uses the connection.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::rt::ReadBufCursor;
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Departure;
use super::stamped::{Layers, Stamps};
use super::tls::{tls_error, tls_words};
use super::turn::wake_later;
use super::words;
use crate::clock::RunClock;
use crate::record::{Failure, FailureClass};
use crate::units::Offset;

/// Bytes of the largest response head, and of the buffer between two reads. A small limit keeps the memory of ten
/// thousand open streams small.
const MOST_BUFFERED_BYTES: usize = 64 << 10;

/// One read buffer for all connections of a worker. Each read is copied out before other code runs, so no connection
/// needs its own buffer.
pub(super) type Scratch = Rc<RefCell<Box<[u8]>>>;

/// A [`Scratch`] of the right size.
pub(super) fn scratch() -> Scratch {
    Rc::new(RefCell::new(vec![0; MOST_BUFFERED_BYTES].into_boxed_slice()))
}

/// Added to two round trips, for the scheduling of both sides: a connection that ends within this time after a write
/// was being closed before the write.
const CLOSE_MARGIN: Duration = Duration::from_millis(1);

/// Bytes of a response's head that are kept, to report its status if the head is not valid HTTP.
const MOST_HEAD_BYTES: usize = 1 << 10;

/// What hyper reads and writes. Bytes are stamped below TLS, so that decryption never counts as the server's time.
struct Line {
    socket: Layers,
    scratch: Scratch,
    head: Head,
}

/// The first bytes of a response, decrypted; at most [`MOST_HEAD_BYTES`].
type Head = Rc<RefCell<Vec<u8>>>;

impl hyper::rt::Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut scratch = this.scratch.borrow_mut();
        let room = cursor.remaining().min(scratch.len());
        let mut buffer = ReadBuf::new(&mut scratch[..room]);
        ready!(Pin::new(&mut this.socket).poll_read(cx, &mut buffer))?;
        let mut head = this.head.borrow_mut();
        let room = MOST_HEAD_BYTES - head.len();
        head.extend_from_slice(&buffer.filled()[..buffer.filled().len().min(room)]);
        cursor.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Line {
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

/// An open connection. Nothing happens on it unless one of its methods is awaited: it has no task of its own, so no
/// wake-up between tasks is needed.
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once hyper has finished with the connection.
    connection: Option<Box<Connection<Line, Full<Bytes>>>>,
    stamps: Rc<Stamps>,
    head: Head,
    is_secure: bool,
    /// Requests sent on this connection so far.
    uses: u32,
    /// How long TCP took to open it: about one round trip.
    round_trip: Duration,
}

impl Wire {
    /// Begins HTTP/1.1 on `socket`, which took `round_trip` to open.
    pub(super) async fn over(
        socket: Layers,
        stamps: Rc<Stamps>,
        scratch: Scratch,
        round_trip: Duration,
    ) -> Result<Self, Failure> {
        let is_secure = socket.is_secure();
        let head = Head::default();
        let line = Line { socket, scratch, head: head.clone() };
        let begun = Builder::new().max_buf_size(MOST_BUFFERED_BYTES).handshake(line).await;
        let (sender, connection) = begun.map_err(|error| Failure::new(FailureClass::Connect, error.to_string()))?;
        Ok(Self { sender, connection: Some(Box::new(connection)), stamps, head, is_secure, uses: 0, round_trip })
    }

    /// Whether the server closed this connection before it read the request that has just failed (RFC 9112, section
    /// 9.3.1): an earlier request used it, no byte of a response came, and it ended sooner after the write than an
    /// answer could come. The close was then under way when the request was written.
    pub(super) fn closed_before_reading(&self, failure: &Failure, clock: RunClock) -> bool {
        let soonest = self.round_trip * 2 + CLOSE_MARGIN;
        self.is_reused()
            && failure.class == FailureClass::Reset
            && self.head.borrow().is_empty()
            && self.stamps.written.get().is_some_and(|written| clock.now().since(written) <= soonest)
    }

    /// Whether an earlier request used this connection.
    pub(super) fn is_reused(&self) -> bool {
        self.uses > 1
    }

    /// When the bytes last read from the socket arrived; the present instant if none were read.
    pub(super) fn last_arrival(&self, clock: RunClock) -> Offset {
        self.stamps.read.get().unwrap_or_else(|| clock.now())
    }

    /// How much later than their arrival the bytes were last read; `None` without a stamp of the kernel.
    pub(super) fn wake_lag(&self) -> Option<Duration> {
        self.stamps.lag.get()
    }

    /// Moves bytes as far as the socket allows.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection {
            // An error reaches the task that waits for the response or its body.
            if Pin::new(connection).poll(cx).is_ready() {
                self.connection = None;
            }
        }
    }

    /// Whether it can take a request now: no exchange is in progress, and the server has not closed it.
    pub(super) async fn is_idle(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.looks_idle(cx))).await
    }

    /// Like [`Wire::is_idle`], but registers no wake-up for a change.
    pub(super) fn is_idle_now(&mut self) -> bool {
        self.looks_idle(&mut Context::from_waker(Waker::noop()))
    }

    fn looks_idle(&mut self, cx: &mut Context<'_>) -> bool {
        self.stamps.turn.begin();
        self.drive(cx);
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Sends `request`, not before its departure, and reads the head of its response. `written` is set as soon as the
    /// first byte has been written.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        clock: RunClock,
        departure: &Departure,
        written: &mut Option<Offset>,
    ) -> Result<Response<Incoming>, Failure> {
        self.stamps.clock.set(Some(clock));
        self.stamps.written.set(None);
        self.stamps.read.set(None);
        self.stamps.lag.set(None);
        self.stamps.begin_start();
        self.head.borrow_mut().clear();
        self.uses += 1;
        let mut response = pin!(self.sender.send_request(request));
        self.stamps.held.set(departure.sent().is_none());
        let answered = poll_fn(|cx| {
            self.stamps.turn.begin();
            loop {
                self.drive(cx);
                *written = self.stamps.written.get();
                match response.as_mut().poll(cx) {
                    Poll::Pending if self.connection.is_none() => return Poll::Ready(None),
                    // The connection was polled just before: if the server has closed it meanwhile, no byte is
                    // written.
                    Poll::Pending if self.stamps.held.get() && departure.sent().is_some() => {
                        self.stamps.held.set(false);
                    }
                    polled => return polled.map(Some),
                }
            }
        })
        .await;
        match answered {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(self.explain(&error, "before the answer")),
            None => Err(Failure::new(FailureClass::Reset, "the connection ended before the answer")),
        }
    }

    /// The status of a response whose head begins like HTTP but is not valid, with a message if the status is not 2xx.
    pub(super) fn status_of_head(&self) -> Option<(StatusCode, Option<Failure>)> {
        words::of_head(&self.head.borrow())
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) async fn piece(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
        let mut woken = false;
        poll_fn(|cx| {
            // A new call continues the current turn, so that the pieces at hand use it up. Only a wake-up begins a new
            // turn.
            if std::mem::replace(&mut woken, true) {
                self.stamps.turn.begin();
            }
            self.poll_piece(cx, body)
        })
        .await
    }

    /// Like [`Wire::piece`], but never waits: the outer `None` means that nothing has come yet.
    pub(super) async fn piece_at_hand(&mut self, body: &mut Incoming) -> Option<Result<Option<Bytes>, Failure>> {
        poll_fn(|cx| match self.poll_piece(cx, body) {
            Poll::Ready(piece) => Poll::Ready(Some(piece)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>, body: &mut Incoming) -> Poll<Result<Option<Bytes>, Failure>> {
        let mut driven = false;
        if !self.stamps.turn.take_piece() {
            wake_later(cx);
            return Poll::Pending;
        }
        loop {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => return Poll::Ready(Ok(Some(bytes))),
                    // Trailers hold nothing that we use.
                    Err(_) => driven = false,
                },
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(self.explain(&error, "in the middle of the answer")));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Pending if driven && self.connection.is_some() => return Poll::Pending,
                Poll::Pending if driven => {
                    return Poll::Ready(Err(Failure::new(
                        FailureClass::Reset,
                        "the connection ended in the middle of the answer",
                    )));
                }
                Poll::Pending => {
                    self.drive(cx);
                    driven = true;
                }
            }
        }
    }

    /// What a hyper error means for the request: a TLS error, bytes that are not HTTP, or a broken connection.
    fn explain(&self, error: &hyper::Error, when: &str) -> Failure {
        if let Some(tls) = tls_error(error) {
            return Failure::new(FailureClass::Tls, format!("TLS broke {when}: {}", tls_words(tls)));
        }
        let mut cause: &(dyn std::error::Error + 'static) = error;
        let mut kind = None;
        loop {
            kind = cause.downcast_ref::<io::Error>().map(io::Error::kind).or(kind);
            match cause.source() {
                Some(deeper) => cause = deeper,
                None => break,
            }
        }
        if error.is_parse() || matches!(kind, Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)) {
            let start = self.stamps.start();
            let foreign = words::of_foreign(&start).filter(|_| !self.is_secure && !start.starts_with(b"HTTP/"));
            let (error, cause) = (error.to_string(), cause.to_string());
            let why = if error.contains(&cause) { error } else { format!("{error}: {cause}") };
            let text = foreign.map_or_else(|| format!("not HTTP: {why}"), |said| format!("not HTTP: {said}"));
            return Failure::new(FailureClass::Malformed, text);
        }
        let reused = if self.is_reused() { " (a connection kept alive from an earlier request)" } else { "" };
        Failure::new(FailureClass::Reset, format!("the connection broke {when}{reused}: {cause}"))
    }
}
