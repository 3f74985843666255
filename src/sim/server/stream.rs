//! Owns `Stream`: one stream of HTTP/2, as the way to its client.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::task::Poll;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SERVER};
use hyper::{Response, StatusCode};

use crate::client::StreamFraming;
use crate::sim::server::wire::{Page, SERVER_NAME, stream_type};

/// A stream of HTTP/2, as the way to its client.
pub(super) struct Stream {
    respond: RefCell<SendResponse<Bytes>>,
    send: RefCell<Option<SendStream<Bytes>>>,
    /// Whether the request was HEAD.
    bodiless: bool,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("bodiless", &self.bodiless).finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) fn new(respond: SendResponse<Bytes>, bodiless: bool) -> Self {
        Self { respond: RefCell::new(respond), send: RefCell::new(None), bodiless }
    }

    /// Sends the head of a response; `ends` ends the response with it.
    fn begin(&self, status: u16, content_type: &'static str, length: Option<usize>, ends: bool) -> io::Result<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if matches!(status, 429 | 503) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        let send = self.respond.borrow_mut().send_response(response, ends).map_err(io::Error::other)?;
        self.send.replace(Some(send));
        Ok(())
    }

    pub(super) async fn respond(&self, page: Page<'_>) -> io::Result<()> {
        let ends = self.bodiless || page.body.is_empty();
        self.begin(page.status, page.content_type, Some(page.body.len()), ends)?;
        if ends { Ok(()) } else { self.push(page.body.to_vec(), true).await }
    }

    pub(super) async fn respond_partly(&self, page: Page<'_>) -> io::Result<()> {
        self.begin(page.status, page.content_type, Some(page.body.len()), false)?;
        self.push(page.body[..page.body.len() / 2].to_vec(), false).await
    }

    pub(super) fn begin_stream(&self, framing: StreamFraming) -> io::Result<()> {
        self.begin(200, stream_type(framing), None, false)
    }

    /// Sends `bytes` as the client makes room for them.
    pub(super) async fn push(&self, bytes: Vec<u8>, last: bool) -> io::Result<()> {
        let mut rest = Bytes::from(bytes);
        loop {
            let room = poll_fn(|cx| {
                let mut send = self.send.borrow_mut();
                let Some(send) = send.as_mut() else { return Poll::Ready(None) };
                send.reserve_capacity(rest.len());
                match send.capacity() {
                    0 if !rest.is_empty() => send.poll_capacity(cx),
                    room => Poll::Ready(Some(Ok(room))),
                }
            })
            .await
            .ok_or(io::ErrorKind::ConnectionReset)?
            .map_err(io::Error::other)?;
            let now = rest.split_to(room.min(rest.len()));
            let ends = last && rest.is_empty();
            if let Some(send) = self.send.borrow_mut().as_mut() {
                send.send_data(now, ends).map_err(io::Error::other)?;
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) fn reset(&self, reason: Reason) {
        match self.send.borrow_mut().as_mut() {
            Some(send) => send.send_reset(reason),
            None => self.respond.borrow_mut().send_reset(reason),
        }
    }

    /// Ready when the client has reset the stream or has left.
    pub(super) async fn client_left(&self) {
        poll_fn(|cx| {
            let left = match self.send.borrow_mut().as_mut() {
                Some(send) => send.poll_reset(cx),
                None => self.respond.borrow_mut().poll_reset(cx),
            };
            left.map(|_| ())
        })
        .await;
    }
}
