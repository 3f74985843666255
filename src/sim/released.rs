//! Owns `Released`: turns of sessions in virtual time, between the end of the previous turn and their own instant.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::record::Record;
use crate::units::Offset;
use crate::workload::{Plan, Sequel};

/// Turns whose previous turn has completed, by the instant of their release.
#[derive(Debug, Default)]
pub(super) struct Released {
    pub(super) turns: RefCell<BinaryHeap<Reverse<(Offset, u64)>>>,
}

impl Released {
    /// Records how a turn ended; returns the records of the turns that its session will not send.
    pub(super) fn hear(&self, plan: &Plan, record: &Record) -> Vec<Record> {
        let ended = record.exchange.ended.unwrap_or(record.scheduled);
        match plan.turns().and_then(|turns| turns.sequel(record.id, &record.exchange.outcome, ended)) {
            Some(Sequel::Release { id, at }) => self.turns.borrow_mut().push(Reverse((at, id))),
            Some(Sequel::Skip(rest)) => return rest.map(|id| plan.skipped(id, record)).collect(),
            Some(Sequel::NotDue(_)) => {}
            None => {
                let next = plan.follows(record.id, &record.exchange.outcome);
                self.turns.borrow_mut().extend(next.map(|id| Reverse((ended, id))));
            }
        }
        Vec::new()
    }

    /// The next released turn: its instant and its id.
    pub(super) fn next(&self) -> Option<(Offset, u64)> {
        self.turns.borrow().peek().map(|Reverse(turn)| *turn)
    }
}
