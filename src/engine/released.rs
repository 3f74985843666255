//! Owns `Released`: later turns of sessions, on their way from the completion of the turn before to whoever sends them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::units::Offset;

/// What the workers of a segment share of its sessions.
#[derive(Debug)]
pub(super) struct Released {
    completed: Box<[Completed]>,
    /// Sessions that have begun and have a turn to come.
    sessions: AtomicU64,
    /// Turns that the end of the run left without an instant.
    given_up: AtomicU64,
}

/// Of one worker, turns whose turn before has completed.
#[derive(Debug, Default)]
struct Completed {
    turns: Mutex<Vec<Turn>>,
    added: Notify,
}

/// A turn and the instant of its release, the earliest first where they are compared.
pub(super) type Turn = (Offset, u64);

impl Released {
    pub(super) fn new(workers: usize) -> Self {
        let completed = (0..workers).map(|_| Completed::default()).collect();
        Self { completed, sessions: AtomicU64::new(0), given_up: AtomicU64::new(0) }
    }

    /// Hands turn `id` to the driver of `worker`, to be released at `at`.
    pub(super) fn add(&self, worker: usize, id: u64, at: Offset) {
        if let Some(completed) = self.completed.get(worker) {
            completed.turns.lock().unwrap_or_else(PoisonError::into_inner).push((at, id));
            completed.added.notify_one();
        }
    }

    /// What has been handed over since the last call.
    pub(super) fn take(&self, worker: usize) -> Vec<Turn> {
        self.completed
            .get(worker)
            .map(|completed| std::mem::take(&mut *completed.turns.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    }

    /// Returns when a turn of `worker` has been handed over.
    pub(super) async fn added(&self, worker: usize) {
        if let Some(completed) = self.completed.get(worker) {
            completed.added.notified().await;
        }
    }

    pub(super) fn begin_session(&self) {
        self.sessions.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether that was the last.
    pub(super) fn end_session(&self) -> bool {
        self.sessions.fetch_sub(1, Ordering::AcqRel) == 1
    }

    pub(super) fn any_session(&self) -> bool {
        self.sessions.load(Ordering::Acquire) > 0
    }

    pub(super) fn note_given_up(&self, turns: u64) {
        self.given_up.fetch_add(turns, Ordering::AcqRel);
    }

    pub(super) fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Acquire)
    }
}
