//! Owns `Lines`: what is to be said while something else draws on the screen.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Lines to be said while a progress line is drawn: said by whoever draws, so that neither spoils the other.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    waiting: Rc<RefCell<VecDeque<String>>>,
    prefix: String,
}

impl Lines {
    /// The same lines below a progress line that begins with `prefix`.
    #[must_use]
    pub fn prefixed(&self, prefix: String) -> Self {
        Self { waiting: Rc::clone(&self.waiting), prefix }
    }

    /// Says `line` soon.
    pub fn push(&self, line: String) {
        self.waiting.borrow_mut().push_back(line);
    }

    /// All that waits to be said, which then waits no more.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        self.waiting.take().into()
    }

    /// What the progress line begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }
}
