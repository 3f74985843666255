//! Owns `LaterTurns`: the ids of turns that follow each other in one session.

/// The ids of successive turns of one session, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaterTurns {
    next: u64,
    step: u64,
    left: u32,
}

impl LaterTurns {
    /// `number` turns; the first is `first`, and each later id is `step` larger.
    pub(super) const fn new(first: u64, step: u64, number: u32) -> Self {
        Self { next: first, step, left: number }
    }

    /// No turns.
    #[must_use]
    pub const fn none() -> Self {
        Self::new(0, 1, 0)
    }

    /// The id of the first turn, if there is one.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        (self.left > 0).then_some(self.next)
    }
}

impl Iterator for LaterTurns {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let id = self.first()?;
        (self.next, self.left) = (id.wrapping_add(self.step), self.left - 1);
        Some(id)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for LaterTurns {}
