//! Owns the HTTP client: one call, from taking a connection to the settled exchange. No proxy, no redirect,
//! no decompression. No retry, except of a request that the server cannot have read.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use hyper::{Request, Response, StatusCode};

use super::answer::{Answer, End};
use super::channel::Channel;
use super::encode::{Call, Encoder};
use super::opening::Means;
use super::pool::{CheckedOut, MOST_IDLE, Pool, Reservation, Shared};
use super::wire;
use super::words::{self, MOST_ASIDE_BYTES};
use super::{Addresses, Client, Departure, Route};
use crate::clock::{ReceiveClock, Receiver, RunClock};
use crate::record::{Exchange, Failure, FailureCause, FailureClass, Outcome};
use crate::units::visible;
use crate::workload::RequestSpec;

/// How long the body of a failed response may take to arrive.
const FAILURE_GRACE: Duration = Duration::from_secs(1);

/// Sends requests over HTTP/1.1, where a request has its connection alone until it has settled, or over HTTP/2, where
/// it has a stream of a connection. There is one client for each worker thread. It opens connections ahead in local
/// tasks, so it must run in a `LocalRuntime` or a `LocalSet`.
pub struct HttpClient {
    pools: Vec<Rc<Pool>>,
    shared: Rc<Shared>,
}

impl HttpClient {
    /// A client for `targets`, which must be in the order of the encoder's targets. `worker` is the index of its
    /// worker: each worker starts at another address. Responses are stamped by the kernel.
    #[must_use]
    pub fn new(targets: &[Addresses], connect_timeout: Duration, worker: usize) -> Self {
        Self::stamped_by(ReceiveClock::Kernel, targets, connect_timeout, worker)
    }

    /// Like [`HttpClient::new`], with the clock that stamps responses.
    #[must_use]
    pub fn stamped_by(clock: ReceiveClock, targets: &[Addresses], connect_timeout: Duration, worker: usize) -> Self {
        let shared = Rc::new(Shared {
            means: Rc::new(Means {
                clock: RunClock::starting_in(Duration::ZERO),
                connect_timeout,
                scratch: wire::scratch(),
                receiver: Rc::new(Receiver::new(clock)),
            }),
            connecting: Cell::new(0),
            most_idle: Cell::new(MOST_IDLE),
            reuse: Cell::new(true),
        });
        let pools = targets.iter().map(|target| Rc::new(Pool::new(shared.clone(), target, worker))).collect();
        Self { pools, shared }
    }

    /// The client with another limit on idle connections; with `reuse` false, each request has a connection of its own.
    #[must_use]
    pub fn keeping(self, idle: Duration, reuse: bool) -> Self {
        self.shared.most_idle.set(idle);
        self.shared.reuse.set(reuse);
        self
    }

    async fn settle(
        &self,
        call: Call,
        clock: RunClock,
        departure: &Departure,
        exchange: &mut Exchange,
    ) -> Result<(), Failure> {
        let Call { request, place, endpoint, asked_tokens, stream, keep_text, reservation, renewed, .. } = call;
        let pool = self
            .pools
            .get(place)
            .ok_or_else(|| Failure::new(FailureClass::Connect, "the client does not know the target of this call"))?;
        let reservation = reservation.into_inner();
        let (mut channel, response) = ask(pool, request, reservation, clock, departure, exchange).await?;
        exchange.headers = Some(channel.last_arrival(clock));
        let (head, ()) = response.into_parts();
        exchange.status = Some(head.status.as_u16());

        if let Some(key) = renewed.filter(|_| head.status == StatusCode::UNAUTHORIZED) {
            key.note_refused();
        }
        if !head.status.is_success() {
            let (said, ended) = failure_body(&mut channel).await;
            exchange.ended = Some(channel.last_arrival(clock));
            let failure = words::of_status(head.status, &head.headers, &said);
            exchange.failed_response = Some(Box::new(words::response_of(&head.headers, &said)));
            if ended {
                pool.give_back(channel, true).await;
            }
            return Err(failure);
        }
        if let Some(encoding) =
            text_of(&head.headers, CONTENT_ENCODING.as_str()).filter(|encoding| *encoding != "identity")
        {
            let text = format!("the answer is compressed ({encoding}), which was not asked for");
            return Err(Failure::new(FailureClass::Malformed, text).because(FailureCause::Compressed));
        }

        let kind = text_of(&head.headers, CONTENT_TYPE.as_str()).map(str::to_owned);
        let answer = Answer::new(endpoint, stream, kind.as_deref(), asked_tokens);
        drop(head);
        exchange.text = keep_text.then(Box::default);
        read_response(pool, channel, answer, stream, clock, exchange).await;
        Ok(())
    }
}

/// Sends `request` on a connection of `pool`, not before its departure, and reads the head of its response.
async fn ask(
    pool: &Rc<Pool>,
    mut request: Request<Full<Bytes>>,
    mut reservation: Option<Reservation>,
    clock: RunClock,
    departure: &Departure,
    exchange: &mut Exchange,
) -> Result<(Channel, Response<()>), Failure> {
    let mut early = if departure.sent().is_none() { pool.take_idle() } else { None };
    // The instant of the first write, kept when the request is sent again: no clock is restarted.
    let mut first_written = None;
    loop {
        let (mut channel, opened) = if let Some(channel) = early.take() {
            reservation = None;
            (channel, false)
        } else if exchange.retried {
            let channel = pool.open_fresh().await?;
            exchange.connected = Some(clock.now());
            (channel, true)
        } else {
            departure.left().await;
            let CheckedOut { channel, opened } = pool.check_out(reservation.take()).await?;
            if opened {
                exchange.connected = Some(clock.now());
            }
            (channel, opened)
        };
        let may_repeat = !exchange.retried && (!opened || channel.can_refuse_at_first());
        let spare = may_repeat.then(|| request.clone());
        let answered = channel.exchange(request, clock, departure, &mut exchange.written).await;
        let written = exchange.written;
        exchange.written = first_written.or(written);
        match (answered, spare) {
            // The connection closed while the request was held. No byte was written, so this is not a retry.
            (Err(_), Some(unsent)) if written.is_none() && !opened => request = unsent,
            (Err(failure), Some(again)) if channel.was_unread(&failure, clock) => {
                (exchange.retried, first_written, request) = (true, written, again);
            }
            (Err(failure), _) => {
                // The head is not valid HTTP, for example a redirect to an invalid URL. Its status says more than the
                // parse error.
                let head = channel.status_of_head().filter(|_| failure.class == FailureClass::Malformed);
                exchange.status = head.as_ref().map(|(status, _)| status.as_u16());
                return Err(head.and_then(|(_, refused)| refused).unwrap_or(failure));
            }
            (Ok(answered), _) => return Ok((channel, answered)),
        }
    }
}

/// Reads a response with status 2xx to its end, settles `answer`, and gives the connection back.
async fn read_response(
    pool: &Rc<Pool>,
    mut channel: Channel,
    mut answer: Answer,
    stream: bool,
    clock: RunClock,
    exchange: &mut Exchange,
) {
    let (end, at) = loop {
        match channel.piece().await {
            Ok(Some(piece)) => {
                let at = channel.last_arrival(clock);
                let goes_on = answer.read(&piece, at, exchange);
                // What a stamp of our own would have added: to the first token, or to the end of a whole response.
                if !stream || (exchange.first_token.is_some() && exchange.wake_lag.is_none()) {
                    exchange.wake_lag = channel.wake_lag();
                }
                if !goes_on {
                    let whole = answer.is_done();
                    answer.settle(End::Orderly, at, exchange);
                    if whole {
                        drop(piece);
                        pool.give_back(channel, false).await;
                    }
                    return;
                }
            }
            Ok(None) => {
                let at = channel.last_arrival(clock);
                pool.give_back(channel, true).await;
                break (End::Orderly, at);
            }
            Err(failure) => break (End::Broken(failure), clock.now()),
        }
    };
    answer.settle(end, at, exchange);
}

impl Client for HttpClient {
    type Call = Call;
    type Encoder = Encoder;

    fn prepare(encoder: &Encoder, spec: RequestSpec) -> Call {
        encoder.encode(&spec)
    }

    fn route(call: &Call) -> Route {
        call.route.clone()
    }

    fn body(call: &Call) -> &[u8] {
        call.body()
    }

    fn reserve(self: &Rc<Self>, call: &Call) {
        if let Some(pool) = self.pools.get(call.place) {
            call.reservation.get_or_init(|| pool.reserve());
        }
    }

    async fn send(self: Rc<Self>, call: Call, clock: RunClock, departure: &Departure, exchange: &mut Exchange) {
        let secrets = call.secrets.clone();
        if let Err(failure) = self.settle(call, clock, departure, exchange).await {
            exchange.ended.get_or_insert_with(|| clock.now());
            exchange.outcome = Outcome::Failed(failure);
        }
        exchange.hide(&secrets);
        // A server's text goes to screens and files: control characters in it are escaped.
        if let Outcome::Failed(failure) = &mut exchange.outcome
            && let Cow::Owned(shown) = visible(&failure.text)
        {
            *failure = failure.clone().told(shown);
        }
        if let Some(reason) = &mut exchange.finish_reason
            && let Cow::Owned(shown) = visible(reason)
        {
            *reason = shown.into();
        }
    }
}

/// Reads the body of a response whose status is not 2xx. Returns its bytes, and whether it ended within
/// [`MOST_ASIDE_BYTES`] and [`FAILURE_GRACE`]. An endless body does not matter, because the status is known.
async fn failure_body(channel: &mut Channel) -> (Vec<u8>, bool) {
    let mut kept = Vec::new();
    let reading = async {
        while let Ok(piece) = channel.piece().await {
            let Some(piece) = piece else { return true };
            let room = MOST_ASIDE_BYTES - kept.len();
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.len() > room {
                break;
            }
        }
        false
    };
    let ended = tokio::time::timeout(FAILURE_GRACE, reading).await.unwrap_or(false);
    (kept, ended)
}

fn text_of<'head>(headers: &'head HeaderMap, name: &str) -> Option<&'head str> {
    headers.get(name)?.to_str().ok()
}
