//! Owns the supply of requests: encoded before their instant, in order, in bounded memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::client::Client;
use crate::engine::released::Turn;
use crate::engine::segment::Live;
use crate::error::Error;
use crate::record::{Exchange, Record};
use crate::units::Offset;
use crate::workload::{BodyFingerprint, History, Load, Plan, Planned};

/// How far ahead of its instant a request is encoded.
const HORIZON: Duration = Duration::from_millis(500);
/// Most bytes of encoded bodies that may wait, for each worker; one request is always allowed.
const MOST_BYTES: usize = 64 << 20;
/// Encoded requests that may wait in a closed loop, in addition to one for each slot.
const CLOSED_AHEAD: usize = 64;
/// Longest sleep of the preparing thread when it is far enough ahead.
const REST: Duration = Duration::from_millis(10);
/// Shortest sleep of the preparing thread: few wake-ups at high rates.
const STEP: Duration = Duration::from_millis(4);
/// The preparing thread yields its core to the worker after this long: a due send waits until a few requests are
/// built, not until this thread's time slice ends. To yield after each request would cost two context switches a
/// request.
const TURN: Duration = Duration::from_micros(50);
/// Up to this lead over the next instant the preparing thread does not yield. Beside busy processes each yield costs
/// their time slice (3 ms for 50 µs of building), and then too few bodies are built.
const SHORT_LEAD: Duration = Duration::from_millis(100);
/// How much nicer than its process the preparing thread is, so that building a body seldom delays a send. It must not
/// be nicer than the neighbours of a process that was given a high priority: then no body would be built in time.
const NICER: i32 = 5;

/// Where requests are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preparing {
    /// On a thread beside the worker.
    Ahead,
    /// In the worker, on demand: for a paused clock.
    Inline,
}

/// A request ready to be sent.
#[derive(Debug)]
pub(super) struct Staged<C: Client> {
    /// Its record. The exchange is empty except for the token count of the prompt.
    pub(super) record: Box<Record>,
    pub(super) call: C::Call,
    pub(super) bodies: BodyFingerprint,
    /// The answers before it in its session, if the plan keeps them.
    pub(super) history: History,
    bytes: usize,
}

/// Ids and instants of one worker's share of the plan, in order.
enum Share {
    Open(Box<std::iter::StepBy<std::iter::Skip<Planned>>>),
    /// Requests worker, worker + workers, …, below the end.
    Closed {
        next: u64,
        step: u64,
        end: u64,
        plan: Arc<Plan>,
        concurrency: u32,
    },
}

impl Iterator for Share {
    type Item = (u64, Offset);

    fn next(&mut self) -> Option<(u64, Offset)> {
        match self {
            Self::Open(arrivals) => arrivals.next().map(|arrival| (arrival.index, arrival.at)),
            Self::Closed { next, step, end, plan, concurrency } => {
                let place = *next;
                (place < *end).then(|| {
                    *next += *step;
                    (plan.begins_at(place, *concurrency), Offset::ZERO)
                })
            }
        }
    }
}

fn share(live: &Live, worker: usize) -> Share {
    match live.plan.load() {
        Load::Open(_) => Share::Open(Box::new(live.plan.share().skip(worker).step_by(live.workers()))),
        Load::Closed(closed) => {
            let (step, plan, concurrency) = (live.workers() as u64, Arc::clone(&live.plan), closed.concurrency);
            Share::Closed { next: worker as u64, step, end: closed.most_requests(), plan, concurrency }
        }
    }
}

/// Encodes request `id`, due at `at`, which begins its session or has none.
fn stage<C: Client>(live: &Live, encoder: &C::Encoder, id: u64, at: Offset) -> Staged<C> {
    stage_turn::<C>(live, encoder, Turn { at, id, history: History::default() })
}

/// Encodes a turn with the conversation before it.
pub(super) fn stage_turn<C: Client>(live: &Live, encoder: &C::Encoder, turn: Turn) -> Staged<C> {
    let Turn { at, id, mut history } = turn;
    let spec = live.plan.spec_after(id, &mut history);
    let (outline, counted_input_tokens) = (spec.outline.clone(), spec.counted_tokens);
    let call = C::prepare(encoder, spec);
    let route = C::route(&call);
    let mut bodies = BodyFingerprint::default();
    bodies.add(id, C::body(&call));
    let asked_output_tokens = live.plan.asked_output_tokens(&outline);
    let cancel_after = live.plan.cancelled_after(&outline);
    let record = Box::new(Record {
        id,
        class: outline.class,
        session: outline.session,
        turn: outline.turn,
        turns: outline.turns,
        origin: live.plan.origin(id),
        scheduled: at,
        asked_input_tokens: outline.input_tokens,
        asked_output_tokens,
        cancel_after,
        target: route.target,
        model: route.model,
        exchange: Exchange { counted_input_tokens, ..Exchange::default() },
    });
    let bytes = C::body(&call).len();
    Staged { record, call, bodies, history, bytes }
}

/// One worker's requests, encoded ahead of their instants.
pub(super) struct Supply<C: Client> {
    kind: Kind<C>,
    /// The next request, looked at but not taken.
    front: Option<Staged<C>>,
    /// The last request has been seen.
    ended: bool,
}

enum Kind<C: Client> {
    /// Encoded on a thread of its own.
    Ahead { receiver: mpsc::UnboundedReceiver<Staged<C>>, waiting: Arc<Waiting> },
    /// Encoded on demand: for a paused clock, which does not wait for another thread.
    Inline { live: Arc<Live>, encoder: Arc<C::Encoder>, share: Share },
}

/// What waits in the channel, and whether the receiver still exists.
#[derive(Debug, Default)]
struct Waiting {
    requests: AtomicUsize,
    bytes: AtomicUsize,
    gone: AtomicBool,
    /// Most requests that may wait.
    most_requests: usize,
    /// The preparing thread. It is woken when half of `most_requests` is left: if it slept on, a closed loop could use
    /// up all waiting requests.
    thread: OnceLock<Thread>,
}

impl Waiting {
    fn taken<C: Client>(&self, staged: &Staged<C>) {
        self.bytes.fetch_sub(staged.bytes, Ordering::Relaxed);
        if self.requests.fetch_sub(1, Ordering::Relaxed) == self.most_requests / 2
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

impl<C: Client> Supply<C> {
    /// A source that encodes on a thread of its own.
    pub(super) fn ahead(live: Arc<Live>, encoder: Arc<C::Encoder>, worker: usize) -> Result<Self, Error> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let most_requests = match live.plan.load() {
            Load::Open(_) => usize::MAX,
            Load::Closed(closed) => closed.concurrency as usize / live.workers() + CLOSED_AHEAD,
        };
        let waiting = Arc::new(Waiting { most_requests, ..Waiting::default() });
        let seen = Arc::clone(&waiting);
        std::thread::Builder::new()
            .name(format!("prepare-{worker}"))
            .spawn(move || prepare::<C>(&live, &encoder, worker, &sender, &seen))
            .map_err(|error| Error::Internal(format!("cannot start a thread that prepares requests: {error}")))?;
        Ok(Self { kind: Kind::Ahead { receiver, waiting }, front: None, ended: false })
    }

    /// A source that encodes when asked.
    pub(super) fn inline(live: Arc<Live>, encoder: Arc<C::Encoder>, worker: usize) -> Self {
        let share = share(&live, worker);
        Self { kind: Kind::Inline { live, encoder, share }, front: None, ended: false }
    }

    /// The next request, left in place; `None` while it has not been built. An inline source builds it.
    pub(super) fn at_hand(&mut self) -> Option<&Staged<C>> {
        if self.front.is_none() && !self.ended {
            self.front = match &mut self.kind {
                Kind::Ahead { receiver, waiting } => receiver.try_recv().ok().inspect(|staged| waiting.taken(staged)),
                Kind::Inline { live, encoder, share } => share.next().map(|(id, at)| stage::<C>(live, encoder, id, at)),
            };
        }
        self.front.as_ref()
    }

    /// Takes the request that [`Supply::at_hand`] returned.
    pub(super) fn take(&mut self) -> Option<Staged<C>> {
        self.front.take()
    }

    /// Whether no further request will come; true only after the end has been seen.
    pub(super) fn has_ended(&self) -> bool {
        self.ended && self.front.is_none()
    }

    /// Returns when the next request is at hand, or when there is none.
    pub(super) async fn arrives(&mut self) {
        if self.front.is_none() {
            self.front = self.pull().await;
        }
    }

    /// Takes the next request. Waits only for the preparing thread.
    pub(super) async fn next(&mut self) -> Option<Staged<C>> {
        self.arrives().await;
        self.front.take()
    }

    async fn pull(&mut self) -> Option<Staged<C>> {
        if self.ended {
            return None;
        }
        let pulled = match &mut self.kind {
            Kind::Ahead { receiver, waiting } => receiver.recv().await.inspect(|staged| waiting.taken(staged)),
            Kind::Inline { live, encoder, share } => share.next().map(|(id, at)| stage::<C>(live, encoder, id, at)),
        };
        self.ended = pulled.is_none();
        pulled
    }
}

impl<C: Client> Drop for Supply<C> {
    fn drop(&mut self) {
        if let Kind::Ahead { waiting, .. } = &self.kind {
            waiting.gone.store(true, Ordering::Relaxed);
        }
    }
}

/// Lowers the priority of this thread below the workers'.
pub(super) fn yield_to_workers() {
    // If this fails, the thread only keeps its priority.
    let nice = rustix::process::getpriority_process(None).unwrap_or(0);
    _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), nice + NICER);
}

/// The preparing thread: encodes its share in order, never far ahead, until done or until the receiver is gone.
fn prepare<C: Client>(
    live: &Live,
    encoder: &C::Encoder,
    worker: usize,
    sender: &mpsc::UnboundedSender<Staged<C>>,
    waiting: &Waiting,
) {
    // A closed loop does not yield: its requests are due as soon as they are built, so the workers wait for this
    // thread.
    let gives_way = matches!(live.plan.load(), Load::Open(_));
    if gives_way {
        yield_to_workers();
    }
    _ = waiting.thread.set(std::thread::current());
    let mut turn_at = live.clock.now().plus(TURN);
    for (id, at) in share(live, worker) {
        loop {
            // A request that is due after the stop is never sent.
            if waiting.gone.load(Ordering::Relaxed) || at >= live.stop_at() {
                return;
            }
            let requests = waiting.requests.load(Ordering::Relaxed);
            let early = live.clock.until_before(at, HORIZON);
            let full = requests > 0
                && (requests >= waiting.most_requests || waiting.bytes.load(Ordering::Relaxed) >= MOST_BYTES);
            if !full && early.is_zero() {
                break;
            }
            std::thread::park_timeout(if full { REST } else { early.clamp(STEP, REST) });
            turn_at = live.clock.now().plus(TURN);
        }
        let mut staged = stage::<C>(live, encoder, id, at);
        let lead = live.clock.until(at);
        if gives_way && lead.is_zero() {
            staged.record.exchange.built_late = Some(live.clock.now().since(at));
        }
        waiting.requests.fetch_add(1, Ordering::Relaxed);
        waiting.bytes.fetch_add(staged.bytes, Ordering::Relaxed);
        if sender.send(staged).is_err() {
            return;
        }
        if gives_way && lead > SHORT_LEAD && live.clock.now() >= turn_at {
            std::thread::yield_now();
            turn_at = live.clock.now().plus(TURN);
        }
    }
}
