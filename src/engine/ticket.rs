//! Owns `Ticket`: it guarantees that each request that came due leaves exactly one record, and that its session is
//! told.

use std::sync::Arc;

use crate::engine::released::Turn;
use crate::engine::segment::Live;
use crate::record::{AnswerText, Exchange, Outcome, Record};
use crate::units::Offset;
use crate::workload::{History, Sequel};

/// One request that has come due. [`Ticket::settle`] consumes it. A ticket dropped unsettled posts `Abandoned`.
#[derive(Debug)]
pub(super) struct Ticket {
    record: Option<Box<Record>>,
    live: Arc<Live>,
    worker: usize,
    sent: Option<Offset>,
    /// The answers before it in its session, if the plan keeps them.
    history: History,
    /// In a closed loop: the next turn of its session.
    next: Option<Turn>,
}

impl Ticket {
    pub(super) fn new(record: Box<Record>, history: History, live: Arc<Live>, worker: usize) -> Self {
        live.gauge.note_due(worker);
        live.note_asked_output(record.asked_output_tokens);
        if let Some(turns) = live.plan.turns() {
            match (turns.is_later(record.id), turns.after(record.id).first().is_none()) {
                (false, false) => live.released.begin_session(),
                (true, true) => live.end_session(),
                (false, true) | (true, false) => {}
            }
            if turns.is_later(record.id) {
                live.released.note_came(record.scheduled);
            }
        }
        Self { record: Some(record), live, worker, sent: None, history, next: None }
    }

    /// Notes that the send begins now; returns the instant.
    pub(super) fn begin(&mut self) -> Offset {
        let sent = self.live.clock.now();
        self.live.gauge.note_sent(self.worker, sent);
        self.sent = Some(sent);
        sent
    }

    /// Posts the record of `exchange`. Returns the turn that its slot of a closed loop sends next, if its session goes
    /// on.
    pub(super) fn settle(mut self, exchange: Exchange) -> Option<Turn> {
        self.post(exchange);
        self.next.take()
    }

    /// Posts the record of a request that was never sent.
    pub(super) fn settle_unsent(self, outcome: Outcome) {
        let ended = Some(self.live.clock.now());
        _ = self.settle(Exchange { ended, outcome, ..Exchange::default() });
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
            let skipped = self.follow_up(&mut record, ended);
            self.live.post(self.worker, record);
            for record in skipped {
                self.live.gauge.note_due(self.worker);
                self.live.post(self.worker, Box::new(record));
                self.live.gauge.note_settled(self.worker, ended, false, &Outcome::Skipped);
            }
            self.live.gauge.note_settled(self.worker, ended, self.sent.is_some(), &outcome);
        }
    }
}

impl Ticket {
    /// Tells the rest of a session how its turn ended. Returns the records of the turns that will be skipped.
    fn follow_up(&mut self, record: &mut Record, ended: Offset) -> Vec<Record> {
        let live = Arc::clone(&self.live);
        let answer = if live.plan.keeps_answers() { self.taken(&mut record.exchange) } else { None };
        if let Some(id) = live.plan.follows(record.id, &record.exchange.outcome) {
            let history = self.continued(record, answer.as_deref());
            self.next = Some(Turn { at: ended, id, history });
            return Vec::new();
        }
        match live.plan.turns().and_then(|turns| turns.sequel(record.id, &record.exchange.outcome, ended)) {
            None => {}
            Some(Sequel::Release { id, at }) => {
                let history = self.continued(record, answer.as_deref());
                self.live.released.add(self.worker, Turn { at, id, history });
            }
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

    /// The answers of the session with that of `record`, if the plan keeps them.
    fn continued(&mut self, record: &Record, answer: Option<&AnswerText>) -> History {
        let mut history = std::mem::take(&mut self.history);
        if self.live.plan.keeps_answers() {
            // The server counts reasoning, too, which the conversation leaves out.
            let is_whole = answer.is_some_and(|text| text.answer_from == Some(0));
            let tokens = record.exchange.server_output_tokens().filter(|_| is_whole);
            // A session of a closed loop may begin in the middle, after planned answers.
            history.begin_at(record.turn.unwrap_or(0) as usize);
            history.push(answer.map_or(&[], AnswerText::answer), tokens);
        }
        history
    }

    /// The text of the answer. It stays in `exchange`, too, if a tokenizer is to count it.
    fn taken(&self, exchange: &mut Exchange) -> Option<Box<AnswerText>> {
        if self.live.plan.workload().tokenizer.is_some() { exchange.text.clone() } else { exchange.text.take() }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let ended = Some(self.live.clock.now());
        self.post(Exchange { sent: self.sent, ended, outcome: Outcome::Abandoned, ..Exchange::default() });
    }
}
