//! Owns virtual time: plans run against the simulated server in a pure event loop, as a perfect load generator would
//! run them.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::future::Ready;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::metrics::{Concurrency, Course, Ended, Frame, LoadFacts, Summary};
use crate::play::{Issued, LiveCounts, Play, Segment, Steering, StopRule, Trial};
use crate::record::{Exchange, Outcome, Record, Usage};
use crate::seed::Seed;
use crate::sim::engine::{Request, Setup};
use crate::sim::fleet::Fleet;
use crate::sim::flight::{Flight, later};
use crate::sim::local::target;
use crate::sim::model::Answer;
use crate::sim::released::Released;
use crate::sim::service::{Brought, Call, Service};
use crate::sim::station::Station;
use crate::sim::{DEFAULT_OUTPUT_TOKENS, MODEL_NAME, Routing, ServiceProfile};
use crate::units::{Offset, Window};
use crate::workload::{Closed, Load, Plan};

/// Runs `plan` with streamed responses against a new server of `profile`, whose random numbers come from `seed`.
/// Returns the records, sorted by id.
#[must_use]
pub fn run(plan: &Plan, profile: ServiceProfile, seed: Seed) -> Vec<Record> {
    let mut records = Vec::new();
    VirtualPlayer::new(profile, seed).play_into(plan, true, &StopRule::Never, |record| records.push(record));
    records.sort_unstable_by_key(|record| record.id);
    records
}

/// A simulated server, or a fleet of equal servers behind a router. It lasts over many segments of load: queues,
/// prefix caches and the clock continue from the instant at which the last segment stopped issuing.
///
/// An engine's response times depend on later arrivals. Requests that are in flight when a segment stops issuing are
/// settled as if no request came after them. The next segment still finds them in the engine, where they compete with
/// its own requests.
#[derive(Debug)]
pub struct VirtualPlayer {
    fleet: Fleet,
    /// The names of the replicas in records.
    targets: Vec<Arc<str>>,
    model_name: Arc<str>,
    /// The origin of the next segment, on the servers' own clock.
    origin: Offset,
    /// When the last request of all segments settled, on the servers' own clock.
    drained: Offset,
    /// How long after the end of issuing requests are followed.
    drain_most: Duration,
}

/// The result of a segment besides its records. Instants are counted from the segment's origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// The measured window; shortened when the segment was stopped.
    pub window: Window,
    /// When issuing ended; the next segment begins here.
    pub load_end: Offset,
    /// When the last request settled, at least `load_end`.
    pub drain_end: Offset,
    /// How the issuing ended.
    pub ended: Ended,
    /// Requests planned after the instant at which the segment was stopped.
    pub not_due: u64,
    /// The concurrency: requests of this segment in flight.
    pub concurrency: Concurrency,
}

impl VirtualPlayer {
    /// A session of one idle server.
    #[must_use]
    pub fn new(profile: ServiceProfile, seed: Seed) -> Self {
        Self { targets: vec![target(profile)], ..Self::fleet(profile, NonZeroU32::MIN, Routing::RoundRobin, seed) }
    }

    /// A session over a service of the caller's own, in its present state. The service's clock starts now. Records
    /// name it `sim:service`.
    #[must_use]
    pub fn over(service: Box<dyn Service>) -> Self {
        Self {
            fleet: Fleet::of(Brought::new(service)),
            targets: vec!["sim:service".into()],
            model_name: MODEL_NAME.into(),
            origin: Offset::ZERO,
            drained: Offset::ZERO,
            drain_most: Duration::MAX,
        }
    }

    /// A session of `replicas` idle servers of `profile` behind a router. Records name the server that responded:
    /// `sim:small#0`.
    #[must_use]
    pub fn fleet(profile: ServiceProfile, replicas: NonZeroU32, routing: Routing, seed: Seed) -> Self {
        Self {
            fleet: Fleet::new(profile, replicas, routing, seed),
            targets: (0..replicas.get()).map(|number| format!("{}#{number}", target(profile)).into()).collect(),
            model_name: MODEL_NAME.into(),
            origin: Offset::ZERO,
            drained: Offset::ZERO,
            drain_most: Duration::MAX,
        }
    }

    /// Runs `plan` until it ends or `stop` ends it, and follows every request to its end. `stop` is asked at each
    /// arrival before it is sent, and at each completion. Records go to `sink` in order of completion, as a perfect
    /// load generator would write them: sent when scheduled, no connection to open, every instant the server's own.
    pub fn play_into(&mut self, plan: &Plan, streamed: bool, stop: &StopRule, mut sink: impl FnMut(Record)) -> Played {
        let spans = plan.spans();
        let frame = Frame { window: spans.window, load_end: spans.cooldown.end.max(spans.window.end), streamed };
        let steering = Steering::new(stop.clone(), frame, &Arc::default());
        self.play_through(plan, streamed, steering, |told| {
            if let Told::Settled(record) = told {
                sink(record);
            }
        })
        .0
    }

    /// Does the work of `play_into`; `hear` receives every record and every turn of the stop rule, in the order in
    /// which they happen.
    fn play_through(
        &mut self,
        plan: &Plan,
        streamed: bool,
        steering: Steering,
        hear: impl FnMut(Told),
    ) -> (Played, Steering) {
        let names = (self.targets.as_slice(), Arc::clone(&self.model_name));
        let ear = RefCell::new(Ear { steering, hear });
        let released = Released::default();
        let sink = |record| {
            let skipped = released.hear(plan, &record);
            let mut ear = ear.borrow_mut();
            ear.settled(record);
            for record in skipped {
                ear.settled(record);
            }
        };
        let flight = Flight::new(&mut self.fleet, self.origin, streamed, sink);
        let mut playing = Playing { names, plan, streamed, ear: &ear, released: &released, flight };
        let (ended, load_end, mut not_due) = match plan.load() {
            Load::Open(_) => playing.open(),
            Load::Closed(closed) => playing.closed(closed),
        };
        let mut flight = playing.flight;
        let before_drain = flight.fleet().without_clients();
        let until = load_end.plus(self.drain_most);
        while flight.is_before(until) && flight.advance() {}
        flight.let_go(until);
        let (drained, concurrency) = (flight.now(), flight.concurrency());
        // Turns that sessions would have sent after the stop; a closed loop plans none.
        let turns_due = plan.turns().is_some();
        not_due += released
            .turns
            .borrow()
            .iter()
            .filter(|_| turns_due)
            .map(|Reverse((_, id))| plan.requests_from(*id))
            .sum::<u64>();
        if let Some(fleet) = before_drain {
            self.fleet = fleet;
        }
        let drain_end = drained.max(load_end);
        self.drained = self.drained.max(later(self.origin, drain_end));
        self.origin = later(self.origin, load_end);
        let steering = ear.into_inner().steering;
        let mut window = steering.window();
        if ended == Ended::Complete && window.end == Offset::NEVER {
            // A closed loop by count ends when its last request ends.
            window.end = drain_end;
        }
        (Played { window, load_end, drain_end, ended, not_due, concurrency }, steering)
    }
}

/// What the listener receives while a segment runs.
#[expect(
    clippy::large_enum_variant,
    reason = "handed on once, never stored: a box would cost each request an allocation"
)]
enum Told {
    /// A request settled.
    Settled(Record),
    /// The stop rule changed the course of the segment at this instant.
    Turned(Course, Offset),
}

/// The receivers of events: the stop rule first, then `hear`.
struct Ear<F> {
    steering: Steering,
    hear: F,
}

impl<F: FnMut(Told)> Ear<F> {
    fn settled(&mut self, record: Record) {
        self.steering.add(&record);
        (self.hear)(Told::Settled(record));
    }

    fn asked(&mut self, counts: &LiveCounts) -> Course {
        let course = self.steering.ask(counts);
        if course != Course::GoOn {
            (self.hear)(Told::Turned(course, counts.elapsed));
        }
        course
    }
}

impl VirtualPlayer {
    /// Runs `segment` as [`Play::play`] does, and returns its trial at once.
    #[must_use]
    pub fn trial(&mut self, segment: Segment, stop: StopRule) -> Trial {
        self.issue(segment, stop).settling
    }

    /// Like [`Session::trial`], with the counts and the watched state at the end of issuing.
    fn issue(&mut self, segment: Segment, stop: StopRule) -> Issued<Trial> {
        let mut summary = Summary::new(segment.frame(), Arc::clone(&segment.objectives));
        let steering = Steering::new(stop, segment.frame(), &segment.objectives);
        let (played, mut steering) = self.play_through(&segment.plan, segment.streamed, steering, |told| match told {
            Told::Settled(record) => summary.add(&record),
            Told::Turned(course, at) => summary.turn(course, at),
        });
        if segment.plan.spans().window.end == Offset::NEVER {
            summary.end_window_at(played.window.end);
        }
        let (counts, watched) = (steering.counts(), steering.watched());
        let trial = Trial {
            label: segment.label,
            load: LoadFacts::of(&segment.plan),
            drain_end: played.drain_end,
            ended: played.ended,
            not_due: played.not_due,
            due: None,
            concurrency: Some(played.concurrency),
            // In virtual time no bodies are built.
            body_fingerprint: None,
            summary,
            sequence: steering.finish(),
        };
        Issued { counts, watched, settling: trial }
    }
}

impl Play for VirtualPlayer {
    type Settling = Ready<Result<Trial, Error>>;

    /// Moves the origin of the next segment to the instant at which the last request settled. By then the engine has
    /// computed everything it held.
    async fn rest(&mut self) {
        self.origin = self.origin.max(self.drained);
    }

    fn follow_at_most(&mut self, drain: Duration) {
        self.drain_most = drain;
    }

    fn elapsed_s(&self) -> f64 {
        self.origin.as_secs()
    }

    /// In virtual time a segment takes no real time, so its trial is final when this returns.
    async fn play(&mut self, segment: Segment, stop: StopRule) -> Result<Issued<Self::Settling>, Error> {
        let Issued { counts, watched, settling } = self.issue(segment, stop);
        Ok(Issued { counts, watched, settling: std::future::ready(Ok(settling)) })
    }
}

struct Playing<'a, F, E> {
    /// The names of targets and model in records.
    names: (&'a [Arc<str>], Arc<str>),
    plan: &'a Plan,
    streamed: bool,
    ear: &'a RefCell<Ear<E>>,
    released: &'a Released,
    flight: Flight<'a, F>,
}

impl<F: FnMut(Record), E: FnMut(Told)> Playing<'_, F, E> {
    /// Issues the plan of an open loop. Returns how issuing ended, when, and how many planned requests were not
    /// issued.
    fn open(&mut self) -> (Ended, Offset, u64) {
        let mut arrivals = self.plan.share().map(|arrival| (arrival.at, arrival.index)).peekable();
        loop {
            let (planned, released) = (arrivals.peek().copied(), self.released.next());
            let next = planned.into_iter().chain(released).min();
            let in_wait = self.plan.turns().is_some() && self.flight.in_flight() > 0;
            if next.is_none() && !in_wait {
                return (Ended::Complete, self.plan.spans().cooldown.end.max(self.flight.now()), 0);
            }
            // A request that ends before `at` may release an earlier turn.
            let at = next.map_or(Offset::NEVER, |(at, _)| at);
            let stopped = match self.event_before(at) {
                Some(false) => continue,
                Some(true) => true,
                None => {
                    self.flight.pass_to(at);
                    self.asks_to_stop()
                }
            };
            if stopped {
                let not_due = arrivals.map(|(_, id)| self.plan.requests_from(id)).sum();
                return (Ended::Stopped, self.flight.now(), not_due);
            }
            let Some((at, id)) = next else { continue };
            if planned == next {
                arrivals.next();
            } else {
                self.released.turns.borrow_mut().pop();
            }
            self.send(id, at);
        }
    }

    fn closed(&mut self, closed: &Closed) -> (Ended, Offset, u64) {
        // `Offset::NEVER` when the loop ends by count.
        let until = self.plan.spans().cooldown.end;
        let mut begun = 0;
        loop {
            while self.flight.in_flight() >= u64::from(closed.concurrency) && self.flight.advance() {}
            let at = self.flight.now();
            if at >= until {
                return (Ended::Complete, until, 0);
            }
            if let Some(at) = self.stopped_by(at) {
                return (Ended::Stopped, at, 0);
            }
            // The next turn of the session whose turn ended, or the next session.
            let turn = self.released.turns.borrow_mut().pop().map(|Reverse((_, id))| id);
            let id = turn.or_else(|| {
                let place = begun;
                begun += 1;
                (place < closed.most_requests()).then(|| self.plan.begins_at(place, closed.concurrency))
            });
            match id {
                Some(id) => self.send(id, at),
                // A turn that is still answered may have a next one.
                None if self.plan.workload().sessions.is_some() && self.flight.advance() => {}
                None => return (Ended::Complete, self.flight.now(), 0),
            }
        }
    }

    /// Lets time pass until `at`; returns the instant at which the stop rule stopped the segment, if it did.
    fn stopped_by(&mut self, at: Offset) -> Option<Offset> {
        while let Some(stops) = self.event_before(at) {
            if stops {
                return Some(self.flight.now());
            }
        }
        self.flight.pass_to(at);
        self.asks_to_stop().then_some(at)
    }

    /// Handles the next event before `at`, if there is one; returns whether the stop rule then stops the segment.
    fn event_before(&mut self, at: Offset) -> Option<bool> {
        if !self.flight.is_before(at) {
            return None;
        }
        let settled = self.flight.settled();
        self.flight.advance();
        Some(self.flight.settled() > settled && self.asks_to_stop())
    }

    fn asks_to_stop(&self) -> bool {
        self.ear.borrow_mut().asked(&self.flight.counts()) == Course::Stop
    }

    fn send(&mut self, id: u64, at: Offset) {
        self.ear.borrow_mut().steering.came(at);
        let outline = self.plan.outline(id);
        let tokens = given(outline.output_tokens);
        let usage = Usage { input_tokens: outline.input_tokens, output_tokens: tokens, cached_tokens: None };
        let origin_of_all = self.flight.origin();
        let prefix = self.plan.blocks(id, Setup::BLOCK_TOKENS);
        let of_session = if self.plan.workload().sessions.is_some() { outline.session } else { None };
        let key = of_session.or(prefix.ids.first().copied()).or(outline.session);
        let replica = self.flight.fleet().route(later(origin_of_all, at), key);
        let known = match self.flight.fleet().station(replica) {
            Station::Simple(model) => {
                let answer = model.arrive(later(origin_of_all, at));
                Some(if self.streamed {
                    streamed(answer, origin_of_all, at, tokens)
                } else {
                    whole(answer, origin_of_all, tokens)
                })
            }
            Station::Engine(_) | Station::Brought(_) => None,
        };
        let stepped = known.is_none();
        let cancel_after = self.plan.cancelled_after(&outline);
        let record = Record {
            id,
            class: outline.class,
            session: outline.session,
            turn: outline.turn,
            turns: outline.turns,
            origin: self.plan.origin(id),
            scheduled: at,
            asked_input_tokens: outline.input_tokens,
            asked_output_tokens: outline.output_tokens,
            cancel_after,
            target: Arc::clone(&self.names.0[replica]),
            model: Arc::clone(&self.names.1),
            exchange: Exchange {
                sent: Some(at),
                written: Some(at),
                usage: Some(usage),
                status: Some(200),
                finish_reason: Some(if outline.output_tokens == 0 { "stop" } else { "length" }.into()),
                outcome: Outcome::Completed,
                ..known.unwrap_or_default()
            },
        };
        if let Station::Brought(_) = self.flight.fleet().station(replica) {
            self.flight.call(
                record,
                Call { tag: 0, input_tokens: outline.input_tokens, output_tokens: tokens },
                replica,
            );
        } else if stepped {
            let asked = Request::unique(Request::NOBODY, outline.input_tokens, tokens);
            self.flight.ask(
                record,
                Request { blocks: &prefix.ids, block_tokens: prefix.block_tokens, ..asked },
                replica,
            );
        } else {
            self.flight.sent(record, replica);
        }
    }
}

/// Tokens of the response to a request for `asked` tokens; 0 means that the request set no length.
const fn given(asked: u32) -> u32 {
    if asked == 0 { DEFAULT_OUTPUT_TOKENS } else { asked }
}

/// The instants of a streamed response of `tokens` tokens, counted from `origin`.
fn streamed(answer: Answer, origin: Offset, sent: Offset, tokens: u32) -> Exchange {
    let here = |at: Offset| Offset::from_nanos(at.as_nanos() - origin.as_nanos());
    let first = here(answer.first_token());
    let mut exchange = Exchange { first_event: Some(first), ..Exchange::default() };
    if answer.is_burst() {
        exchange.headers = Some(first);
        exchange.first_token = Some(first);
        exchange.first_answer = Some(first);
        exchange.last_token = Some(first);
        exchange.events = tokens;
        exchange.event_gaps_us = vec![0; tokens as usize - 1];
    } else {
        exchange.headers = Some(sent);
        exchange.event_gaps_us.reserve_exact(tokens as usize - 1);
        for at in answer.instants().take(tokens as usize) {
            exchange.note_token_event(here(at), true);
        }
    }
    exchange.ended = exchange.last_token;
    exchange
}

/// The instants of a response that arrives whole with its last token, counted from `origin`.
fn whole(answer: Answer, origin: Offset, tokens: u32) -> Exchange {
    let last =
        if answer.is_burst() { Some(answer.first_token()) } else { answer.instants().take(tokens as usize).last() };
    let ended = last.map(|at| Offset::from_nanos(at.as_nanos() - origin.as_nanos()));
    Exchange { headers: ended, ended, ..Exchange::default() }
}
