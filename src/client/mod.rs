//! Owns the client: how a request is encoded and sent, and how its response is read as an exchange.

mod access;
mod affinity;
mod answer;
mod cache_reset;
mod channel;
mod counts;
#[cfg(test)]
mod definition;
mod delta;
mod departure;
pub(crate) mod dialect;
mod discover;
mod encode;
mod finish;
mod form;
mod frames;
mod held;
mod http;
mod length_field;
mod likeness;
mod limits;
mod lines;
mod metrics_page;
#[cfg(test)]
mod mutations;
mod opening;
mod pool;
mod progress;
mod reading;
mod renewed;
mod repair;
mod request_options;
mod said;
mod scheme;
mod shape;
mod shared;
pub mod sse;
mod stamped;
mod stream;
mod tally;
mod target;
mod text;
mod tls;
mod traffic;
mod turn;
mod unix;
mod value;
mod wire;
mod words;

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use crate::clock::RunClock;
use crate::record::Exchange;
use crate::workload::RequestSpec;

pub use crate::clock::ReceiveClock;
pub(crate) use crate::clock::receive_clock;
pub use access::Secret;
pub(crate) use access::is_bearer;
pub use affinity::Affinity;
pub use cache_reset::CacheReset;
pub use departure::Departure;
pub use dialect::{Capabilities, Endpoint, RawEndpoint, StreamFraming};
pub use discover::Discovery;
pub use encode::{Call, Encoder, request_number};
pub use http::HttpClient;
pub use length_field::LengthField;
pub use limits::Limits;
pub(crate) use metrics_page::MetricsPages;
pub use renewed::RenewedKey;
pub use request_options::{ClassRequests, EndpointOptions, RequestOptions};
pub use target::{Addresses, Target};
pub use tls::Tls;
pub use traffic::{Http2, HttpVersion};

/// Sends requests. There are two implementations: HTTP, and the simulator's model without sockets (for engine tests).
///
/// One client lives on one worker thread; it is shared by that worker's tasks and never leaves the thread.
pub trait Client: 'static {
    /// What [`Client::prepare`] needs; all workers share it.
    type Encoder: Send + Sync + 'static;
    /// A request encoded ahead of its instant.
    type Call: Send + 'static;

    /// Encodes `spec` before the request is due, perhaps on another thread. Has no side effect.
    fn prepare(encoder: &Self::Encoder, spec: RequestSpec) -> Self::Call;

    /// The encoded body, for fingerprints and memory bounds.
    fn body(call: &Self::Call) -> &[u8];

    /// Where a call goes, for its record.
    fn route(call: &Self::Call) -> Route;

    /// Announces that `call` will be sent within the next few milliseconds, so that a connection is ready by then.
    /// Never waits.
    ///
    /// The reservation ends when the call has its connection, or when the call is dropped unsent.
    fn reserve(self: &Rc<Self>, call: &Self::Call);

    /// Sends `call` and reads the response into `exchange`: instants as they happen, the outcome last.
    ///
    /// No byte is written before `departure` gives the signal. Polled earlier, the future prepares the request as far
    /// as it can without waiting. After the signal it is polled again and only has to write. Dropping the future gives
    /// up the request; what `exchange` holds by then is kept.
    fn send(
        self: Rc<Self>,
        call: Self::Call,
        clock: RunClock,
        departure: &Departure,
        exchange: &mut Exchange,
    ) -> impl Future<Output = ()>;
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Base URL.
    pub target: Arc<str>,
    /// Model name.
    pub model: Arc<str>,
}
