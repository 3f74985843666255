//! Owns the bound on what unfinished answers may make us keep: all of them together, and each by itself.

use std::cell::Cell;

/// Bytes of unfinished answers that one process keeps at most: events without an end, whole objects, texts kept for a tokenizer. Ten thousand
/// answers of ordinary servers hold less than a tenth of it.
pub(super) const MOST_HELD_BYTES: usize = 128 << 20;

/// An answer that holds less is never at fault for what the others hold.
const FREE_BYTES: usize = 256 << 10;

/// Events with a token that one answer may have. Their instants are kept until it ends: 8 bytes each. More than any model writes at once.
pub(super) const MOST_EVENTS: u32 = 1 << 18;

/// Characters kept of a finish reason: real ones have less than twenty.
pub(super) const MOST_REASON: usize = 64;

/// What the answers of one worker hold together.
#[derive(Debug)]
pub(super) struct Held {
    total: Cell<usize>,
    most: usize,
}

impl Held {
    /// The share of one worker of `workers`.
    pub(super) fn among(workers: usize) -> Self {
        Self { total: Cell::new(0), most: MOST_HELD_BYTES / workers.max(1) }
    }

    /// An answer that holds nothing yet.
    pub(super) fn answer(&self) -> Holding<'_> {
        Holding { held: self, bytes: 0 }
    }
}

/// What one answer holds, as long as this lives.
#[derive(Debug)]
pub(super) struct Holding<'a> {
    held: &'a Held,
    bytes: usize,
}

impl Holding<'_> {
    /// The answer holds so many now; whether it may.
    pub(super) fn note(&mut self, bytes: usize) -> bool {
        let total = self.held.total.get() - self.bytes + bytes;
        self.held.total.set(total);
        self.bytes = bytes;
        total <= self.held.most || bytes <= FREE_BYTES
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.held.total.set(self.held.total.get() - self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_of_a_worker_hold_no_more_than_its_share_and_give_it_back() {
        let held = Held::among(4);
        let share = MOST_HELD_BYTES / 4;
        let (mut large, mut small) = (held.answer(), held.answer());
        assert!(large.note(share) && small.note(FREE_BYTES), "a small one is not at fault");
        assert!(!large.note(share), "together they hold too much");
        drop(large);
        assert!(small.note(share));
        drop(small);
        assert_eq!(held.total.get(), 0);
    }
}
