//! Owns `Departure`: the word that a request may leave.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::units::Offset;

/// Whether a request may leave, and since when. Its clones are one word, shared by who gives it and who heeds it.
#[derive(Debug, Clone, Default)]
pub struct Departure(Rc<Cell<Option<Offset>>>);

impl Departure {
    /// The word for a request that may leave at once.
    #[must_use]
    pub fn at(sent: Offset) -> Self {
        Self(Rc::new(Cell::new(Some(sent))))
    }

    /// Gives the word. Nobody is woken by it: whoever gives it polls the request next.
    pub fn leave(&self, sent: Offset) {
        self.0.set(Some(sent));
    }

    /// When the word was given.
    #[must_use]
    pub fn sent(&self) -> Option<Offset> {
        self.0.get()
    }

    /// Returns when the word has been given: its instant.
    pub async fn left(&self) -> Offset {
        poll_fn(|_| self.sent().map_or(Poll::Pending, Poll::Ready)).await
    }
}
