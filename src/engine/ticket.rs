//! Owns `Ticket`: it guarantees that each request that came due leaves exactly one record, and that its session is
//! told.

use std::sync::Arc;

use crate::engine::segment::Live;
use crate::record::{Exchange, Outcome, Record};
use crate::units::Offset;
use crate::workload::Sequel;

/// One request that has come due. [`Ticket::settle`] consumes it. A ticket dropped unsettled posts `Abandoned`.
#[derive(Debug)]
pub(super) struct Ticket {
    record: Option<Box<Record>>,
    live: Arc<Live>,
    worker: usize,
    sent: Option<Offset>,
}

impl Ticket {
    pub(super) fn new(record: Box<Record>, live: Arc<Live>, worker: usize) -> Self {
        live.gauge.note_due();
        live.note_asked_output(record.asked_output_tokens);
        if let Some(turns) = live.plan.turns() {
            match (turns.is_later(record.id), turns.after(record.id).first().is_none()) {
                (false, false) => live.released.begin_session(),
                (true, true) => live.end_session(),
                (false, true) | (true, false) => {}
            }
        }
        Self { record: Some(record), live, worker, sent: None }
    }

    /// Notes that the send begins now; returns the instant.
    pub(super) fn begin(&mut self) -> Offset {
        let sent = self.live.clock.now();
        self.live.gauge.note_sent(sent);
        self.sent = Some(sent);
        sent
    }

    /// Posts the record of `exchange`.
    pub(super) fn settle(mut self, exchange: Exchange) {
        self.post(exchange);
    }

    /// Posts the record of a request that was never sent.
    pub(super) fn settle_unsent(self, outcome: Outcome) {
        let ended = Some(self.live.clock.now());
        self.settle(Exchange { ended, outcome, ..Exchange::default() });
    }

    fn post(&mut self, exchange: Exchange) {
        if let Some(mut record) = self.record.take() {
            // What was noted when the request was built; `exchange` does not contain it.
            let Exchange { built_late, counted_input_tokens, .. } = record.exchange;
            record.exchange = Exchange { built_late, counted_input_tokens, ..exchange };
            let ended = record.exchange.ended.unwrap_or_else(|| self.live.clock.now());
            let outcome = record.exchange.outcome.clone();
            // The record is posted before the gauge counts it as settled. So when a collector sees no open request,
            // every record and every follow-up turn has already been handed over.
            let skipped = self.follow_up(&record, ended);
            self.live.post(self.worker, record);
            for record in skipped {
                self.live.gauge.note_due();
                self.live.post(self.worker, Box::new(record));
                self.live.gauge.note_settled(ended, false, &Outcome::Skipped);
            }
            self.live.gauge.note_settled(ended, self.sent.is_some(), &outcome);
        }
    }
}

impl Ticket {
    /// Tells the rest of a session how its turn ended. Returns the records of the turns that will be skipped.
    fn follow_up(&self, record: &Record, ended: Offset) -> Vec<Record> {
        let live = &*self.live;
        match live.plan.turns().and_then(|turns| turns.sequel(record.id, &record.exchange.outcome, ended)) {
            None => {}
            Some(Sequel::Release { id, at }) => live.released.add(self.worker, id, at),
            Some(Sequel::NotDue(rest)) => {
                if let Some(next) = rest.first() {
                    live.give_up(next);
                }
            }
            Some(Sequel::Skip(rest)) => {
                live.end_session();
                return rest.map(|id| live.plan.skipped(id, record)).collect();
            }
        }
        Vec::new()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let ended = Some(self.live.clock.now());
        self.post(Exchange { sent: self.sent, ended, outcome: Outcome::Abandoned, ..Exchange::default() });
    }
}
