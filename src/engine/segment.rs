//! Owns the state that the workers of one segment share: the plan, the clock, the stop instants and
//! the outboxes for records.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Pacing, RunClock};
use crate::engine::gauge::{Apart, Gauge};
use crate::engine::released::Released;
use crate::record::Record;
use crate::units::Offset;
use crate::workload::{BodyFingerprint, Plan};

/// Records on their way to the collector. They are boxed, so that a push under the lock moves a pointer, not 500 bytes.
pub(super) type Posted = Vec<Box<Record>>;

/// One running segment.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) plan: Arc<Plan>,
    pub(super) clock: RunClock,
    pub(super) pacing: Pacing,
    /// From `sent` until the request is given up as timed out.
    pub(super) timeout: Duration,
    /// At this many open requests, a new one is shed.
    pub(super) max_in_flight: Option<u64>,
    pub(super) gauge: Gauge,
    /// The most output tokens that any request so far has asked for.
    most_asked_output: AtomicU32,
    /// Number of times that the user has asked for a stop.
    interrupts: AtomicU8,
    /// Wakes the collector before its tick.
    nudge: Notify,
    /// Issuing ends at this instant (nanoseconds); `u64::MAX` while no stop was requested.
    stop_at: AtomicU64,
    stop: Notify,
    /// Wakes the tasks that wait for `let_go_at`.
    let_go: Notify,
    /// At this instant (nanoseconds) every open request is given up as unresolved; `u64::MAX` before.
    let_go_at: AtomicU64,
    /// Later turns of sessions, between a completion and their release.
    pub(super) released: Released,
    /// Workers that still issue.
    issuing: AtomicUsize,
    issued: Notify,
    outboxes: Box<[Apart<Mutex<Posted>>]>,
    body_fingerprint: Mutex<BodyFingerprint>,
}

/// The settings with which a segment is run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) pacing: Pacing,
    pub(super) timeout: Duration,
    pub(super) max_in_flight: Option<u64>,
    pub(super) workers: usize,
    /// Whether the collector asks for the instants at which later turns of sessions come due.
    pub(super) tells_turns: bool,
}

impl Live {
    pub(super) fn new(plan: Arc<Plan>, clock: RunClock, rules: Rules) -> Self {
        Self {
            plan,
            clock,
            pacing: rules.pacing,
            timeout: rules.timeout,
            max_in_flight: rules.max_in_flight,
            gauge: Gauge::new(rules.workers),
            most_asked_output: AtomicU32::new(0),
            interrupts: AtomicU8::new(0),
            nudge: Notify::new(),
            stop_at: AtomicU64::new(u64::MAX),
            stop: Notify::new(),
            let_go: Notify::new(),
            let_go_at: AtomicU64::new(u64::MAX),
            released: Released::new(rules.workers, rules.tells_turns),
            issuing: AtomicUsize::new(rules.workers),
            issued: Notify::new(),
            outboxes: (0..rules.workers).map(|_| Apart::default()).collect(),
            body_fingerprint: Mutex::default(),
        }
    }

    /// How many workers share the plan.
    pub(super) fn workers(&self) -> usize {
        self.outboxes.len()
    }

    /// Hands a settled record to the collector. The lock is held for one push; the collector holds it while it moves
    /// the records out.
    pub(super) fn post(&self, worker: usize, record: Box<Record>) {
        if let Some(outbox) = self.outboxes.get(worker) {
            outbox.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        }
    }

    /// Takes the records posted since the last call.
    pub(super) fn take_posted(&self) -> Posted {
        let mut taken = Vec::new();
        for outbox in &self.outboxes {
            taken.append(&mut outbox.0.lock().unwrap_or_else(PoisonError::into_inner));
        }
        taken
    }

    pub(super) fn note_asked_output(&self, tokens: u32) {
        // Mostly a read, so that workers do not take the number away from each other.
        if tokens > self.most_asked_output.load(Ordering::Relaxed) {
            self.most_asked_output.fetch_max(tokens, Ordering::Relaxed);
        }
    }

    pub(super) fn most_asked_output(&self) -> u32 {
        self.most_asked_output.load(Ordering::Relaxed)
    }

    /// The user asks for a stop; a second call also gives up every open request.
    pub(super) fn interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::AcqRel);
        self.nudge.notify_one();
    }

    pub(super) fn interrupts(&self) -> u8 {
        self.interrupts.load(Ordering::Acquire)
    }

    /// Returns when the collector should start a round before its tick.
    pub(super) async fn nudged(&self) {
        self.nudge.notified().await;
    }

    pub(super) fn merge_bodies(&self, bodies: &BodyFingerprint) {
        self.body_fingerprint.lock().unwrap_or_else(PoisonError::into_inner).merge(bodies);
    }

    pub(super) fn body_fingerprint(&self) -> String {
        self.body_fingerprint.lock().unwrap_or_else(PoisonError::into_inner).hex()
    }

    /// Stops issuing at `at`, once; later calls change nothing.
    pub(super) fn stop_issuing(&self, at: Offset) {
        _ = self.stop_at.compare_exchange(u64::MAX, at.as_nanos(), Ordering::AcqRel, Ordering::Acquire);
        self.stop.notify_waiters();
    }

    /// The instant at which issuing stops; [`Offset::NEVER`] while no stop was requested.
    pub(super) fn stop_at(&self) -> Offset {
        Offset::from_nanos(self.stop_at.load(Ordering::Acquire))
    }

    /// Returns when a stop has been requested.
    pub(super) async fn stopped(&self) {
        until(&self.stop, || self.stop_at() != Offset::NEVER).await;
    }

    /// Gives up every open request: each settles as unresolved.
    pub(super) fn let_go(&self, at: Offset) {
        _ = self.let_go_at.compare_exchange(u64::MAX, at.as_nanos(), Ordering::AcqRel, Ordering::Acquire);
        self.let_go.notify_waiters();
    }

    pub(super) fn has_let_go(&self) -> bool {
        self.let_go_at.load(Ordering::Acquire) != u64::MAX
    }

    /// Returns when open requests are given up.
    pub(super) async fn letting_go(&self) {
        until(&self.let_go, || self.has_let_go()).await;
    }

    /// One worker will issue no further request.
    pub(super) fn worker_issued_all(&self) {
        if self.issuing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.issued.notify_waiters();
        }
    }

    /// One session will release no further turn.
    pub(super) fn end_session(&self) {
        if self.released.end_session() {
            self.issued.notify_waiters();
        }
    }

    /// Turn `id` and the later turns of its session will not come due: the run ends first.
    pub(super) fn give_up(&self, id: u64) {
        self.released.note_given_up(self.plan.requests_from(id));
        self.end_session();
    }

    /// Whether nothing more will be sent: no worker issues requests, and no session has a turn left.
    pub(super) fn is_issued(&self) -> bool {
        self.issuing.load(Ordering::Acquire) == 0 && !self.released.any_session()
    }

    /// Whether a request due at `at` comes too late to be sent.
    pub(super) fn is_over(&self, at: Offset) -> bool {
        at >= self.stop_at() || self.has_let_go()
    }

    /// Returns when nothing more will be sent.
    pub(super) async fn issued(&self) {
        until(&self.issued, || self.is_issued()).await;
    }
}

/// Waits until `done`, woken by `notify`. The waiter registers before it checks `done`, so it misses no wake-up.
async fn until(notify: &Notify, done: impl Fn() -> bool) {
    loop {
        let notified = notify.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        if done() {
            return;
        }
        notified.await;
    }
}
