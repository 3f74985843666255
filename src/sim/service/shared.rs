//! Owns `Shared`: processor sharing, with a total speed that can collapse when too many requests are in service.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_chacha::ChaCha8Rng;

use crate::seed::Seed;
use crate::sim::Law;
use crate::sim::service::{Call, Reply, Service};
use crate::units::Offset;

/// Processor sharing: one server of speed 1 serves all its requests at once, each at an equal share of its speed. All
/// tokens of a response leave when its service ends.
#[derive(Debug, Clone)]
pub struct Shared {
    law: Law,
    draws: Box<ChaCha8Rng>,
    collapse: Option<Collapse>,
    /// The instant up to which `attained_ns` counts.
    now: Offset,
    /// Service attained by a request that has been in the server since it was last empty, in nanoseconds of service.
    attained_ns: f64,
    /// The value of `attained_ns` at which each request leaves, and its tag; the first to leave comes first.
    inside: BinaryHeap<Reverse<(Ordered, u64)>>,
}

/// A drop of the total speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Collapse {
    /// With more requests than this in the server, the speed drops.
    pub above: usize,
    /// The total speed after the drop; it is 1 before.
    pub speed: f64,
}

/// A finite number with its natural order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ordered(f64);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Shared {
    /// Required service follows `law` and is drawn from `seed.stream("service")`.
    #[must_use]
    pub fn new(law: Law, seed: Seed) -> Self {
        let draws = Box::new(seed.stream("service").sequence());
        Self { law, draws, collapse: None, now: Offset::ZERO, attained_ns: 0.0, inside: BinaryHeap::new() }
    }

    /// The same server, with a total speed that drops when too many requests are in it.
    #[must_use]
    pub fn collapsing(self, collapse: Collapse) -> Self {
        Self { collapse: Some(collapse), ..self }
    }

    /// The speed at which each request in the server is served.
    fn share(&self) -> f64 {
        let count = self.inside.len();
        let total = self.collapse.filter(|collapse| count > collapse.above).map_or(1.0, |collapse| collapse.speed);
        total / count.max(1) as f64
    }

    fn pass_to(&mut self, at: Offset) {
        self.attained_ns += at.since(self.now).as_nanos() as f64 * self.share();
        self.now = self.now.max(at);
        if self.inside.is_empty() {
            // A small sum stays exact.
            self.attained_ns = 0.0;
        }
    }
}

impl Service for Shared {
    fn arrive(&mut self, at: Offset, call: Call) -> Option<Reply> {
        self.pass_to(at);
        let required_ns = self.law.draw_ns(&mut *self.draws) as f64;
        self.inside.push(Reverse((Ordered(self.attained_ns + required_ns), call.tag)));
        None
    }

    fn next_event(&self) -> Option<Offset> {
        let Reverse((Ordered(leaves), _)) = self.inside.peek()?;
        let left_ns = (leaves - self.attained_ns).max(0.0) / self.share();
        Some(Offset::from_nanos(self.now.as_nanos().saturating_add(libm::ceil(left_ns) as u64)))
    }

    fn advance(&mut self, tell: &mut dyn FnMut(u64, Reply)) {
        let Some(at) = self.next_event() else { return };
        self.pass_to(at);
        if let Some(Reverse((Ordered(leaves), tag))) = self.inside.pop() {
            self.attained_ns = self.attained_ns.max(leaves);
            tell(tag, Reply::whole(at));
        }
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}
