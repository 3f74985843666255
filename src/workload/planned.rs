//! Owns `Planned`: the planned instants of a plan, quota and shard applied.

use crate::schedule::{Arrival, Arrivals, Gate};
use crate::units::Shard;
use crate::workload::{Dropped, Removal};

/// Iterator over the planned instants of a plan, quota applied. Each arrival has the number it would have without
/// the quota.
#[derive(Debug)]
pub struct Planned {
    pub(super) arrivals: Option<Arrivals>,
    pub(super) gate: Option<Gate>,
    pub(super) shard: Option<Shard>,
    pub(super) refused: u64,
}

impl Planned {
    /// The requests that the quota has removed so far, from the whole plan.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        if self.refused == 0 { Dropped::new() } else { Dropped::from([(Removal::Quota, self.refused)]) }
    }

    /// The next admitted arrival of the whole plan.
    fn admitted(&mut self) -> Option<Arrival> {
        let arrivals = self.arrivals.as_mut()?;
        let Some(gate) = &mut self.gate else { return arrivals.next() };
        for arrival in arrivals {
            if gate.admits(arrival.at) {
                return Some(arrival);
            }
            self.refused += 1;
        }
        None
    }
}

impl Iterator for Planned {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let arrival = self.admitted()?;
            if self.shard.is_none_or(|shard| shard.takes(arrival.index)) {
                return Some(arrival);
            }
        }
    }
}

impl std::iter::FusedIterator for Planned {}
