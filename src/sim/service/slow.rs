//! Owns `Slow`: a share of requests that take longer at any load.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::seed::{Seed, open_unit};
use crate::sim::service::{Call, Reply, Service};
use crate::units::{Offset, Ratio};

/// A service that delays some responses by a fixed time, at any load. The delay keeps no server busy.
#[derive(Debug, Clone)]
pub struct Slow<S> {
    service: S,
    share: Ratio,
    delay: Duration,
    draws: Box<ChaCha8Rng>,
}

impl<S: Service> Slow<S> {
    /// `share` of the responses of `service` are delayed by `delay`. Which responses are delayed is drawn from
    /// `seed.stream("slow")`.
    #[must_use]
    pub fn new(service: S, share: Ratio, delay: Duration, seed: Seed) -> Self {
        Self { service, share, delay, draws: Box::new(seed.stream("slow").sequence()) }
    }
}

fn delayed(reply: Reply, share: Ratio, delay: Duration, draws: &mut ChaCha8Rng) -> Reply {
    if open_unit(draws) < share.share() { reply.at(|at| at.plus(delay)) } else { reply }
}

impl<S: Service + Clone + 'static> Service for Slow<S> {
    fn arrive(&mut self, at: Offset, call: Call) -> Option<Reply> {
        let reply = self.service.arrive(at, call)?;
        Some(delayed(reply, self.share, self.delay, &mut self.draws))
    }

    fn next_event(&self) -> Option<Offset> {
        self.service.next_event()
    }

    fn advance(&mut self, tell: &mut dyn FnMut(u64, Reply)) {
        let Self { service, share, delay, draws } = self;
        service.advance(&mut |tag, reply| tell(tag, delayed(reply, *share, *delay, draws)));
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}
