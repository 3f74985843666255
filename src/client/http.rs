//! Owns the HTTP client: one call from check-out to settled exchange. No proxy, no redirect, no retry, no decompression.

use std::rc::Rc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use super::answer::{Answer, End};
use super::delta::failure_text;
use super::encode::{Call, Encoder};
use super::pool::{CheckedOut, Pool, Shared};
use super::wire::{self, Wire};
use super::{Addresses, Client, Departure, Route};
use crate::clock::RunClock;
use crate::record::{Exchange, Failure, FailureClass, Outcome};
use crate::workload::RequestSpec;

/// Bytes read of the body that comes with a status other than 2xx.
const MOST_FAILURE_BYTES: usize = 4096;

/// Sends requests over HTTP/1.1, each on a connection of its own while it lasts. One for each worker thread; what it opens ahead
/// runs in local tasks, so its runtime must be a `LocalRuntime` or inside a `LocalSet`.
pub struct HttpClient {
    pools: Vec<Rc<Pool>>,
}

impl HttpClient {
    /// A client for these targets, in the order of the encoder's. `worker` is its number among the workers: each starts at another address.
    #[must_use]
    pub fn new(targets: &[Addresses], connect_timeout: Duration, worker: usize) -> Self {
        let clock = RunClock::starting_in(Duration::ZERO);
        let shared = Rc::new(Shared { clock, connect_timeout, scratch: wire::scratch(), connecting: std::cell::Cell::new(0) });
        Self { pools: targets.iter().map(|target| Rc::new(Pool::new(shared.clone(), target, worker))).collect() }
    }

    async fn settle(&self, call: Call, clock: RunClock, departure: &Departure, exchange: &mut Exchange) -> Result<(), Failure> {
        let Call { mut request, place, asked_tokens, stream, keep_text, reservation, .. } = call;
        let pool =
            self.pools.get(place).ok_or_else(|| Failure::new(FailureClass::Connect, "a call for a target that this client lacks"))?;
        let mut reservation = reservation.into_inner();
        let mut early = if departure.sent().is_none() { pool.take_idle() } else { None };
        let (mut wire, response) = loop {
            let (mut wire, spare) = if let Some(wire) = early.take() {
                reservation = None;
                (wire, Some(request.clone()))
            } else {
                departure.left().await;
                let CheckedOut { wire, opened } = pool.check_out(reservation.take()).await?;
                if opened {
                    exchange.connected = Some(clock.now());
                }
                (wire, None)
            };
            match (wire.exchange(request, clock, departure, &mut exchange.written).await, spare) {
                // Its connection closed while it was held. No byte of it has left, so that it is no second try.
                (Err(_), Some(unsent)) if exchange.written.is_none() => request = unsent,
                (answered, _) => break (wire, answered?),
            }
        };
        exchange.headers = Some(wire.last_read(clock));
        let (head, mut body) = response.into_parts();
        exchange.status = Some(head.status.as_u16());

        if !head.status.is_success() {
            let (text, ended) = failure_body(&mut wire, &mut body).await;
            exchange.ended = Some(wire.last_read(clock));
            let text = format!("{}: {text}", head.status);
            if ended {
                pool.give_back(wire, None).await;
            }
            return Err(Failure::new(FailureClass::Status, text));
        }
        if let Some(encoding) = text_of(&head.headers, CONTENT_ENCODING.as_str()).filter(|encoding| *encoding != "identity") {
            return Err(Failure::new(FailureClass::Malformed, format!("the answer is compressed ({encoding}), which was not asked for")));
        }

        let mut answer = Answer::new(stream, text_of(&head.headers, CONTENT_TYPE.as_str()), asked_tokens);
        drop(head);
        exchange.text = keep_text.then(Box::default);
        loop {
            match wire.piece(&mut body).await {
                Ok(Some(piece)) => {
                    let at = wire.last_read(clock);
                    if !answer.read(&piece, at, exchange) {
                        let whole = answer.is_done();
                        answer.settle(End::Orderly, at, exchange);
                        if whole {
                            drop(piece);
                            pool.give_back(wire, Some(body)).await;
                        }
                        return Ok(());
                    }
                }
                Ok(None) => {
                    answer.settle(End::Orderly, wire.last_read(clock), exchange);
                    pool.give_back(wire, None).await;
                    return Ok(());
                }
                Err(failure) => {
                    answer.settle(End::Broken(failure), clock.now(), exchange);
                    return Ok(());
                }
            }
        }
    }
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
    }
}

/// What the server says with a status other than 2xx, and whether its body ended within the bytes that we read.
async fn failure_body(wire: &mut Wire, body: &mut Incoming) -> (String, bool) {
    let mut kept = Vec::new();
    let ended = loop {
        match wire.piece(body).await {
            Ok(Some(piece)) => {
                let room = MOST_FAILURE_BYTES - kept.len();
                kept.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.len() > room {
                    break false;
                }
            }
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    (failure_text(&kept), ended)
}

fn text_of<'head>(headers: &'head HeaderMap, name: &str) -> Option<&'head str> {
    headers.get(name)?.to_str().ok()
}
