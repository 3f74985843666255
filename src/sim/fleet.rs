//! Owns `Fleet`: equal simulated servers behind a router, which sends each request to one of them as it arrives.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::seed::Seed;
use crate::sim::ServiceProfile;
use crate::sim::engine::Token;
use crate::sim::service::{Brought, Reply};
use crate::sim::station::Station;
use crate::units::Offset;

/// How the router chooses the replica for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// A random replica.
    Random,
    /// The replicas in turn.
    RoundRobin,
    /// The replica with the fewest requests in it; among equals, the next in turn.
    LeastLoaded,
    /// The replica given by the hash of the prompt's first prefix block, so that prompts with the same beginning stay
    /// on one replica. Without blocks the hash of the session is used; without a session, a random replica.
    PrefixHash,
}

impl Routing {
    /// All routings.
    pub const ALL: [Self; 4] = [Self::Random, Self::RoundRobin, Self::LeastLoaded, Self::PrefixHash];

    /// The routing's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::RoundRobin => "round-robin",
            Self::LeastLoaded => "least-loaded",
            Self::PrefixHash => "prefix-hash",
        }
    }
}

/// Equal servers and their router. Instants are on the servers' own clock.
#[derive(Debug)]
pub(super) struct Fleet {
    replicas: Vec<Replica>,
    routing: Routing,
    /// The replica whose turn it is.
    turn: usize,
    draws: Box<ChaCha8Rng>,
}

#[derive(Debug)]
struct Replica {
    station: Station,
    /// When each request leaves a server that knows its responses on arrival; kept only for the routing that needs
    /// it.
    leaving: BinaryHeap<Reverse<Offset>>,
}

impl Replica {
    fn new(station: Station) -> Self {
        Self { station, leaving: BinaryHeap::new() }
    }

    /// Requests in the replica at `at`. Calls come in order of time.
    fn load(&mut self, at: Offset) -> usize {
        if let Station::Engine(engine) = &self.station {
            let gauges = engine.gauges();
            return gauges.running + gauges.waiting;
        }
        while self.leaving.peek().is_some_and(|Reverse(leaves)| *leaves <= at) {
            self.leaving.pop();
        }
        self.leaving.len()
    }
}

impl Fleet {
    /// `count` idle servers of `profile`. The first uses `seed` itself, as it would alone; replica k uses
    /// `seed.derived("replica/<k>")`, the router `seed.stream("routing")`.
    pub(super) fn new(profile: ServiceProfile, count: NonZeroU32, routing: Routing, seed: Seed) -> Self {
        let own = |number: u32| if number == 0 { seed } else { seed.derived(&format!("replica/{number}")) };
        Self {
            replicas: (0..count.get()).map(|number| Replica::new(Station::new(profile, own(number)))).collect(),
            routing,
            turn: 0,
            draws: Box::new(seed.stream("routing").sequence()),
        }
    }

    /// A fleet of one service of the caller's own.
    pub(super) fn of(brought: Brought) -> Self {
        let draws = Box::new(Seed::new(0).stream("routing").sequence());
        Self { replicas: vec![Replica::new(Station::Brought(brought))], routing: Routing::RoundRobin, turn: 0, draws }
    }

    /// The replica for the request that arrives at `at`; `key` is its first prefix block, or else its session.
    pub(super) fn route(&mut self, at: Offset, key: Option<u64>) -> usize {
        let count = self.replicas.len();
        if count == 1 {
            return 0;
        }
        match (self.routing, key) {
            (Routing::PrefixHash, Some(key)) => share(mixed(key), count),
            (Routing::Random | Routing::PrefixHash, _) => share(self.draws.next_u64(), count),
            (Routing::RoundRobin, _) => self.in_turn(0),
            (Routing::LeastLoaded, _) => {
                let turn = self.turn;
                let loads = self.replicas.iter_mut().map(|replica| replica.load(at)).collect::<Vec<_>>();
                self.in_turn((0..count).min_by_key(|further| loads[(turn + further) % count]).unwrap_or(0))
            }
        }
    }

    /// The replica `further` places after the one whose turn it is; the turn then passes to the replica after it.
    fn in_turn(&mut self, further: usize) -> usize {
        let chosen = (self.turn + further) % self.replicas.len();
        self.turn = (chosen + 1) % self.replicas.len();
        chosen
    }

    pub(super) fn station(&mut self, replica: usize) -> &mut Station {
        &mut self.replicas[replica].station
    }

    /// A request leaves `replica` at `at`.
    pub(super) fn leaves(&mut self, replica: usize, at: Offset) {
        if self.routing == Routing::LeastLoaded && self.replicas.len() > 1 {
            self.replicas[replica].leaving.push(Reverse(at));
        }
    }

    /// The instant of the next event of an engine or a caller's service, and its replica; the lowest replica of those
    /// with the same instant.
    pub(super) fn next_event(&self) -> Option<(Offset, usize)> {
        let event = |(place, replica): (usize, &Replica)| match &replica.station {
            Station::Simple(_) => None,
            Station::Engine(engine) => engine.next_event().map(|at| (at, place)),
            Station::Brought(brought) => brought.next_event().map(|at| (at, place)),
        };
        self.replicas.iter().enumerate().filter_map(event).min()
    }

    /// Handles the next event of the engine `replica`; `emit` gets each token that leaves, and whether the engine has
    /// a prefix cache.
    pub(super) fn advance(&mut self, replica: usize, mut emit: impl FnMut(Token, bool)) {
        if let Station::Engine(engine) = &mut self.replicas[replica].station {
            let cached = engine.setup().prefix_cache();
            engine.advance(|_, token| emit(token, cached));
        }
    }

    /// Handles the next event of the caller's service `replica`; `tell` takes the place of each request that it
    /// answers, and the response.
    pub(super) fn advance_brought(&mut self, replica: usize, tell: impl FnMut(u64, Reply)) {
        if let Station::Brought(brought) = &mut self.replicas[replica].station {
            brought.advance(tell);
        }
    }

    /// A copy of the fleet with the requests in it, whose clients no longer wait; `None` where responses are known on
    /// arrival, so that draining changes nothing.
    pub(super) fn without_clients(&self) -> Option<Self> {
        let alone = |replica: &Replica| match &replica.station {
            Station::Simple(_) => None,
            Station::Engine(engine) => {
                let mut engine = engine.clone();
                engine.disown();
                Some(Replica::new(Station::Engine(engine)))
            }
            Station::Brought(brought) => Some(Replica::new(Station::Brought(brought.without_clients()))),
        };
        let replicas = self.replicas.iter().map(alone).collect::<Option<Vec<_>>>()?;
        Some(Self { replicas, routing: self.routing, turn: self.turn, draws: self.draws.clone() })
    }
}

/// A number from 0 to `count` − 1, proportional to `bits` within its range.
fn share(bits: u64, count: usize) -> usize {
    ((u128::from(bits) * count as u128) >> 64) as usize
}

/// Block ids are small consecutive numbers. This mixes them: each bit of the id changes every bit of the result (the
/// finaliser of `SplitMix64`).
const fn mixed(key: u64) -> u64 {
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ (key >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(count: u32, routing: Routing) -> Fleet {
        Fleet::new("mdc:servers=1,service=1s".parse().unwrap(), NonZeroU32::new(count).unwrap(), routing, Seed::new(1))
    }

    #[test]
    fn in_turn_everyone_has_a_turn() {
        let mut fleet = fleet(3, Routing::RoundRobin);
        assert_eq!((0..7).map(|_| fleet.route(Offset::ZERO, Some(9))).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn the_least_loaded_gets_the_next_and_equals_take_turns() {
        let mut fleet = fleet(3, Routing::LeastLoaded);
        let mut send = |at_s: f64, leaves_s: f64| {
            let replica = fleet.route(Offset::from_secs(at_s), None);
            fleet.leaves(replica, Offset::from_secs(leaves_s));
            replica
        };
        assert_eq!([send(0.0, 9.0), send(0.0, 2.0), send(0.0, 9.0)], [0, 1, 2]);
        assert_eq!(send(1.0, 9.0), 0, "each replica holds one request: the next in turn");
        assert_eq!(send(2.0, 9.0), 1, "a request that leaves at an instant has left before an arrival at it");
        assert_eq!(send(2.0, 9.0), 2);
    }

    #[test]
    fn chance_and_hashes_give_each_its_share() {
        for routing in [Routing::Random, Routing::PrefixHash] {
            let mut fleet = fleet(4, routing);
            let mut counts = [0u32; 4];
            for key in 0..40_000 {
                counts[fleet.route(Offset::ZERO, Some(key))] += 1;
            }
            // The standard deviation of the binomial law is 87.
            assert!(counts.iter().all(|count| count.abs_diff(10_000) < 350), "{routing:?}: {counts:?}");
        }
    }

    #[test]
    fn a_prefix_stays_where_it_is() {
        let mut fleet = fleet(5, Routing::PrefixHash);
        for key in 0..100 {
            let first = fleet.route(Offset::ZERO, Some(key));
            assert!((0..5).all(|_| fleet.route(Offset::ZERO, Some(key)) == first));
        }
        let anywhere: std::collections::HashSet<usize> = (0..100).map(|_| fleet.route(Offset::ZERO, None)).collect();
        assert_eq!(anywhere.len(), 5, "requests without a prefix are spread over all replicas");
    }
}
