//! Owns virtual time: plans played against the model in a pure event loop, as a perfect generator would see them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::metrics::{Concurrency, Ended, LiveCounts, StopRule};
use crate::record::{Exchange, Origin, Outcome, Record, Usage};
use crate::schedule::Extent;
use crate::seed::Seed;
use crate::sim::local::target;
use crate::sim::{Answer, DEFAULT_OUTPUT_TOKENS, MODEL_NAME, Model, Profile};
use crate::units::{Offset, Window};
use crate::workload::{Closed, Load, Plan};

/// Plays `plan` against a fresh server of `profile` whose draws come from `seed`; gives the records by id.
#[must_use]
pub fn run(plan: &Plan, profile: Profile, seed: Seed) -> Vec<Record> {
    let mut records = Vec::new();
    Session::new(profile, seed).play_into(plan, &StopRule::Never, |record| records.push(record));
    records
}

/// A simulated server that outlives any one segment of load: its queue and its clock go on where the last segment stopped issuing.
#[derive(Debug)]
pub struct Session {
    model: Model,
    target: Arc<str>,
    model_name: Arc<str>,
    /// Origin of the next segment, on the model's own clock.
    origin: Offset,
}

/// What a segment showed beside its records. Instants are counted from the segment's origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// The measured window, cut short when the segment was.
    pub window: Window,
    /// When issuing ended; the next segment begins here.
    pub load_end: Offset,
    /// When the last request settled, at least `load_end`.
    pub drain_end: Offset,
    /// How the issuing ended.
    pub ended: Ended,
    /// Planned after the instant at which the segment was cut short.
    pub not_due: u64,
    /// Requests of this segment in flight.
    pub concurrency: Concurrency,
}

impl Session {
    /// A server at rest.
    #[must_use]
    pub fn new(profile: Profile, seed: Seed) -> Self {
        Self { model: Model::new(profile, seed), target: target(profile), model_name: MODEL_NAME.into(), origin: Offset::ZERO }
    }

    /// Plays `plan` until it ends or `stop` says so (asked at each arrival, before it is sent, and at each completion), and follows
    /// every request to its end. Records go to `sink` in order of release, as a perfect generator would leave them: sent when scheduled,
    /// no connection to open, every instant the model's own.
    pub fn play_into(&mut self, plan: &Plan, stop: &StopRule, sink: impl FnMut(Record)) -> Played {
        let mut segment = Segment { session: self, plan, stop, sink, flight: Flight::default() };
        let (ended, load_end, not_due) = match plan.load() {
            Load::Open(_) => segment.open(),
            Load::Closed(closed) => segment.closed(closed),
        };
        let flight = segment.flight.drained();
        self.origin = later(self.origin, load_end);
        let drain_end = flight.now.max(load_end);
        let mut window = plan.spans().window;
        if ended == Ended::Stopped {
            window = Window { start: window.start.min(load_end), end: window.end.min(load_end) };
        } else if window.end == Offset::NEVER {
            // A closed loop by count is over when its last request is.
            window.end = drain_end;
        }
        Played { window, load_end, drain_end, ended, not_due, concurrency: flight.concurrency() }
    }
}

fn later(origin: Offset, offset: Offset) -> Offset {
    Offset::from_nanos(origin.as_nanos().saturating_add(offset.as_nanos()))
}

struct Segment<'a, F> {
    session: &'a mut Session,
    plan: &'a Plan,
    stop: &'a StopRule,
    sink: F,
    flight: Flight,
}

impl<F: FnMut(Record)> Segment<'_, F> {
    /// How issuing ended, when, and how many planned requests it left out.
    fn open(&mut self) -> (Ended, Offset, u64) {
        let mut arrivals = self.plan.arrivals();
        while let Some(arrival) = arrivals.next() {
            if let Some(at) = self.stopped_by(arrival.at) {
                return (Ended::Stopped, at, 1 + arrivals.count() as u64);
            }
            self.send(arrival.index, arrival.at, Origin::Planned);
        }
        (Ended::Complete, self.plan.spans().cooldown.end.max(self.flight.now), 0)
    }

    fn closed(&mut self, closed: &Closed) -> (Ended, Offset, u64) {
        let (most, until) = match closed.extent {
            Extent::Requests(count) => (count, Offset::NEVER),
            Extent::Duration(_) => (u64::MAX, self.plan.spans().cooldown.end),
        };
        for id in 0..most {
            if id >= u64::from(closed.concurrency) {
                self.flight.settle_next();
            }
            let at = self.flight.now;
            if at >= until {
                return (Ended::Complete, until, 0);
            }
            if let Some(at) = self.stopped_by(at) {
                return (Ended::Stopped, at, 0);
            }
            self.send(id, at, Origin::Released);
        }
        (Ended::Complete, self.flight.now, 0)
    }

    /// Lets time pass until `at`; the instant at which the rule asked to stop, if it did.
    fn stopped_by(&mut self, at: Offset) -> Option<Offset> {
        while self.flight.open.peek().is_some_and(|Reverse(ended)| *ended <= at) {
            self.flight.settle_next();
            if self.asks_to_stop() {
                return Some(self.flight.now);
            }
        }
        self.flight.pass_to(at);
        self.asks_to_stop().then_some(at)
    }

    fn asks_to_stop(&self) -> bool {
        match self.stop {
            StopRule::Never => false,
            StopRule::When(rule) => rule(&self.flight.counts()),
        }
    }

    fn send(&mut self, id: u64, at: Offset, origin: Origin) {
        let outline = self.plan.outline(id);
        let answer = self.session.model.arrive(later(self.session.origin, at));
        let exchange = exchange(answer, self.session.origin, at, outline.input_tokens, outline.output_tokens);
        self.flight.sent(exchange.ended.unwrap_or(at));
        (self.sink)(Record {
            id,
            class: outline.class,
            session: outline.session,
            turn: outline.turn,
            origin,
            scheduled: at,
            asked_input_tokens: outline.input_tokens,
            asked_output_tokens: outline.output_tokens,
            target: Arc::clone(&self.session.target),
            model: Arc::clone(&self.session.model_name),
            exchange,
        });
    }
}

/// What a perfect generator notes of an answer. A server at rest asked for no length gives [`DEFAULT_OUTPUT_TOKENS`].
fn exchange(answer: Answer, origin: Offset, sent: Offset, input_tokens: u32, asked: u32) -> Exchange {
    let here = |at: Offset| Offset::from_nanos(at.as_nanos() - origin.as_nanos());
    let tokens = if asked == 0 { DEFAULT_OUTPUT_TOKENS } else { asked };
    let first = here(answer.first_token());
    let burst = answer.is_burst();
    let mut exchange = Exchange {
        sent: Some(sent),
        written: Some(sent),
        headers: Some(if burst { first } else { sent }),
        first_event: Some(first),
        usage: Some(Usage { input_tokens, output_tokens: tokens, cached_tokens: None }),
        status: Some(200),
        finish_reason: Some(if asked == 0 { "stop" } else { "length" }.into()),
        outcome: Outcome::Completed,
        ..Exchange::default()
    };
    if burst {
        exchange.first_token = Some(first);
        exchange.first_answer = Some(first);
        exchange.last_token = Some(first);
        exchange.events = tokens;
        exchange.event_gaps_us = vec![0; tokens as usize - 1];
    } else {
        exchange.event_gaps_us.reserve_exact(tokens as usize - 1);
        answer.instants().take(tokens as usize).for_each(|at| exchange.note_token_event(here(at), true));
    }
    exchange.ended = exchange.last_token;
    exchange
}

/// The requests of one segment in flight, counted event by event.
#[derive(Debug, Default)]
struct Flight {
    now: Offset,
    /// When each request in flight ends, earliest first.
    open: BinaryHeap<Reverse<Offset>>,
    sent: u64,
    completed: u64,
    peak: usize,
    /// ∫ requests in flight dt, in request-nanoseconds.
    integral: u128,
}

impl Flight {
    fn pass_to(&mut self, at: Offset) {
        self.integral += self.open.len() as u128 * at.since(self.now).as_nanos();
        self.now = self.now.max(at);
    }

    fn sent(&mut self, ends: Offset) {
        self.open.push(Reverse(ends));
        self.sent += 1;
        self.peak = self.peak.max(self.open.len());
    }

    fn settle_next(&mut self) {
        if let Some(Reverse(at)) = self.open.peek().copied() {
            self.pass_to(at);
            self.open.pop();
            self.completed += 1;
        }
    }

    fn drained(mut self) -> Self {
        while !self.open.is_empty() {
            self.settle_next();
        }
        self
    }

    fn counts(&self) -> LiveCounts {
        LiveCounts {
            elapsed: self.now,
            due: self.sent,
            sent: self.sent,
            completed: self.completed,
            missed: 0,
            in_flight: self.open.len() as u64,
        }
    }

    fn concurrency(&self) -> Concurrency {
        Concurrency { peak: self.peak as u64, integral_s: self.integral as f64 / 1e9 }
    }
}
