//! Owns `Servers`: a first-come, first-served queue before equal servers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::seed::Seed;
use crate::sim::Law;
use crate::sim::service::{Call, Reply, Service};
use crate::units::Offset;

/// G/G/c: `count` equal servers, first come, first served. All tokens of a response leave when its service ends.
#[derive(Debug, Clone)]
pub struct Servers {
    law: Law,
    draws: Box<ChaCha8Rng>,
    /// The instant at which each server becomes free, in nanoseconds, earliest first.
    free: BinaryHeap<Reverse<u64>>,
}

impl Servers {
    /// Service times follow `law` and are drawn from `seed.stream("service")`.
    #[must_use]
    pub fn new(count: NonZeroU32, law: Law, seed: Seed) -> Self {
        let free = std::iter::repeat_n(Reverse(0), count.get() as usize).collect();
        Self { law, draws: Box::new(seed.stream("service").sequence()), free }
    }
}

impl Service for Servers {
    fn arrive(&mut self, at: Offset, _: Call) -> Option<Reply> {
        let service = Duration::from_nanos(self.law.draw_ns(&mut *self.draws));
        let mut earliest = self.free.peek_mut()?;
        let leaves = Offset::from_nanos(earliest.0).max(at).plus(service);
        *earliest = Reverse(leaves.as_nanos());
        Some(Reply::whole(leaves))
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}
