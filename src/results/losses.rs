//! Owns `Losses`: what could not be written of a result. It is said once, when it happens, and the load goes on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::error::Error;
use crate::results::lines::Lines;
use crate::units::count;

/// `failures.jsonl` ends at this many bytes: each line has a prompt, and a dead server fails every request.
pub(super) const MOST_FAILURE_BYTES: u64 = 64 << 20;

/// What could not be written of a result, shared by all who write into its folder.
#[derive(Debug, Clone, Default)]
pub struct Losses(Rc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    lines: RefCell<Lines>,
    /// What went wrong first.
    first: RefCell<Option<String>>,
    left_out: Cell<u64>,
}

impl Losses {
    /// Takes note that something could not be written. Only the first is said: where a disk is full, all that follows
    /// fails too.
    pub fn note(&self, error: &Error) {
        let mut first = self.0.first.borrow_mut();
        if first.is_none() {
            let text = format!("error: {error}");
            self.0.lines.borrow().push(text.clone());
            *first = Some(text);
        }
    }

    /// Whether anything is lost.
    #[must_use]
    pub fn any(&self) -> bool {
        self.0.first.borrow().is_some()
    }

    /// The lines to be said, which whoever draws progress says.
    #[must_use]
    pub fn lines(&self) -> Lines {
        self.0.lines.borrow().clone()
    }

    /// What the result says of failures that `failures.jsonl` has no room for.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        let left_out = self.0.left_out.get();
        (left_out > 0).then(|| {
            format!(
                "failures.jsonl ends at {} MiB: {} more failed requests are in the records only, without their prompts",
                MOST_FAILURE_BYTES >> 20,
                count(left_out)
            )
        })
    }

    /// Takes note that `failures.jsonl` had no room for so many.
    pub(super) fn note_left_out(&self, failures: u64) {
        self.0.left_out.set(self.0.left_out.get() + failures);
    }

    /// What went wrong first.
    #[cfg(test)]
    pub(super) fn first(&self) -> Option<String> {
        self.0.first.borrow().clone()
    }
}
