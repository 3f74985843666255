//! Owns `Model`: the simple simulated servers (delay, queues) as a pure state machine in whole nanoseconds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::seed::{Seed, Stream};
use crate::sim::Law;
use crate::sim::service_profile::Simple;
use crate::units::Offset;

/// A simple simulated server without sockets. Its caller (virtual time or the HTTP server) hands in arrivals in
/// order. The k-th arrival gets the k-th draw, so its true latencies are the same on every machine, in virtual time
/// and over HTTP.
#[derive(Debug)]
pub(super) struct Model {
    state: State,
    latest: Offset,
}

#[derive(Debug)]
enum State {
    Delay {
        ttft: Law,
        itl: Law,
        stream: Stream,
        arrivals: u64,
    },
    Queue {
        service: Law,
        /// One long sequence: draw k is the service time of arrival k.
        draws: Box<ChaCha8Rng>,
        /// The instant at which each server becomes free, earliest first: the Kiefer–Wolfowitz workload vector in
        /// absolute time.
        free: BinaryHeap<Reverse<u64>>,
    },
}

impl Model {
    /// An idle model. All draws come from `seed.stream("service")`: for a delay, arrival k draws its TTFT and then
    /// its gaps from `.at(k)`; for a queue, arrival k takes draw k of `.sequence()`.
    pub(super) fn new(simple: Simple, seed: Seed) -> Self {
        let stream = seed.stream("service");
        let state = match simple {
            Simple::Delay { ttft, itl } => State::Delay { ttft, itl, stream, arrivals: 0 },
            Simple::Queue { servers, service } => State::Queue {
                service,
                draws: Box::new(stream.sequence()),
                free: std::iter::repeat_n(Reverse(0), servers as usize).collect(),
            },
        };
        Self { state, latest: Offset::ZERO }
    }

    /// Accepts the next request at `at` and returns the instants of its tokens. A request earlier than a previous
    /// call counts as arriving at the instant of that call.
    pub(super) fn arrive(&mut self, at: Offset) -> Answer {
        let at = at.max(self.latest);
        self.latest = at;
        match &mut self.state {
            State::Delay { ttft, itl, stream, arrivals } => {
                let number = *arrivals;
                *arrivals += 1;
                if ttft.is_constant() && itl.is_constant() {
                    return Answer { first_token: at.plus(ttft.mean()), gaps: Gaps::Even(itl.mean()) };
                }
                let mut generator = Box::new(stream.at(number));
                let first_token = at.plus(Duration::from_nanos(ttft.draw_ns(&mut *generator)));
                let gaps =
                    if itl.is_constant() { Gaps::Even(itl.mean()) } else { Gaps::Drawn { law: *itl, generator } };
                Answer { first_token, gaps }
            }
            State::Queue { service, draws, free } => {
                let service_ns = service.draw_ns(&mut **draws);
                let mut departure = at.plus(Duration::from_nanos(service_ns));
                if let Some(mut earliest) = free.peek_mut() {
                    departure =
                        Offset::from_nanos(earliest.0.max(at.as_nanos())).plus(Duration::from_nanos(service_ns));
                    *earliest = Reverse(departure.as_nanos());
                }
                Answer { first_token: departure, gaps: Gaps::Burst }
            }
        }
    }
}

/// The instants of one request's tokens.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    first_token: Offset,
    gaps: Gaps,
}

#[derive(Debug, Clone)]
enum Gaps {
    /// All tokens at once.
    Burst,
    Even(Duration),
    Drawn {
        law: Law,
        generator: Box<ChaCha8Rng>,
    },
}

impl Answer {
    /// The instant of the first token.
    pub(super) fn first_token(&self) -> Offset {
        self.first_token
    }

    /// Whether all tokens come at once.
    pub(super) fn is_burst(&self) -> bool {
        matches!(self.gaps, Gaps::Burst)
    }

    /// The instants of the tokens, an endless iterator: take as many as the request asked for.
    pub(super) fn instants(self) -> Instants {
        Instants { next: self.first_token, gaps: self.gaps }
    }

    /// A first token at `first_token`, then one token after every `gap`.
    pub(super) fn even(first_token: Offset, gap: Duration) -> Self {
        Self { first_token, gaps: Gaps::Even(gap) }
    }
}

/// The instants of tokens, an endless iterator.
#[derive(Debug, Clone)]
pub(super) struct Instants {
    next: Offset,
    gaps: Gaps,
}

impl Iterator for Instants {
    type Item = Offset;

    fn next(&mut self) -> Option<Offset> {
        let at = self.next;
        match &mut self.gaps {
            Gaps::Burst => {}
            Gaps::Even(gap) => self.next = at.plus(*gap),
            Gaps::Drawn { law, generator } => self.next = at.plus(Duration::from_nanos(law.draw_ns(&mut **generator))),
        }
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::ServiceProfile;
    use crate::sim::service_profile::Skin;

    fn model(text: &str, seed: u64) -> Model {
        match text.parse::<ServiceProfile>().unwrap().0 {
            Skin::Simple(simple) => Model::new(simple, Seed::new(seed)),
            Skin::Engine(_) => unreachable!(),
        }
    }

    fn millis(offset: Offset) -> u64 {
        offset.as_nanos() / 1_000_000
    }

    #[test]
    fn a_delay_never_queues() {
        let mut model = model("delay:ttft=20ms,itl=5ms", 1);
        for _ in 0..3 {
            let instants: Vec<u64> = model.arrive(Offset::from_secs(1.0)).instants().take(3).map(millis).collect();
            assert_eq!(instants, [1_020, 1_025, 1_030]);
        }
    }

    #[test]
    fn a_queue_serves_in_order_of_arrival_on_the_first_free_server() {
        let mut model = model("mdc:servers=2,service=50ms", 1);
        let departures: Vec<u64> = [0u64, 10, 20, 30, 200]
            .into_iter()
            .map(|ms| millis(model.arrive(Offset::from_nanos(ms * 1_000_000)).first_token()))
            .collect();
        assert_eq!(departures, [50, 60, 100, 110, 250]);
    }

    #[test]
    fn the_same_seed_gives_the_same_answers_and_another_seed_others() {
        let answers = |seed: u64| -> Vec<Offset> {
            let mut model = model("delay", seed);
            (0..20).flat_map(|_| model.arrive(Offset::ZERO).instants().take(4).collect::<Vec<_>>()).collect()
        };
        assert_eq!(answers(1), answers(1));
        assert_ne!(answers(1), answers(2));
    }
}
