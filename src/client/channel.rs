//! Owns `Channel`: what one request has of a connection, all of it (HTTP/1.1) or one stream (HTTP/2).

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::Departure;
use super::stream::StreamOf;
use super::wire::Wire;
use crate::clock::RunClock;
use crate::record::Failure;
use crate::units::Offset;

/// What one request has of a connection.
pub(super) enum Channel {
    /// A connection of HTTP/1.1, and the body of its response while it is read.
    Alone(Box<Wire>, Option<Incoming>),
    /// One stream of HTTP/2.
    Stream(StreamOf),
}

impl Channel {
    pub(super) fn alone(wire: Wire) -> Self {
        Self::Alone(Box::new(wire), None)
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
        match self {
            Self::Alone(wire, body) => {
                let (head, incoming) = wire.exchange(request, clock, departure, written).await?.into_parts();
                *body = Some(incoming);
                Ok(Response::from_parts(head, ()))
            }
            Self::Stream(stream) => stream.exchange(request, clock, departure, written).await,
        }
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Alone(wire, Some(body)) => wire.piece(body).await,
            Self::Alone(_, None) => Ok(None),
            Self::Stream(stream) => stream.piece().await,
        }
    }

    /// Like [`Channel::piece`], but never waits: the outer `None` means that nothing has come yet.
    pub(super) async fn piece_at_hand(&mut self) -> Option<Result<Option<Bytes>, Failure>> {
        match self {
            Self::Alone(wire, Some(body)) => wire.piece_at_hand(body).await,
            Self::Alone(_, None) => Some(Ok(None)),
            Self::Stream(stream) => stream.piece_at_hand().await,
        }
    }

    /// When the bytes last read arrived; the present instant if none were read.
    pub(super) fn last_arrival(&self, clock: RunClock) -> Offset {
        match self {
            Self::Alone(wire, _) => wire.last_arrival(clock),
            Self::Stream(stream) => stream.last_arrival(clock),
        }
    }

    /// How much later than their arrival the bytes were last read; `None` without a stamp of the kernel.
    pub(super) fn wake_lag(&self) -> Option<Duration> {
        match self {
            Self::Alone(wire, _) => wire.wake_lag(),
            Self::Stream(stream) => stream.wake_lag(),
        }
    }

    /// Whether the request that has just failed was never processed, so that it may be sent again: the server closed
    /// the connection before it read the request, or said that it refuses it.
    pub(super) fn was_unread(&self, failure: &Failure, clock: RunClock) -> bool {
        match self {
            Self::Alone(wire, _) => wire.closed_before_reading(failure, clock),
            Self::Stream(stream) => stream.was_refused(),
        }
    }

    /// Whether a request that was not processed can be sent again though its connection is fresh.
    pub(super) const fn can_refuse_at_first(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// The status of a response whose head begins like HTTP/1.1 but is not valid, with a message if it is not 2xx.
    pub(super) fn status_of_head(&self) -> Option<(StatusCode, Option<Failure>)> {
        match self {
            Self::Alone(wire, _) => wire.status_of_head(),
            Self::Stream(_) => None,
        }
    }
}
