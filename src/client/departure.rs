//! Owns `Departure`: the signal that a request may be written.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::units::Offset;

/// Whether a request may be written, and since when. Clones share one state: one side gives the signal, the other waits
/// for it.
#[derive(Debug, Clone, Default)]
pub struct Departure(Rc<Cell<Option<Offset>>>);

impl Departure {
    /// The signal for a request that may be written at once.
    #[must_use]
    pub fn at(sent: Offset) -> Self {
        Self(Rc::new(Cell::new(Some(sent))))
    }

    /// Gives the signal. It wakes no task: the caller must poll the request next.
    pub fn leave(&self, sent: Offset) {
        self.0.set(Some(sent));
    }

    /// The instant of the signal; `None` before it.
    #[must_use]
    pub fn sent(&self) -> Option<Offset> {
        self.0.get()
    }

    /// Waits for the signal and returns its instant.
    pub async fn left(&self) -> Offset {
        poll_fn(|_| self.sent().map_or(Poll::Pending, Poll::Ready)).await
    }
}
