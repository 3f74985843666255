//! Owns `ServerDesk`: a simulated server in real time, which accepts requests as they arrive and lets callers wait
//! for tokens.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::Notify;

use crate::clock::Timers;
use crate::seed::Seed;
use crate::sim::ServiceProfile;
use crate::sim::engine::{Engine, Request, Setup, Token, TooLong};
use crate::sim::latencies::{Finished, Latencies};
use crate::sim::model::{Answer, Instants, Model};
use crate::sim::service_profile::Skin;
use crate::units::Offset;

/// The gap between tokens of a response that never ends, once the engine has emitted all tokens that fit its context.
const ENDLESS_GAP: Duration = Duration::from_millis(10);

/// The entry point for requests.
pub(super) enum ServerDesk {
    Simple(RefCell<Model>),
    Engine(Rc<Live>),
}

impl ServerDesk {
    pub(super) fn new(profile: ServiceProfile, seed: Seed) -> Self {
        match profile.0 {
            Skin::Simple(simple) => Self::Simple(RefCell::new(Model::new(simple, seed))),
            Skin::Engine(setup) => Self::Engine(Rc::new(Live::new(Engine::new(setup)))),
        }
    }

    /// The engine; `None` for a delay or a queue.
    pub(super) fn engine(&self) -> Option<&Rc<Live>> {
        match self {
            Self::Simple(_) => None,
            Self::Engine(live) => Some(live),
        }
    }

    /// The longest prompt and response together, in tokens.
    pub(super) fn context_tokens(&self) -> u32 {
        self.engine().map_or(Setup::MOST_CONTEXT_TOKENS, |live| live.borrow().engine.setup().context_tokens())
    }

    /// Accepts a request that arrived at `at`.
    pub(super) fn arrive(&self, at: Offset, request: Request<'_>) -> Result<Coming, TooLong> {
        match self {
            Self::Simple(model) => Ok(Coming::known(model.borrow_mut().arrive(at))),
            Self::Engine(live) => live.arrive(at, request).map(Coming::Stepped),
        }
    }
}

/// The tokens of one response.
pub(super) enum Coming {
    Known { burst: bool, first: Offset, instants: Instants, taken: u32, last: Offset },
    Stepped(ServerTicket),
}

impl Coming {
    fn known(answer: Answer) -> Self {
        let first = answer.first_token();
        Self::Known { burst: answer.is_burst(), first, instants: answer.instants(), taken: 0, last: first }
    }

    /// Whether all tokens come at once.
    pub(super) fn is_burst(&self) -> bool {
        matches!(self, Self::Known { burst: true, .. })
    }

    /// The same response, marked as one without a requested length: it ends with `stop`.
    pub(super) fn stopping(self) -> Self {
        self.mark(|inbox| inbox.stops = true);
        self
    }

    /// The same response, marked as one without output tokens: its token is the instant at which the prompt was read.
    pub(super) fn reading_only(self) -> Self {
        self.mark(|inbox| inbox.reads_only = true);
        self
    }

    fn mark(&self, mark: impl FnOnce(&mut Inbox)) {
        if let Self::Stepped(ticket) = self
            && let Some(Some(inbox)) = ticket.live.inner.borrow_mut().inboxes.get_mut(ticket.place)
        {
            mark(inbox);
        }
    }

    /// The same response, with a gap between tokens if all would come at once: an endless burst would fill the
    /// memory.
    pub(super) fn endless(self) -> Self {
        match self {
            Self::Known { burst: true, first, .. } => Self::known(Answer::even(first, ENDLESS_GAP)),
            other => other,
        }
    }

    /// The instant of the first token, if it is known on arrival.
    pub(super) fn planned_first_token(&self) -> Option<Offset> {
        match self {
            Self::Known { first, .. } => Some(*first),
            Self::Stepped(_) => None,
        }
    }

    /// The instant of token number `token`, from 1; `None` while it is not known. `token` must not decrease from call
    /// to call.
    pub(super) fn at(&mut self, token: u32) -> Option<Offset> {
        match self {
            Self::Known { instants, taken, last, .. } => {
                while *taken < token {
                    *last = instants.next()?;
                    *taken += 1;
                }
                Some(*last)
            }
            Self::Stepped(ticket) => ticket.at(token),
        }
    }

    /// The instant of token number `token`, once it is known. For an engine, a task must run [`Live::drive`].
    pub(super) fn poll_reach(&mut self, context: &mut Context<'_>, token: u32) -> Poll<Offset> {
        match (self.at(token), &mut *self) {
            (Some(at), _) => Poll::Ready(at),
            (None, Self::Stepped(ticket)) => {
                ticket.wake_with(context.waker());
                Poll::Pending
            }
            (None, Self::Known { last, .. }) => Poll::Ready(*last),
        }
    }

    /// Prompt tokens found in the prefix cache; `None` without a cache, or before the first token.
    pub(super) fn cached_tokens(&self) -> Option<u32> {
        match self {
            Self::Known { .. } => None,
            Self::Stepped(ticket) => ticket.cached_tokens(),
        }
    }
}

/// An engine in real time. Each step begins where the last one should have ended, however late the engine is polled.
/// A slow machine therefore delays tokens but does not reduce the engine's capacity.
pub(super) struct Live {
    inner: RefCell<Inner>,
    /// Notified when an idle engine gets work.
    woken: Notify,
}

pub(super) struct Inner {
    pub(super) engine: Engine,
    /// The place of an inbox is its request's tag in the engine.
    inboxes: Vec<Option<Inbox>>,
    free: Vec<usize>,
    pub(super) latencies: Latencies,
    /// Finished requests without a requested length (finish reason `stop`).
    pub(super) stopped: u64,
    /// Tokens of the engine that no response holds, because its endpoint has no output tokens.
    pub(super) unwritten_tokens: u64,
    /// Actual minus intended end of every step, in nanoseconds.
    late_ns: Option<Histogram<u64>>,
}

/// The tokens that have come for one request and have not been taken yet.
struct Inbox {
    arrived: Offset,
    prompt_tokens: u32,
    /// The instants of the first token and of the latest; `None` before the first.
    tokens: Option<(Offset, Offset)>,
    instants: VecDeque<Offset>,
    cached_tokens: Option<u32>,
    /// The request set no length: its finish reason is `stop`.
    stops: bool,
    /// The response has no output tokens.
    reads_only: bool,
    ended: bool,
    waker: Option<Waker>,
}

impl Live {
    fn new(engine: Engine) -> Self {
        let latencies = Latencies::new(engine.setup().context_tokens());
        let inner = Inner {
            engine,
            inboxes: Vec::new(),
            free: Vec::new(),
            latencies,
            stopped: 0,
            unwritten_tokens: 0,
            // 1 ns to 1 h at 3 digits; HDR can always hold this range.
            late_ns: Histogram::new_with_bounds(1, 3_600_000_000_000, 3).ok(),
        };
        Self { inner: RefCell::new(inner), woken: Notify::new() }
    }

    pub(super) fn borrow(&self) -> std::cell::Ref<'_, Inner> {
        self.inner.borrow()
    }

    /// The instant at which the engine's next step begins or ends.
    pub(super) fn next_event(&self) -> Option<Offset> {
        self.inner.borrow().engine.next_event()
    }

    fn arrive(self: &Rc<Self>, at: Offset, request: Request<'_>) -> Result<ServerTicket, TooLong> {
        let mut inner = self.inner.borrow_mut();
        // Events due before `at` are handled first, even if nothing has polled the engine yet.
        while inner.engine.next_event().is_some_and(|event| event < at) {
            inner.advance(at);
        }
        let inbox = Inbox {
            arrived: at,
            prompt_tokens: request.prompt_tokens.max(1),
            tokens: None,
            instants: VecDeque::new(),
            cached_tokens: None,
            stops: false,
            reads_only: false,
            ended: false,
            waker: None,
        };
        let place = inner.free.pop().unwrap_or(inner.inboxes.len());
        if let Err(too_long) = inner.engine.arrive(at, Request { tag: place as u64, ..request }) {
            if place < inner.inboxes.len() {
                inner.free.push(place);
            }
            return Err(too_long);
        }
        if place == inner.inboxes.len() {
            inner.inboxes.push(Some(inbox));
        } else {
            inner.inboxes[place] = Some(inbox);
        }
        drop(inner);
        self.woken.notify_one();
        Ok(ServerTicket { live: Rc::clone(self), place, taken: 0, last: at })
    }

    /// Empties the prefix cache.
    pub(super) fn reset_cache(&self) {
        self.inner.borrow_mut().engine.reset_cache();
    }

    /// Handles every event due by `now`.
    pub(super) fn advance_to(&self, now: Offset) {
        let mut inner = self.inner.borrow_mut();
        while inner.engine.next_event().is_some_and(|event| event <= now) {
            inner.advance(now);
        }
    }

    /// Runs step after step with one sleep each; never returns. Drop the future to stop.
    pub(super) async fn drive(&self, timers: &Timers) {
        loop {
            match self.next_event() {
                // Only an arrival begins a step of an idle engine; other requests that arrive during a step wait for
                // its end.
                None => self.woken.notified().await,
                Some(at) => timers.sleep_until(at).await,
            }
            self.advance_to(timers.clock().now());
        }
    }

    /// The lateness of all steps so far, in nanoseconds.
    pub(super) fn late_ns(&self) -> Option<Histogram<u64>> {
        self.inner.borrow().late_ns.clone()
    }
}

impl Inner {
    /// Handles one event of the engine, at `now` by the clock.
    fn advance(&mut self, now: Offset) {
        if self.engine.is_in_step()
            && let (Some(late_ns), Some(end)) = (&mut self.late_ns, self.engine.next_event())
        {
            late_ns.saturating_record(now.as_nanos().saturating_sub(end.as_nanos()));
        }
        let (inboxes, latencies) = (&mut self.inboxes, &mut self.latencies);
        let (stopped, unwritten_tokens) = (&mut self.stopped, &mut self.unwritten_tokens);
        let cache = self.engine.setup().prefix_cache();
        let before = self.engine.counters();
        self.engine.advance(|at, token| {
            if let Some(inbox) = inboxes.get_mut(token.tag as usize).and_then(Option::as_mut) {
                inbox.take(at, token, cache, latencies);
                *stopped += u64::from(token.last && inbox.stops);
                *unwritten_tokens += u64::from(inbox.reads_only);
            }
        });
        // As in vLLM: the prompts whose first token comes with the step, and the tokens that come with it.
        let after = self.engine.counters();
        let prompt_tokens = after.prompt_tokens - before.prompt_tokens;
        latencies.step(prompt_tokens + after.generated_tokens - before.generated_tokens);
    }
}

impl Inbox {
    fn take(&mut self, at: Offset, token: Token, cache: bool, latencies: &mut Latencies) {
        let first = match self.tokens {
            None => {
                latencies.first_token(at.since(self.arrived));
                at
            }
            Some((first, last)) => {
                latencies.next_token(at.since(last));
                first
            }
        };
        if token.last {
            latencies.end(&Finished {
                arrived: self.arrived,
                admitted: token.admitted,
                first,
                last: at,
                prompt_tokens: self.prompt_tokens,
                output_tokens: if self.reads_only { 0 } else { token.number },
            });
        }
        self.tokens = Some((first, at));
        self.instants.push_back(at);
        self.cached_tokens = cache.then_some(token.cached_tokens);
        self.ended = token.last;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// One request in an engine. Dropping it before the last token cancels the request.
pub(super) struct ServerTicket {
    live: Rc<Live>,
    place: usize,
    taken: u32,
    last: Offset,
}

impl ServerTicket {
    fn at(&mut self, token: u32) -> Option<Offset> {
        let mut inner = self.live.inner.borrow_mut();
        let inbox = inner.inboxes.get_mut(self.place)?.as_mut()?;
        while self.taken < token {
            match inbox.instants.pop_front() {
                Some(at) => self.last = at,
                None if inbox.ended => self.last = self.last.plus(ENDLESS_GAP),
                None => return None,
            }
            self.taken += 1;
        }
        Some(self.last)
    }

    fn wake_with(&self, waker: &Waker) {
        if let Some(Some(inbox)) = self.live.inner.borrow_mut().inboxes.get_mut(self.place) {
            inbox.waker = Some(waker.clone());
        }
    }

    fn cached_tokens(&self) -> Option<u32> {
        self.live.inner.borrow().inboxes.get(self.place)?.as_ref()?.cached_tokens
    }
}

impl Drop for ServerTicket {
    fn drop(&mut self) {
        let mut inner = self.live.inner.borrow_mut();
        if inner.inboxes[self.place].take().is_some_and(|inbox| !inbox.ended) {
            inner.engine.cancel(self.place as u64);
        }
        inner.free.push(self.place);
    }
}
