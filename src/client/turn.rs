//! Owns `Turn`: what a task may do on one connection before the other tasks of its worker have their turn.

use std::cell::Cell;
use std::future::Future as _;
use std::pin::pin;
use std::task::Context;

/// Bytes read from one socket in a row. Then the other tasks of the worker have their turn: a response that never
/// pauses must not delay a send, another response or a deadline. Parsing 32 KiB takes less than a millisecond.
const MOST_READ_IN_A_ROW: usize = 32 << 10;

/// Reads from one socket in a row: a server that sends single bytes costs one system call a byte.
const MOST_READS_IN_A_ROW: u32 = 32;

/// Pieces of a body handed over in a row. This limit matters for chunks of a few bytes.
const MOST_PIECES_IN_A_ROW: u32 = 128;

/// What a task may still do on one connection before other tasks have their turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    bytes: Cell<usize>,
    reads: Cell<u32>,
    pieces: Cell<u32>,
}

impl Turn {
    /// Begins a turn, when the polling task has just been woken.
    pub(super) fn begin(&self) {
        self.bytes.set(MOST_READ_IN_A_ROW);
        self.reads.set(MOST_READS_IN_A_ROW);
        self.pieces.set(MOST_PIECES_IN_A_ROW);
    }

    /// Whether the socket may be read again in this turn.
    pub(super) fn may_read(&self) -> bool {
        self.bytes.get() > 0 && self.reads.get() > 0
    }

    pub(super) fn note_read(&self, bytes: usize) {
        self.bytes.set(self.bytes.get().saturating_sub(bytes));
        self.reads.set(self.reads.get().saturating_sub(1));
    }

    /// Whether another piece of the body may be handed over in this turn.
    pub(super) fn take_piece(&self) -> bool {
        let left = self.pieces.get();
        self.pieces.set(left.saturating_sub(1));
        left > 0
    }
}

/// Wakes `cx` after the other tasks, the sockets and the timers of the worker have had their turn.
pub(super) fn wake_later(cx: &mut Context<'_>) {
    // Tokio defers this wake-up until its driver has been polled; a plain wake-up would come before that.
    _ = pin!(tokio::task::yield_now()).poll(cx);
}
