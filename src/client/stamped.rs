//! Owns `Layers`: a socket that stamps its bytes, below TLS where the target is secure.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::tls::{Secure, tls_words};
use super::turn::{Turn, wake_later};
use crate::clock::{Receiver, RunClock, Socket};
use crate::record::{Failure, FailureClass};
use crate::units::Offset;

/// Bytes of a response that are kept, to say what it is if it is not HTTP.
const START_BYTES: usize = 16;

/// The instants at which bytes passed. The socket, deep inside HTTP, and the code that uses the connection share them.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    pub(super) clock: Cell<Option<RunClock>>,
    pub(super) turn: Turn,
    /// The first bytes read since the request began, before decryption.
    start: Cell<([u8; START_BYTES], u8)>,
    /// The request is ready but must not be written yet.
    pub(super) held: Cell<bool>,
    pub(super) written: Cell<Option<Offset>>,
    /// When the bytes of the last read arrived.
    pub(super) read: Cell<Option<Offset>>,
    /// How much later than their arrival they were read; `None` without a stamp of the kernel.
    pub(super) lag: Cell<Option<Duration>>,
}

impl Stamps {
    /// The first bytes read since the request began, before decryption.
    pub(super) fn start(&self) -> Vec<u8> {
        let (start, length) = self.start.get();
        start[..usize::from(length)].to_vec()
    }

    /// Begins to keep the first bytes anew.
    pub(super) fn begin_start(&self) {
        self.start.set(Default::default());
    }

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
pub(super) struct Stamped {
    socket: Socket,
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
    pub(super) fn new(socket: Socket, receiver: &Rc<Receiver>, stamps: &Rc<Stamps>) -> Self {
        receiver.prepare(&socket);
        Self { socket, receiver: receiver.clone(), stamps: stamps.clone() }
    }

    /// Runs one write. If it is the first of this request that moves bytes, keeps the instant just before it.
    fn stamp_write(
        &mut self,
        write: impl FnOnce(Pin<&mut Socket>) -> Poll<io::Result<usize>>,
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

/// An open connection below HTTP. Bytes are stamped below TLS, so that decryption never counts as the server's time.
#[derive(Debug)]
pub(super) enum Layers {
    Plain(Stamped),
    Secure(Box<TlsStream<Stamped>>),
}

/// Runs `$do` with the stream inside `$layers`, whatever its kind.
macro_rules! either {
    ($layers:expr, $stream:ident => $do:expr) => {
        match $layers {
            Layers::Plain($stream) => $do,
            Layers::Secure($stream) => $do,
        }
    };
}

impl Layers {
    /// Makes the TLS handshake on `socket` with the server that `secure` names; without `secure`, nothing is encrypted.
    pub(super) async fn on(
        socket: Socket,
        receiver: &Rc<Receiver>,
        stamps: &Rc<Stamps>,
        secure: Option<&Secure>,
    ) -> Result<Self, Failure> {
        let stamped = Stamped::new(socket, receiver, stamps);
        let Some(secure) = secure else { return Ok(Self::Plain(stamped)) };
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
        Ok(Self::Secure(Box::new(stream)))
    }

    pub(super) fn is_secure(&self) -> bool {
        matches!(self, Self::Secure(_))
    }

    /// Whether both sides have agreed on HTTP/2 (ALPN).
    pub(super) fn agreed_on_two(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Secure(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

impl AsyncRead for Layers {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Layers {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
