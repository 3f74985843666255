//! Owns the session: workers, their connections and the requests in flight. They outlive a single segment of load.

use std::cell::RefCell;
use std::future::Future;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::client::Client;
use crate::clock::{Pacing, RunClock};
use crate::engine::collect::{Collection, Settling};
use crate::engine::halt::Halt;
use crate::engine::segment::{Live, Rules};
use crate::engine::source::Preparing;
use crate::engine::worker::work;
use crate::error::Error;
use crate::play::{Issued, LiveCounts, Observer, Play, Segment, Steering, StopRule};

/// Time between the call and the origin of the clock: enough to build the first bodies and open the first connections.
pub const HEAD_START: Duration = Duration::from_millis(50);

/// How often a resting session checks whether a request is in flight.
const LOOK: Duration = Duration::from_millis(20);

/// How a session runs its loads.
#[derive(Debug, Clone)]
pub struct Settings {
    /// From `sent` until the request is given up as timed out: the user's patience.
    pub timeout: Duration,
    /// How long requests are followed after the load has ended; the objectives may extend it.
    pub drain: Duration,
    /// At this many open requests, a new one is shed and counted.
    pub max_in_flight: Option<u64>,
}

/// The parts of a session: one client for each worker, made on the thread of the worker.
pub struct Setup<C: Client> {
    /// Worker threads, at least 1.
    pub workers: usize,
    /// Shared encoder.
    pub encoder: Arc<C::Encoder>,
    /// Makes the client of one worker.
    pub connect: Arc<dyn Fn() -> Result<C, Error> + Send + Sync>,
}

/// Stops a session from outside. The first call stops issuing, and the drain settles the open requests. The second
/// call gives up the open requests at once.
#[derive(Debug, Clone, Default)]
pub struct Interrupter {
    playing: Arc<Mutex<Vec<Weak<Live>>>>,
}

impl Interrupter {
    /// Interrupts every running segment.
    pub fn interrupt(&self) {
        for live in self.playing.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade) {
            live.interrupt();
        }
    }

    /// The counts of the running segment that began last; `None` when none runs.
    #[must_use]
    pub fn counts(&self) -> Option<LiveCounts> {
        let playing = self.playing.lock().unwrap_or_else(PoisonError::into_inner);
        let live = playing.last().and_then(Weak::upgrade)?;
        Some(live.gauge.counts(live.clock.now()))
    }

    /// Whether any segment still issues requests or has one open.
    fn is_playing(&self) -> bool {
        let playing = self.playing.lock().unwrap_or_else(PoisonError::into_inner);
        playing.iter().filter_map(Weak::upgrade).any(|live| !live.is_issued() || live.gauge.open() > 0)
    }

    fn watch(&self, live: &Arc<Live>) {
        let mut playing = self.playing.lock().unwrap_or_else(PoisonError::into_inner);
        playing.retain(|live| live.strong_count() > 0);
        playing.push(Arc::downgrade(live));
    }
}

/// Workers and their open connections. A session must be used inside a tokio `LocalRuntime` or `LocalSet`,
/// which also runs the collectors.
#[derive(Debug)]
pub struct LivePlayer {
    settings: Settings,
    pacing: Pacing,
    workers: Vec<mpsc::UnboundedSender<Arc<Live>>>,
    interrupter: Interrupter,
    /// Ends the running segment and every later one.
    halt: Halt,
    /// Upper limit of the drain, whatever the settings and the objectives ask for.
    drain_most: Duration,
    clock: RunClock,
}

impl LivePlayer {
    /// A session with a thread and a runtime for each worker. Fails when a thread, a runtime or a client cannot be
    /// made.
    pub fn threads<C: Client>(settings: Settings, setup: &Setup<C>) -> Result<Self, Error> {
        let mut workers = Vec::with_capacity(setup.workers);
        for worker in 0..setup.workers.max(1) {
            let (sender, receiver) = mpsc::unbounded_channel();
            let (ready, is_ready) = std::sync::mpsc::channel();
            let (encoder, connect) = (Arc::clone(&setup.encoder), Arc::clone(&setup.connect));
            std::thread::Builder::new()
                .name(format!("worker-{worker}"))
                .spawn(move || run_worker(&*connect, encoder, worker, receiver, &ready))
                .map_err(|error| Error::Internal(format!("cannot start the thread of worker {worker}: {error}")))?;
            is_ready.recv().map_err(|_| Error::Internal(format!("worker {worker} died while it started")))??;
            workers.push(sender);
        }
        Ok(Self::of(settings, Pacing::Precise, workers))
    }

    /// A session of one worker on the runtime of the caller, under tokio's clock, which a test may have paused.
    pub fn local<C: Client>(settings: Settings, encoder: Arc<C::Encoder>, client: C) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::task::spawn_local(work(Rc::new(client), encoder, 0, Preparing::Inline, receiver));
        Self::of(settings, Pacing::Coarse, vec![sender])
    }

    fn of(settings: Settings, pacing: Pacing, workers: Vec<mpsc::UnboundedSender<Arc<Live>>>) -> Self {
        let clock = RunClock::starting_in(Duration::ZERO);
        let (interrupter, halt) = (Interrupter::default(), Halt::default());
        Self { settings, pacing, workers, interrupter, halt, drain_most: Duration::MAX, clock }
    }

    /// A handle that stops this session from outside.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Ends the running segment, and every later segment, as soon as `halt` is requested.
    pub fn halted_by(&mut self, halt: Halt) {
        self.halt = halt;
    }

    /// Runs `segment` and reports to `observer`. Returns when the last request has been issued. Fails when a worker has
    /// died.
    pub async fn play_into(
        &mut self,
        segment: Segment,
        stop_rule: StopRule,
        observer: Box<dyn Observer>,
    ) -> Result<Issued<Settling>, Error> {
        self.play_from(RunClock::starting_in(HEAD_START), segment, stop_rule, observer).await
    }

    /// Like [`LivePlayer::play_into`], with instants counted from the origin of `clock`, which should lie at least
    /// [`HEAD_START`] ahead.
    pub async fn play_from(
        &mut self,
        clock: RunClock,
        segment: Segment,
        stop_rule: StopRule,
        observer: Box<dyn Observer>,
    ) -> Result<Issued<Settling>, Error> {
        let steering = Steering::new(stop_rule, segment.frame(), &segment.objectives);
        let rules = Rules {
            pacing: self.pacing,
            timeout: self.settings.timeout,
            max_in_flight: self.settings.max_in_flight,
            workers: self.workers.len(),
            tells_turns: steering.watches(),
        };
        let live = Arc::new(Live::new(Arc::clone(&segment.plan), clock, rules));
        self.interrupter.watch(&live);
        for worker in &self.workers {
            worker.send(Arc::clone(&live)).map_err(|_| Error::Internal("a worker has died".to_owned()))?;
        }
        let (sender, receiver) = oneshot::channel();
        let drain = [self.settings.drain, self.drain_most];
        let steering = Rc::new(RefCell::new(steering));
        let halt = self.halt.clone();
        let collection =
            Collection { segment, live: Arc::clone(&live), steering: Rc::clone(&steering), halt, drain, observer };
        tokio::task::spawn_local(collection.run(sender));
        live.issued().await;
        let mut steering = steering.borrow_mut();
        Ok(Issued { counts: steering.counts(), watched: steering.watched(), settling: Settling(receiver) })
    }
}

impl Play for LivePlayer {
    type Settling = Settling;

    fn play(&mut self, segment: Segment, stop: StopRule) -> impl Future<Output = Result<Issued<Settling>, Error>> {
        self.play_into(segment, stop, Box::new(()))
    }

    async fn rest(&mut self) {
        while self.interrupter.is_playing() {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn follow_at_most(&mut self, drain: Duration) {
        self.drain_most = drain;
    }

    fn elapsed_s(&self) -> f64 {
        self.clock.now().as_secs()
    }
}

fn run_worker<C: Client>(
    connect: &dyn Fn() -> Result<C, Error>,
    encoder: Arc<C::Encoder>,
    worker: usize,
    segments: mpsc::UnboundedReceiver<Arc<Live>>,
    ready: &std::sync::mpsc::Sender<Result<(), Error>>,
) {
    // Fails only on a system without timer slack; then sleeps end up to 50 µs later.
    _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(tokio::runtime::LocalOptions::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            // The maker of the session waits for this message; if it has gone, nobody needs the worker.
            _ = ready.send(Err(Error::Internal(format!("cannot start a runtime for worker {worker}: {error}"))));
            return;
        }
    };
    // The client may need the runtime for its sockets, so it is made inside.
    let made = runtime.block_on(async { connect() });
    match made {
        Err(error) => _ = ready.send(Err(error)),
        Ok(client) => {
            _ = ready.send(Ok(()));
            // If a preparing thread cannot be started, its segment issues nothing; the record counts then show it.
            _ = runtime.block_on(work(Rc::new(client), encoder, worker, Preparing::Ahead, segments));
        }
    }
}
