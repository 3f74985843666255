//! Owns `Failing`: a share of requests that fail at any load.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::seed::{Seed, open_unit};
use crate::sim::service::{Call, Reply, Service};
use crate::units::{Offset, Ratio};

/// A service that answers a share of the requests with an error. Failed requests cost it no work.
#[derive(Debug, Clone)]
pub struct Failing<S> {
    service: S,
    share: Ratio,
    status: u16,
    after: Duration,
    draws: Box<ChaCha8Rng>,
}

impl<S: Service> Failing<S> {
    /// `share` of the requests fail with `status` (400 to 599) `after` their arrival. Which requests fail is drawn
    /// from `seed.stream("failing")`.
    #[must_use]
    pub fn new(service: S, share: Ratio, status: u16, after: Duration, seed: Seed) -> Self {
        Self { service, share, status, after, draws: Box::new(seed.stream("failing").sequence()) }
    }
}

impl<S: Service + Clone + 'static> Service for Failing<S> {
    fn arrive(&mut self, at: Offset, call: Call) -> Option<Reply> {
        if open_unit(&mut *self.draws) < self.share.share() {
            return Some(Reply::failed(at.plus(self.after), self.status));
        }
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
