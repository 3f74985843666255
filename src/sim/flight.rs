//! Owns `Flight`: the requests of one segment in virtual time, from event to event.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::metrics::Concurrency;
use crate::play::LiveCounts;
use crate::record::{Exchange, Failure, FailureClass, Outcome, Record};
use crate::sim::engine::{Request, Token};
use crate::sim::fleet::Fleet;
use crate::sim::service::{Call, Reply};
use crate::sim::station::Station;
use crate::units::Offset;

/// The requests of one segment in flight, counted event by event. Instants are the segment's own.
pub(super) struct Flight<'a, F> {
    fleet: &'a mut Fleet,
    /// Where the segment begins on the servers' clock.
    origin: Offset,
    streamed: bool,
    now: Offset,
    /// The end of each request whose end is known, and the place of its record; earliest first.
    open: BinaryHeap<Reverse<(Offset, usize)>>,
    /// When the plan cancels requests whose end is not known, with their places and ids; earliest first. A request that
    /// ended before is still in it.
    cancels: BinaryHeap<Reverse<(Offset, usize, u64)>>,
    /// The place of a record is its tag in the engine.
    records: Vec<Option<Record>>,
    /// The replica of each place.
    replicas: Vec<usize>,
    free: Vec<usize>,
    /// Responses that a caller's service reported in one step; empty between steps.
    told: Vec<(usize, Reply)>,
    sink: F,
    sent: u64,
    completed: u64,
    missed: u64,
    peak: u64,
    /// ∫ requests in flight dt, in request-nanoseconds.
    integral: u128,
}

impl<'a, F: FnMut(Record)> Flight<'a, F> {
    pub(super) fn new(fleet: &'a mut Fleet, origin: Offset, streamed: bool, sink: F) -> Self {
        Self {
            fleet,
            origin,
            streamed,
            now: Offset::ZERO,
            open: BinaryHeap::new(),
            cancels: BinaryHeap::new(),
            records: Vec::new(),
            replicas: Vec::new(),
            free: Vec::new(),
            told: Vec::new(),
            sink,
            sent: 0,
            completed: 0,
            missed: 0,
            peak: 0,
            integral: 0,
        }
    }

    pub(super) fn now(&self) -> Offset {
        self.now
    }

    pub(super) fn origin(&self) -> Offset {
        self.origin
    }

    pub(super) fn fleet(&mut self) -> &mut Fleet {
        self.fleet
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.sent - self.settled()
    }

    pub(super) fn settled(&self) -> u64 {
        self.completed + self.missed
    }

    /// Lets time pass to `at`; the caller makes sure that no event comes before.
    pub(super) fn pass_to(&mut self, at: Offset) {
        self.integral += u128::from(self.in_flight()) * at.since(self.now).as_nanos();
        self.now = self.now.max(at);
    }

    fn next_end(&self) -> Option<Offset> {
        self.open.peek().map(|Reverse((ends, _))| *ends)
    }

    /// The next event of a replica and its replica; an event before the segment's origin counts as at the origin.
    fn next_step(&self) -> Option<(Offset, usize)> {
        let (at, replica) = self.fleet.next_event()?;
        Some((Offset::from_nanos(at.as_nanos().saturating_sub(self.origin.as_nanos())), replica))
    }

    /// The next cancellation of a request in flight.
    fn next_cancel(&mut self) -> Option<Offset> {
        while let Some(Reverse((at, place, id))) = self.cancels.peek().copied() {
            if self.records[place].as_ref().is_some_and(|record| record.id == id) {
                return Some(at);
            }
            self.cancels.pop();
        }
        None
    }

    /// The next instant at which a request ends: by its answer, or because the plan cancels it.
    fn next_leave(&mut self) -> Option<Offset> {
        [self.next_end(), self.next_cancel()].into_iter().flatten().min()
    }

    /// Whether an event comes before an arrival at `at`. A request that ends at `at` ends before the arrival; a step
    /// that begins or ends at `at` comes after it.
    pub(super) fn is_before(&mut self, at: Offset) -> bool {
        self.next_leave().is_some_and(|ends| ends <= at) || self.next_step().is_some_and(|(step, _)| step < at)
    }

    /// Handles the next event; returns false when there is none.
    pub(super) fn advance(&mut self) -> bool {
        match (self.next_leave(), self.next_step()) {
            (None, None) => return false,
            (None, Some(step)) => self.step(step),
            (Some(ends), step) => {
                if let Some(step) = step.filter(|(step, _)| *step < ends) {
                    self.step(step);
                } else {
                    self.settle_next(ends);
                }
            }
        }
        true
    }

    fn settle_next(&mut self, ends: Offset) {
        self.pass_to(ends);
        if self.next_end() != Some(ends) {
            if let Some(Reverse((_, place, _))) = self.cancels.pop() {
                self.cancel(place);
            }
            return;
        }
        if let Some(Reverse((_, place))) = self.open.pop() {
            self.settle(place);
        }
    }

    /// Cancels the request at `place`. Its engine stops working for it; a service of the caller's own is not told, and
    /// the place stays taken until it answers.
    fn cancel(&mut self, place: usize) {
        let Some(mut record) = self.records[place].take() else { return };
        cut(&mut record.exchange, self.now, Outcome::Cancelled);
        let replica = self.replicas[place];
        if let Station::Engine(engine) = self.fleet.station(replica) {
            engine.cancel(place as u64);
            self.free.push(place);
        }
        self.missed += 1;
        (self.sink)(record);
    }

    fn settle(&mut self, place: usize) {
        self.free.push(place);
        if let Some(record) = self.records[place].take() {
            if record.exchange.outcome == Outcome::Completed {
                self.completed += 1;
            } else {
                self.missed += 1;
            }
            (self.sink)(record);
        }
    }

    fn step(&mut self, (at, replica): (Offset, usize)) {
        self.pass_to(at);
        if let Station::Brought(_) = self.fleet.station(replica) {
            let mut told = std::mem::take(&mut self.told);
            self.fleet.advance_brought(replica, |place, reply| told.push((place as usize, reply)));
            for (place, reply) in told.drain(..) {
                self.answered(place, reply);
            }
            self.told = told;
            return;
        }
        let mut ended = Vec::new();
        let (records, streamed) = (&mut self.records, self.streamed);
        self.fleet.advance(replica, |token, cached| {
            let place = token.tag as usize;
            if let Some(record) = records.get_mut(place).and_then(Option::as_mut) {
                note(record, at, &token, streamed, cached);
                if token.last {
                    ended.push(place);
                }
            }
        });
        for place in ended {
            self.settle(place);
        }
    }

    fn place(&mut self, record: Record, replica: usize) -> usize {
        self.sent += 1;
        self.peak = self.peak.max(self.in_flight());
        let leaves = record.cancel_after.map(|after| (record.scheduled.plus(after), record.id));
        let place = if let Some(place) = self.free.pop() {
            (self.records[place], self.replicas[place]) = (Some(record), replica);
            place
        } else {
            self.records.push(Some(record));
            self.replicas.push(replica);
            self.records.len() - 1
        };
        if let Some((at, id)) = leaves {
            self.cancels.push(Reverse((at, place, id)));
        }
        place
    }

    /// Sends a request whose end is known to `replica`.
    pub(super) fn sent(&mut self, mut record: Record, replica: usize) {
        let mut ends = record.exchange.ended.unwrap_or(record.scheduled);
        if let Some(at) = record.cancel_after.map(|after| record.scheduled.plus(after)).filter(|at| *at < ends) {
            cut(&mut record.exchange, at, Outcome::Cancelled);
            ends = at;
        }
        self.fleet.leaves(replica, later(self.origin, ends));
        let place = self.place(record, replica);
        self.open.push(Reverse((ends, place)));
    }

    /// Sends a request to the engine `replica`. A request that can never fit into the engine is refused at once.
    pub(super) fn ask(&mut self, record: Record, request: Request<'_>, replica: usize) {
        let at = record.scheduled;
        let place = self.place(record, replica);
        let Station::Engine(engine) = self.fleet.station(replica) else { return };
        let answer = engine.arrive(later(self.origin, at), Request { tag: place as u64, ..request });
        let Some(record) = self.records[place].as_mut() else { return };
        if answer.is_err() {
            let exchange = &mut record.exchange;
            exchange.status = Some(400);
            exchange.usage = None;
            exchange.finish_reason = None;
            exchange.outcome = Outcome::Failed(Failure::new(FailureClass::Status, "status 400"));
            (exchange.headers, exchange.ended) = (Some(at), Some(at));
            self.open.push(Reverse((at, place)));
        } else if self.streamed {
            record.exchange.headers = Some(at);
            record.exchange.event_gaps_us.reserve_exact(request.output_tokens.saturating_sub(1) as usize);
        }
    }

    /// Sends a request to the caller's service `replica`.
    pub(super) fn call(&mut self, record: Record, call: Call, replica: usize) {
        let at = record.scheduled;
        let place = self.place(record, replica);
        let Station::Brought(brought) = self.fleet.station(replica) else { return };
        if let Some(reply) = brought.arrive(later(self.origin, at), Call { tag: place as u64, ..call }) {
            self.answered(place, reply);
        }
    }

    /// Writes the response to the request at `place` into its record, and settles the request at that instant.
    fn answered(&mut self, place: usize, reply: Reply) {
        let (origin, now) = (self.origin, self.now);
        if let Some(record) = self.records.get_mut(place).and_then(Option::as_mut) {
            // No response comes before its request. A failure takes at least `REFUSAL`; otherwise a closed loop
            // against a service that refuses at once would never advance.
            let least = if reply.is_failure() { record.scheduled.max(now).plus(REFUSAL) } else { record.scheduled };
            write_reply(
                record,
                reply.at(|at| Offset::from_nanos(at.as_nanos().saturating_sub(origin.as_nanos())).max(least)),
                self.streamed,
            );
            self.open.push(Reverse((record.exchange.ended.unwrap_or(now), place)));
        } else {
            // It was cancelled before.
            self.free.push(place);
        }
    }

    /// Ends every open request at `until` as unresolved, as a client does at the end of its drain time.
    pub(super) fn let_go(&mut self, until: Offset) {
        if self.in_flight() == 0 {
            return;
        }
        self.pass_to(until);
        for place in 0..self.records.len() {
            if let Some(mut record) = self.records[place].take() {
                cut(&mut record.exchange, self.now, Outcome::Unresolved);
                self.missed += 1;
                (self.sink)(record);
            }
        }
    }

    pub(super) fn counts(&self) -> LiveCounts {
        LiveCounts {
            elapsed: self.now,
            due: self.sent,
            sent: self.sent,
            completed: self.completed,
            missed: self.missed,
            in_flight: self.in_flight(),
        }
    }

    pub(super) fn concurrency(&self) -> Concurrency {
        Concurrency { peak: self.peak, integral_s: self.integral as f64 / 1e9 }
    }
}

/// The instant `offset` of a segment that begins at `origin`, on the servers' clock.
pub(super) fn later(origin: Offset, offset: Offset) -> Offset {
    Offset::from_nanos(origin.as_nanos().saturating_add(offset.as_nanos()))
}

/// The shortest time of a failed request, 1 µs: it keeps a closed loop advancing when a service refuses at once.
const REFUSAL: Duration = Duration::from_micros(1);

/// Cuts a response off at `at`: nothing that comes later was seen.
fn cut(exchange: &mut Exchange, at: Offset, outcome: Outcome) {
    let seen = |instant: Option<Offset>| instant.filter(|instant| *instant <= at);
    exchange.headers = seen(exchange.headers);
    exchange.first_event = seen(exchange.first_event);
    exchange.first_answer = seen(exchange.first_answer);
    if let Some(first) = exchange.first_token {
        let mut last = first;
        let mut is_seen = |gap_us: &u32| {
            let next = last.plus(Duration::from_micros(u64::from(*gap_us)));
            let is_seen = next <= at;
            if is_seen {
                last = next;
            }
            is_seen
        };
        let later = exchange.event_gaps_us.iter().take_while(|gap_us| is_seen(gap_us)).count();
        let events = if first <= at { later + 1 } else { 0 };
        exchange.event_gaps_us.truncate(events.saturating_sub(1));
        exchange.events = events as u32;
        exchange.last_token = seen(exchange.last_token).or(Some(last)).filter(|_| events > 0);
        exchange.first_token = seen(exchange.first_token);
    }
    (exchange.usage, exchange.finish_reason) = (None, None);
    (exchange.ended, exchange.outcome) = (Some(at), outcome);
}

/// Writes a response into the record of its request, as a perfect load generator would see it.
fn write_reply(record: &mut Record, reply: Reply, streamed: bool) {
    let tokens = record.exchange.usage.map_or(1, |usage| usage.output_tokens.max(1));
    let exchange = &mut record.exchange;
    let Reply { first, last, status } = reply;
    exchange.ended = Some(last);
    if reply.is_failure() {
        (exchange.status, exchange.usage, exchange.finish_reason) = (Some(status), None, None);
        exchange.outcome = Outcome::Failed(Failure::new(FailureClass::Status, format!("status {status}")));
        exchange.headers = Some(last);
        return;
    }
    exchange.status = Some(status);
    if !streamed {
        exchange.headers = Some(last);
        return;
    }
    let first = if tokens == 1 { last } else { first.min(last) };
    exchange.headers = Some(first);
    (exchange.first_event, exchange.first_token, exchange.first_answer) = (Some(first), Some(first), Some(first));
    (exchange.last_token, exchange.events) = (Some(last), tokens);
    let (gaps, span_ns) = (u64::from(tokens - 1), last.as_nanos() - first.as_nanos());
    let micros = |gap: u64| {
        (first.as_nanos() + (u128::from(span_ns) * u128::from(gap) / u128::from(gaps.max(1))) as u64) / 1_000
    };
    let gap_us = |gap: u64| u32::try_from(micros(gap + 1) - micros(gap)).unwrap_or(u32::MAX);
    exchange.event_gaps_us = (0..gaps).map(gap_us).collect();
}

/// Writes a token that comes at `at` into its record, as a perfect load generator would see it.
fn note(record: &mut Record, at: Offset, token: &Token, streamed: bool, cached: bool) {
    let exchange = &mut record.exchange;
    if streamed {
        exchange.first_event = exchange.first_event.or(Some(at));
        exchange.note_token_event(at, true);
    }
    if token.last {
        exchange.ended = Some(at);
        if !streamed {
            exchange.headers = Some(at);
        }
        if let Some(usage) = exchange.usage.as_mut().filter(|_| cached) {
            usage.cached_tokens = Some(token.cached_tokens);
        }
    }
}
