//! Owns `ArrivalStream` and `Superposed`: several streams of arrivals merged in the order of their instants.

use serde::{Deserialize, Serialize};

use crate::schedule::curve::Walk;
use crate::schedule::gaps::UnitArrivals;
use crate::schedule::{Curve, Process};
use crate::seed::Seed;
use crate::units::Offset;

/// One of several streams of arrivals of a load: its law, and its share of the rate, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ArrivalStream {
    /// The law of its gaps.
    pub process: Process,
    /// Its share of the rate of the load.
    pub share: f64,
}

/// The arrivals of several streams, each of its share of one rate over time.
#[derive(Debug, Clone)]
pub(super) struct Superposed {
    streams: Vec<Merged>,
    /// The number of the last arrival: arrival j of stream s of S has the number jS + s.
    pub(super) number: u64,
}

/// One stream, with its next arrival.
#[derive(Debug, Clone)]
struct Merged {
    unit: UnitArrivals,
    walk: Walk,
    share: f64,
    next: Offset,
    index: u64,
}

impl Merged {
    fn advance(&mut self) {
        self.next = self.walk.instant(self.unit.advance() / self.share);
        self.index += 1;
    }
}

impl Superposed {
    /// `streams` of `curve`, stream s drawn from the stream `arrivals/s` of `seed`.
    pub(super) fn new(streams: &[ArrivalStream], curve: &Curve, seed: Seed) -> Self {
        let merged = |(place, stream): (usize, &ArrivalStream)| {
            let draws = seed.stream(&format!("arrivals/{place}")).sequence();
            let (unit, walk) = (UnitArrivals::new(stream.process, draws), curve.walk());
            let mut merged = Merged { unit, walk, share: stream.share, next: Offset::NEVER, index: 0 };
            merged.next = merged.walk.instant(merged.unit.advance() / merged.share);
            merged
        };
        Self { streams: streams.iter().enumerate().map(merged).collect(), number: 0 }
    }

    /// The next instant of all streams.
    pub(super) fn advance(&mut self) -> Offset {
        let count = self.streams.len() as u64;
        let earliest = self.streams.iter_mut().zip(0..).min_by_key(|(stream, _)| stream.next);
        let Some((stream, place)) = earliest else { return Offset::NEVER };
        let at = stream.next;
        self.number = stream.index * count + place;
        stream.advance();
        at
    }
}
