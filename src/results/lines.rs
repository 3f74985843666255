//! Owns `Lines`: messages that wait while a progress line is drawn.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// A queue of messages. The code that draws the progress line also prints them, so that the two do not mix on the
/// screen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    waiting: Rc<RefCell<VecDeque<String>>>,
    prefix: String,
}

impl Lines {
    /// The same queue, for a progress line that begins with `prefix`.
    #[must_use]
    pub(crate) fn prefixed(&self, prefix: String) -> Self {
        Self { waiting: Rc::clone(&self.waiting), prefix }
    }

    /// Queues `line` for printing.
    pub(crate) fn push(&self, line: String) {
        self.waiting.borrow_mut().push_back(line);
    }

    /// Removes and returns all waiting messages.
    #[must_use]
    pub(crate) fn take(&self) -> Vec<String> {
        self.waiting.take().into()
    }

    /// The beginning of the progress line.
    #[must_use]
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether no message waits.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }
}
