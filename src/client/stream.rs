//! Owns `StreamOf`: one stream of an HTTP/2 connection, from its request to the end of its response.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body_util::Full;
use hyper::body::Body as _;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, Uri, Version};

use super::Departure;
use super::frames::Arrival;
use super::shared::{SharedLine, explain};
use crate::clock::RunClock;
use crate::record::{Failure, FailureClass};
use crate::units::Offset;

/// Room for one stream on a connection, and the stream once its request has been sent. Dropping it resets the stream,
/// and only this one, unless the response has ended.
pub(super) struct StreamOf {
    line: Rc<SharedLine>,
    /// Whether the connection is encrypted; the request says so in its scheme.
    is_secure: bool,
    id: Option<u32>,
    body: Option<RecvStream>,
    /// Bytes of the body that have been handed over.
    taken: u64,
    last: Option<Arrival>,
    /// Whether the server has said that it did not process the request.
    refused: bool,
}

impl Drop for StreamOf {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.line.frames().forget(id);
        }
        // The body first: its drop resets the stream, which makes the room.
        drop(self.body.take());
        self.line.end();
    }
}

impl StreamOf {
    /// Takes room on `line`, which must have some.
    pub(super) fn on(line: Rc<SharedLine>, is_secure: bool) -> Self {
        line.begin();
        Self { line, is_secure, id: None, body: None, taken: 0, last: None, refused: false }
    }

    /// Whether the server has said that it did not process the request (RFC 9113, section 8.7).
    pub(super) fn was_refused(&self) -> bool {
        self.refused
    }

    /// When the bytes last handed over arrived; the present instant if none were.
    pub(super) fn last_arrival(&self, clock: RunClock) -> Offset {
        self.last.map_or_else(|| clock.now(), |(at, _)| self.line.by(clock, at))
    }

    /// How much later than their arrival they were read; `None` without a stamp of the kernel.
    pub(super) fn wake_lag(&self) -> Option<Duration> {
        self.last.and_then(|(_, lag)| lag)
    }

    /// Sends `request`, not before its departure, and reads the head of its response. `written` is set as soon as the
    /// first byte has been written.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        clock: RunClock,
        departure: &Departure,
        written: &mut Option<Offset>,
    ) -> Result<Response<()>, Failure> {
        let (request, body) = self.translated(request).await?;
        departure.left().await;
        if !self.line.is_open() {
            self.refused = true;
            return Err(Failure::new(FailureClass::Reset, "the connection ended before the request (HTTP/2)"));
        }
        let when = "before the answer";
        let mut sender = self.line.sender();
        poll_fn(|cx| sender.poll_ready(cx)).await.map_err(|error| self.failure(&error, when))?;
        self.line.note_request();
        let begun = sender.send_request(request, body.is_empty());
        let (response, mut sending) = begun.map_err(|error| self.failure(&error, when))?;
        let id = sending.stream_id().as_u32();
        self.id = Some(id);
        self.line.frames().watch(id);
        if !body.is_empty() {
            sending.send_data(body, true).map_err(|error| self.failure(&error, when))?;
        }
        self.line.drive();
        let mut response = pin!(response);
        let answered = poll_fn(|cx| {
            let at = self.line.frames().written(id, cx.waker());
            *written = at.map(|at| self.line.by(clock, at));
            response.as_mut().poll(cx)
        })
        .await;
        let (head, body) = answered.map_err(|error| self.failure(&error, when))?.into_parts();
        self.last = self.line.frames().head(id);
        self.body = Some(body);
        Ok(Response::from_parts(head, ()))
    }

    /// The request as HTTP/2 has it: scheme and authority stand in its URI, and no header says how it is framed.
    async fn translated(&self, request: Request<Full<Bytes>>) -> Result<(Request<()>, Bytes), Failure> {
        let (mut head, mut body) = request.into_parts();
        let mut bytes = Bytes::new();
        // The body is one piece.
        if let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            bytes = frame.into_data().unwrap_or_default();
        }
        let unfit = |why: String| Failure::new(FailureClass::Malformed, format!("the request cannot be sent: {why}"));
        let host = head.headers.remove(header::HOST);
        let authority = host.as_ref().map_or(Ok("localhost"), HeaderValue::to_str);
        head.uri = Uri::builder()
            .scheme(if self.is_secure { "https" } else { "http" })
            .authority(authority.map_err(|error| unfit(error.to_string()))?)
            .path_and_query(head.uri.path_and_query().map_or("/", |path| path.as_str()))
            .build()
            .map_err(|error| unfit(error.to_string()))?;
        head.version = Version::HTTP_2;
        for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
            head.headers.remove(name);
        }
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        Ok((Request::from_parts(head, ()), bytes))
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        poll_fn(|cx| self.poll_piece(cx)).await
    }

    /// Like [`StreamOf::piece`], but never waits: the outer `None` means that nothing has come yet.
    pub(super) async fn piece_at_hand(&mut self) -> Option<Result<Option<Bytes>, Failure>> {
        poll_fn(|cx| match self.poll_piece(cx) {
            Poll::Ready(piece) => Poll::Ready(Some(piece)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    fn poll_piece(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        let (Some(body), Some(id)) = (&mut self.body, self.id) else { return Poll::Ready(Ok(None)) };
        match body.poll_data(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(bytes))) => {
                self.taken += bytes.len() as u64;
                self.last = self.line.frames().data(id, self.taken).or(self.last);
                // The window opens again for as much as was read. A failure means that the stream has ended.
                _ = body.flow_control().release_capacity(bytes.len());
                Poll::Ready(Ok(Some(bytes)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(self.failure(&error, "in the middle of the answer"))),
            Poll::Ready(None) => {
                self.last = self.line.frames().end(id).or(self.last);
                Poll::Ready(Ok(None))
            }
        }
    }

    fn failure(&mut self, error: &h2::Error, when: &str) -> Failure {
        let reset = error.is_remote() && error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        let gone = error.is_remote() && error.is_go_away();
        self.refused = reset || (gone && self.id.is_none_or(|id| self.line.frames().gave_up(id)));
        explain(error, when)
    }
}
