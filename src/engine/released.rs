//! Owns `Released`: later turns of sessions, between the completion of the previous turn and their own send.

use std::cmp::Ordering;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::units::Offset;
use crate::workload::History;

/// The state of a segment's sessions that its workers share.
#[derive(Debug)]
pub(super) struct Released {
    completed: Box<[Completed]>,
    /// Sessions that have begun and still have a turn to send.
    sessions: AtomicU64,
    /// Turns that never came due because the run ended first.
    given_up: AtomicU64,
    /// The instants of the later turns that came due since the last look, if somebody looks.
    came: Option<Mutex<Vec<Offset>>>,
}

/// One worker's turns whose previous turn has completed.
#[derive(Debug, Default)]
struct Completed {
    turns: Mutex<Vec<Turn>>,
    added: Notify,
}

/// A turn whose previous turn has completed. Turns sort by instant.
#[derive(Debug)]
pub(super) struct Turn {
    /// When it is released.
    pub(super) at: Offset,
    pub(super) id: u64,
    /// The answers before it, if the plan keeps them.
    pub(super) history: History,
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.id).cmp(&(other.at, other.id))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Turn {}

impl Released {
    /// `tells`: the instants at which later turns come due are kept for [`Released::take_came`].
    pub(super) fn new(workers: usize, tells: bool) -> Self {
        let completed = (0..workers).map(|_| Completed::default()).collect();
        let came = tells.then(Mutex::default);
        Self { completed, sessions: AtomicU64::new(0), given_up: AtomicU64::new(0), came }
    }

    /// Notes that a later turn has come due at `at`.
    pub(super) fn note_came(&self, at: Offset) {
        if let Some(came) = &self.came {
            came.lock().unwrap_or_else(PoisonError::into_inner).push(at);
        }
    }

    /// The instants of the later turns that came due since the last call.
    pub(super) fn take_came(&self) -> Vec<Offset> {
        let take = |came: &Mutex<Vec<_>>| std::mem::take(&mut *came.lock().unwrap_or_else(PoisonError::into_inner));
        self.came.as_ref().map(take).unwrap_or_default()
    }

    /// Hands `turn` to the driver of `worker`, which releases it.
    pub(super) fn add(&self, worker: usize, turn: Turn) {
        if let Some(completed) = self.completed.get(worker) {
            completed.turns.lock().unwrap_or_else(PoisonError::into_inner).push(turn);
            completed.added.notify_one();
        }
    }

    /// The turns handed to `worker` since the last call.
    pub(super) fn take(&self, worker: usize) -> Vec<Turn> {
        self.completed
            .get(worker)
            .map(|completed| std::mem::take(&mut *completed.turns.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    }

    /// Returns when a turn has been handed to `worker`.
    pub(super) async fn added(&self, worker: usize) {
        if let Some(completed) = self.completed.get(worker) {
            completed.added.notified().await;
        }
    }

    pub(super) fn begin_session(&self) {
        self.sessions.fetch_add(1, AcqRel);
    }

    /// Ends one session; returns whether it was the last open one.
    pub(super) fn end_session(&self) -> bool {
        self.sessions.fetch_sub(1, AcqRel) == 1
    }

    pub(super) fn any_session(&self) -> bool {
        self.sessions.load(Acquire) > 0
    }

    pub(super) fn note_given_up(&self, turns: u64) {
        self.given_up.fetch_add(turns, AcqRel);
    }

    pub(super) fn given_up(&self) -> u64 {
        self.given_up.load(Acquire)
    }
}
