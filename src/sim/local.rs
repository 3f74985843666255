//! Owns `ModelClient`: the simulated server as a client without sockets, for tests of the run engine under a paused
//! clock.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::client::{Client, Departure, Route};
use crate::clock::RunClock;
use crate::record::{Exchange, Failure, FailureClass, Outcome, Usage};
use crate::seed::Seed;
use crate::sim::engine::Request;
use crate::sim::fault::{Break, Fate, Faults, Instead};
use crate::sim::live::{Coming, ServerDesk};
use crate::sim::{DEFAULT_OUTPUT_TOKENS, InjectedFault, MODEL_NAME, ServiceProfile};
use crate::units::Offset;
use crate::workload::{Outline, RequestSpec};

/// Answers calls from a simulated server after tokio sleeps (whole milliseconds). Faults hit requests by order of
/// sending, as over sockets, and give the outcome that an HTTP client would see. `split`, `no-role`, `no-done` and
/// the bytes of `garbage` have no effect here, because there are no bytes.
pub struct ModelClient {
    desk: ServerDesk,
    faults: Faults,
    sequence: Cell<u64>,
    /// The server's own clock: the clock of the first segment, which continues through later segments.
    own: OnceCell<RunClock>,
}

/// What [`ModelClient`] needs to encode a call: only the route that records show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTarget {
    route: Route,
}

/// A call of [`ModelClient`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCall {
    outline: Outline,
    /// The prompt that a body would hold; only fingerprints read it.
    prompt: String,
    route: Route,
}

impl LocalTarget {
    /// The simulated server `profile`, written `sim:small`.
    #[must_use]
    pub fn new(profile: ServiceProfile) -> Self {
        Self { route: Route { target: target(profile), model: Arc::from(MODEL_NAME) } }
    }
}

/// The name of a simulated target in records.
pub(super) fn target(profile: ServiceProfile) -> Arc<str> {
    format!("sim:{profile}").into()
}

impl ModelClient {
    /// A client of a new simulated server.
    #[must_use]
    pub fn new(profile: ServiceProfile, faults: &[InjectedFault], seed: Seed) -> Self {
        Self {
            desk: ServerDesk::new(profile, seed),
            faults: Faults::new(faults, seed),
            sequence: Cell::new(0),
            own: OnceCell::new(),
        }
    }

    /// Waits until `at` on the server's own clock; returns the instant on the caller's clock.
    async fn until(&self, clock: RunClock, at: Offset) -> Offset {
        tokio::time::sleep_until(self.own(clock).instant(at)).await;
        clock.now()
    }

    fn own(&self, clock: RunClock) -> RunClock {
        *self.own.get_or_init(|| clock)
    }

    /// The instant of token number `token`. No task drives an engine here: the caller that waits for the token
    /// advances the engine.
    async fn reach(&self, coming: &mut Coming, token: u32, clock: RunClock) -> Offset {
        loop {
            if let Some(at) = coming.at(token) {
                return at;
            }
            let Some((live, at)) = self.desk.engine().and_then(|live| Some((live, live.next_event()?))) else {
                return std::future::pending().await;
            };
            self.until(clock, at).await;
            live.advance_to(self.own(clock).now());
        }
    }

    async fn answer(&self, call: &LocalCall, fate: &Fate, clock: RunClock, exchange: &mut Exchange) -> Outcome {
        let due = |at: Offset| self.faults.held(at.plus(fate.delay));
        exchange.written = Some(clock.now());
        let arrived = self.own(clock).now();
        match fate.instead {
            Some(Instead::Nothing) => return std::future::pending().await,
            Some(Instead::Garbage) => return failed(FailureClass::Malformed, "not HTTP"),
            Some(Instead::Status(status)) => {
                exchange.headers = Some(self.until(clock, due(arrived)).await);
                exchange.status = Some(status);
                return failed(FailureClass::Status, format!("status {status}"));
            }
            None => {}
        }
        let asked = if call.outline.output_tokens == 0 { DEFAULT_OUTPUT_TOKENS } else { call.outline.output_tokens };
        let Ok(coming) = self.desk.arrive(arrived, Request::unique(Request::NOBODY, call.outline.input_tokens, asked))
        else {
            exchange.headers = Some(self.until(clock, due(arrived)).await);
            exchange.status = Some(400);
            return failed(FailureClass::Status, "status 400");
        };
        let mut coming = if fate.never_ends { coming.endless() } else { coming };
        let head_at = coming.planned_first_token().filter(|_| coming.is_burst()).unwrap_or(arrived);
        exchange.headers = Some(self.until(clock, due(head_at)).await);
        exchange.status = Some(200);
        let tokens = match fate {
            Fate { never_ends: true, .. } => u32::MAX,
            Fate { empty: true, .. } => 0,
            _ => asked,
        };
        let breaks = fate.breaks.filter(|(after, _)| *after <= tokens);
        let limit = breaks.map_or(tokens, |(after, _)| after);
        let first = self.reach(&mut coming, 1, clock).await;
        exchange.first_event = Some(self.until(clock, due(first)).await);
        let mut seen = 0;
        while seen < limit {
            let event = fate.tokens_per_event.min(limit - seen);
            seen += event;
            let at = self.reach(&mut coming, seen, clock).await;
            exchange.note_token_event(self.until(clock, due(at)).await, seen > fate.reasoning);
            exchange.event_tokens.push(event);
        }
        if let Some((_, how)) = breaks {
            return match how {
                Break::Cut => failed(FailureClass::Truncated, "the stream ended without a finish reason"),
                Break::Drop | Break::Reset => failed(FailureClass::Reset, "the connection broke"),
                Break::Error => failed(FailureClass::StreamError, "injected fault"),
                Break::Malformed => failed(FailureClass::Malformed, "an event is not JSON"),
            };
        }
        exchange.finish_reason = Some(if call.outline.output_tokens == 0 { "stop" } else { "length" }.into());
        if !fate.no_usage {
            exchange.usage = Some(Usage {
                input_tokens: call.outline.input_tokens,
                output_tokens: tokens,
                cached_tokens: coming.cached_tokens(),
            });
        }
        if tokens == 0 { failed(FailureClass::Empty, "no token") } else { Outcome::Completed }
    }
}

fn failed(class: FailureClass, text: impl AsRef<str>) -> Outcome {
    Outcome::Failed(Failure::new(class, text))
}

impl Client for ModelClient {
    type Call = LocalCall;
    type Encoder = LocalTarget;

    fn prepare(encoder: &LocalTarget, spec: RequestSpec) -> LocalCall {
        LocalCall { outline: spec.outline.clone(), route: encoder.route.clone(), prompt: spec.into_prompt() }
    }

    fn body(call: &LocalCall) -> &[u8] {
        call.prompt.as_bytes()
    }

    fn route(call: &LocalCall) -> Route {
        call.route.clone()
    }

    /// Does nothing: there is no connection to reserve.
    fn reserve(self: &Rc<Self>, _call: &LocalCall) {}

    async fn send(self: Rc<Self>, call: LocalCall, clock: RunClock, departure: &Departure, exchange: &mut Exchange) {
        departure.left().await;
        let sequence = self.sequence.replace(self.sequence.get() + 1);
        exchange.outcome = if self.faults.refuses(sequence) {
            failed(FailureClass::Reset, "the connection was reset")
        } else {
            let fate = self.faults.fate(sequence);
            self.answer(&call, &fate, clock, exchange).await
        };
        exchange.ended = Some(clock.now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn call(output_tokens: u32) -> LocalCall {
        let profile = "delay:ttft=20ms,itl=5ms".parse().unwrap();
        let outline = Outline::single(0, 7, output_tokens);
        ModelClient::prepare(&LocalTarget::new(profile), RequestSpec::of_text(outline, String::new()))
    }

    async fn exchange(fault: Option<&str>) -> Exchange {
        let faults: Vec<InjectedFault> = fault.iter().map(|text| text.parse().unwrap()).collect();
        let client = Rc::new(ModelClient::new("delay:ttft=20ms,itl=5ms".parse().unwrap(), &faults, Seed::new(1)));
        let clock = RunClock::starting_in(Duration::ZERO);
        let mut exchange = Exchange::default();
        let departure = Departure::at(clock.now());
        let send = client.send(call(4), clock, &departure, &mut exchange);
        let _ = tokio::time::timeout(Duration::from_mins(1), send).await;
        exchange
    }

    fn millis(at: Option<Offset>) -> Option<u64> {
        at.map(|at| at.as_nanos() / 1_000_000)
    }

    #[tokio::test(start_paused = true)]
    async fn without_sockets_the_instants_are_those_of_the_model() {
        let seen = exchange(None).await;
        assert_eq!(seen.outcome, Outcome::Completed);
        assert_eq!(
            (millis(seen.headers), millis(seen.first_token), millis(seen.last_token)),
            (Some(0), Some(20), Some(35))
        );
        assert_eq!(seen.event_gaps_us, [5_000; 3]);
        assert_eq!(seen.usage.map(|usage| (usage.input_tokens, usage.output_tokens)), Some((7, 4)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_sockets_each_fault_leaves_its_outcome() {
        for (fault, class, events) in [
            ("status:429", FailureClass::Status, 0),
            ("refuse", FailureClass::Reset, 0),
            ("cut:2", FailureClass::Truncated, 2),
            ("drop:2", FailureClass::Reset, 2),
            ("reset:3", FailureClass::Reset, 3),
            ("error:1", FailureClass::StreamError, 1),
            ("malformed:0", FailureClass::Malformed, 0),
            ("garbage", FailureClass::Malformed, 0),
            ("empty", FailureClass::Empty, 0),
        ] {
            let seen = exchange(Some(fault)).await;
            assert!(
                matches!(&seen.outcome, Outcome::Failed(failure) if failure.class == class),
                "{fault}: {:?}",
                seen.outcome
            );
            assert_eq!(seen.events, events, "{fault}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_sockets_a_stall_a_hang_and_an_endless_answer_last() {
        let stalled = exchange(Some("stall:10ms,100ms")).await;
        assert_eq!((millis(stalled.first_token), millis(stalled.last_token)), (Some(110), Some(110)));
        let slow = exchange(Some("slow-first-byte:5s")).await;
        assert_eq!((millis(slow.headers), millis(slow.first_token)), (Some(5_000), Some(5_020)));
        for fault in ["hang", "never-ends"] {
            let endless = exchange(Some(fault)).await;
            assert_eq!(
                (endless.outcome, endless.ended),
                (Outcome::Abandoned, None),
                "{fault}: not over after a minute"
            );
        }
    }
}
