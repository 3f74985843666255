//! Owns `Limiter`: a token bucket before a service. Requests above its rate are refused at once.

use std::time::Duration;

use crate::sim::service::{Call, Reply, Service};
use crate::units::{Offset, Rate};

/// The status of a refusal: too many requests.
const TOO_MANY: u16 = 429;

/// A service behind a token bucket. A request takes one token of the bucket; when the bucket is empty, it is refused
/// at once with status 429.
#[derive(Debug, Clone)]
pub struct Limiter<S> {
    service: S,
    rate: Rate,
    burst: f64,
    refusal: Duration,
    /// Tokens in the bucket at `at`.
    tokens: f64,
    at: Offset,
}

impl<S: Service> Limiter<S> {
    /// A bucket that gains `rate` tokens per second, holds at most `burst` of them (at least 1), and is full at the
    /// start.
    #[must_use]
    pub fn new(service: S, rate: Rate, burst: f64) -> Self {
        let burst = burst.max(1.0);
        Self { service, rate, burst, refusal: Duration::ZERO, tokens: burst, at: Offset::ZERO }
    }

    /// The same limiter, with each refusal sent this long after its request.
    #[must_use]
    pub fn refusing_after(self, refusal: Duration) -> Self {
        Self { refusal, ..self }
    }
}

impl<S: Service + Clone + 'static> Service for Limiter<S> {
    fn arrive(&mut self, at: Offset, call: Call) -> Option<Reply> {
        self.tokens = (self.tokens + self.rate.per_s() * at.secs_since(self.at).max(0.0)).min(self.burst);
        self.at = self.at.max(at);
        if self.tokens < 1.0 {
            return Some(Reply::failed(at.plus(self.refusal), TOO_MANY));
        }
        self.tokens -= 1.0;
        self.service.arrive(at, call)
    }

    fn next_event(&self) -> Option<Offset> {
        self.service.next_event()
    }

    fn advance(&mut self, tell: &mut dyn FnMut(u64, Reply)) {
        self.service.advance(tell);
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}
