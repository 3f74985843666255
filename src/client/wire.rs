//! Owns one open connection: hyper on a socket that stamps its bytes, driven by the task that uses the connection.

use std::cell::{Cell, RefCell};
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
use tokio_rustls::client::TlsStream;

use super::Departure;
use super::tls::{Secure, tls_error, tls_words};
use super::turn::{Turn, wake_later};
use super::words;
use crate::clock::{Receiver, RunClock, Socket as Conn};
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

/// Bytes of a response that are kept, to say what it is if it is not HTTP.
const START_BYTES: usize = 16;

/// Bytes of a response's head that are kept, to report its status if the head is not valid HTTP.
const MOST_HEAD_BYTES: usize = 1 << 10;

/// The instants at which bytes passed. The socket, deep inside hyper, and the driver of the request share them.
#[derive(Debug, Default)]
struct Stamps {
    clock: Cell<Option<RunClock>>,
    turn: Turn,
    /// The first bytes read since the request began, before decryption.
    start: Cell<([u8; START_BYTES], u8)>,
    /// The first bytes of the response, decrypted; at most [`MOST_HEAD_BYTES`].
    head: RefCell<Vec<u8>>,
    /// The request is ready but must not be written yet.
    held: Cell<bool>,
    written: Cell<Option<Offset>>,
    /// When the bytes of the last read arrived.
    read: Cell<Option<Offset>>,
    /// How much later than their arrival they were read; `None` without a stamp of the kernel.
    lag: Cell<Option<Duration>>,
}

impl Stamps {
    fn now(&self) -> Option<Offset> {
        self.clock.get().map(|clock| clock.now())
    }

    /// Notes a read whose bytes the kernel received `age` ago. An arrival is never before the request was written or
    /// before the arrival of earlier bytes.
    fn note_arrival(&self, age: Option<Duration>) {
        let Some(now) = self.now() else { return };
        let arrived = now.minus(age.unwrap_or_default());
        let earliest = self.read.get().max(self.written.get()).unwrap_or(Offset::ZERO).min(now);
        self.read.set(Some(arrived.max(earliest)));
        self.lag.set(age);
    }

    fn keep_start(&self, bytes: &[u8]) {
        let (mut start, length) = self.start.get();
        let at = usize::from(length);
        if at < START_BYTES {
            let more = bytes.len().min(START_BYTES - at);
            start[at..at + more].copy_from_slice(&bytes[..more]);
            self.start.set((start, (at + more) as u8));
        }
    }
}

/// A socket that notes when the first byte of a request was written, and when the bytes last read arrived, before they
/// are decrypted or parsed.
#[derive(Debug)]
struct Stamped {
    socket: Conn,
    receiver: Rc<Receiver>,
    stamps: Rc<Stamps>,
}

impl AsyncRead for Stamped {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.stamps.turn.may_read() {
            wake_later(cx);
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let age = ready!(self.receiver.poll_read(&self.socket, cx, buffer))?;
        self.stamps.note_arrival(age);
        self.stamps.turn.note_read(buffer.filled().len() - before);
        self.stamps.keep_start(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl Stamped {
    fn new(socket: Conn, receiver: &Rc<Receiver>, stamps: &Rc<Stamps>) -> Self {
        receiver.prepare(&socket);
        Self { socket, receiver: receiver.clone(), stamps: stamps.clone() }
    }

    /// Runs one write. If it is the first of this request that moves bytes, keeps the instant just before it.
    fn stamp_write(
        &mut self,
        write: impl FnOnce(Pin<&mut Conn>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.stamps.held.get() {
            return Poll::Pending;
        }
        if self.stamps.written.get().is_some() {
            return write(Pin::new(&mut self.socket));
        }
        let before = self.stamps.now();
        let written = write(Pin::new(&mut self.socket));
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.stamps.written.set(before);
        }
        written
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stamp_write(|socket| socket.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stamp_write(|socket| socket.poll_write_vectored(cx, slices))
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

/// What hyper reads and writes. Bytes are stamped below TLS, so that decryption never counts as the server's time.
struct Line {
    socket: Socket,
    scratch: Scratch,
    stamps: Rc<Stamps>,
}

enum Socket {
    Plain(Stamped),
    Secure(Box<TlsStream<Stamped>>),
}

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
        ready!(match &mut this.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_read(cx, &mut buffer),
            Socket::Secure(socket) => Pin::new(socket).poll_read(cx, &mut buffer),
        })?;
        let mut head = this.stamps.head.borrow_mut();
        let room = MOST_HEAD_BYTES - head.len();
        head.extend_from_slice(&buffer.filled()[..buffer.filled().len().min(room)]);
        cursor.put_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Socket::Secure(socket) => Pin::new(socket).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Socket::Secure(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Socket::Secure(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Secure(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

/// An open connection. Nothing happens on it unless one of its methods is awaited: it has no task of its own, so no
/// wake-up between tasks is needed.
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once hyper has finished with the connection.
    connection: Option<Box<Connection<Line, Full<Bytes>>>>,
    stamps: Rc<Stamps>,
    is_secure: bool,
    /// Requests sent on this connection so far.
    uses: u32,
    /// How long TCP took to open it: about one round trip.
    round_trip: Duration,
}

impl Wire {
    /// Begins HTTP/1.1 on `socket`.
    pub(super) async fn over(socket: Conn, scratch: Scratch, receiver: &Rc<Receiver>) -> Result<Self, Failure> {
        let stamps = Rc::new(Stamps::default());
        let stamped = Stamped::new(socket, receiver, &stamps);
        let line = Line { socket: Socket::Plain(stamped), scratch, stamps: stamps.clone() };
        Self::on(line, stamps, false).await
    }

    /// Makes the TLS handshake with the server that `secure` names, then begins HTTP/1.1.
    pub(super) async fn secured(
        socket: Conn,
        scratch: Scratch,
        receiver: &Rc<Receiver>,
        secure: &Secure,
    ) -> Result<Self, Failure> {
        let stamps = Rc::new(Stamps::default());
        let stamped = Stamped::new(socket, receiver, &stamps);
        let (connector, name) = secure.connector();
        let mut agreeing = pin!(connector.connect(name, stamped));
        let agreed = poll_fn(|cx| {
            stamps.turn.begin();
            agreeing.as_mut().poll(cx)
        })
        .await;
        let stream = agreed.map_err(|error| {
            Failure::new(FailureClass::Tls, format!("the TLS handshake failed: {}", tls_words(&error)))
        })?;
        let line = Line { socket: Socket::Secure(Box::new(stream)), scratch, stamps: stamps.clone() };
        Self::on(line, stamps, true).await
    }

    async fn on(line: Line, stamps: Rc<Stamps>, is_secure: bool) -> Result<Self, Failure> {
        let begun = Builder::new().max_buf_size(MOST_BUFFERED_BYTES).handshake(line).await;
        let (sender, connection) = begun.map_err(|error| Failure::new(FailureClass::Connect, error.to_string()))?;
        Ok(Self {
            sender,
            connection: Some(Box::new(connection)),
            stamps,
            is_secure,
            uses: 0,
            round_trip: Duration::ZERO,
        })
    }

    /// The connection with the time that TCP took to open it.
    pub(super) fn opened_in(self, round_trip: Duration) -> Self {
        Self { round_trip, ..self }
    }

    /// Whether the server closed this connection before it read the request that has just failed (RFC 9112, section
    /// 9.3.1): an earlier request used it, no byte of a response came, and it ended sooner after the write than an
    /// answer could come. The close was then under way when the request was written.
    pub(super) fn closed_before_reading(&self, failure: &Failure, clock: RunClock) -> bool {
        let soonest = self.round_trip * 2 + CLOSE_MARGIN;
        self.is_reused()
            && failure.class == FailureClass::Reset
            && self.stamps.head.borrow().is_empty()
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
        self.stamps.start.set(Default::default());
        self.stamps.head.borrow_mut().clear();
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
        words::of_head(&self.stamps.head.borrow())
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
            let (start, length) = self.stamps.start.get();
            let start = &start[..usize::from(length)];
            let foreign = words::of_foreign(start).filter(|_| !self.is_secure && !start.starts_with(b"HTTP/"));
            let (error, cause) = (error.to_string(), cause.to_string());
            let why = if error.contains(&cause) { error } else { format!("{error}: {cause}") };
            let text = foreign.map_or_else(|| format!("not HTTP: {why}"), |said| format!("not HTTP: {said}"));
            return Failure::new(FailureClass::Malformed, text);
        }
        let reused = if self.is_reused() { " (a connection kept alive from an earlier request)" } else { "" };
        Failure::new(FailureClass::Reset, format!("the connection broke {when}{reused}: {cause}"))
    }
}
