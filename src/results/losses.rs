//! Owns `Losses`: the parts of a result that could not be written. The first is reported when it happens, and the load
//! continues.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::error::Error;
use crate::results::lines::Lines;
use crate::units::count;

/// The most bytes of `failures.jsonl`. Each line has a prompt, and a dead server fails every request.
pub(super) const MOST_FAILURE_BYTES: u64 = 64 << 20;

/// The errors of writing a result, shared by all writers of its folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Losses(Rc<Noted>);

#[derive(Debug, Default)]
struct Noted {
    lines: RefCell<Lines>,
    /// The first error.
    first: RefCell<Option<String>>,
    left_out: Cell<u64>,
}

impl Losses {
    /// Notes that something could not be written. Only the first error is reported: on a full disk, every later write
    /// fails too.
    pub(crate) fn note(&self, error: &Error) {
        let mut first = self.0.first.borrow_mut();
        if first.is_none() {
            let text = format!("error: {error}");
            self.0.lines.borrow().push(text.clone());
            *first = Some(text);
        }
    }

    /// Whether any write has failed.
    #[must_use]
    pub(crate) fn any(&self) -> bool {
        self.0.first.borrow().is_some()
    }

    /// The waiting messages. The code that draws the progress line prints them.
    #[must_use]
    pub(crate) fn lines(&self) -> Lines {
        self.0.lines.borrow().clone()
    }

    /// The note about failed requests that did not fit into `failures.jsonl`; `None` if all of them did.
    #[must_use]
    pub(crate) fn left_out(&self) -> Option<String> {
        let left_out = self.0.left_out.get();
        (left_out > 0).then(|| {
            format!(
                "failures.jsonl ends at {} MiB: {} more failed requests are in the records only, without their prompts",
                MOST_FAILURE_BYTES >> 20,
                count(left_out)
            )
        })
    }

    /// Notes that `failures` failed requests did not fit into `failures.jsonl`.
    pub(super) fn note_left_out(&self, failures: u64) {
        self.0.left_out.set(self.0.left_out.get() + failures);
    }

    /// The first error.
    #[cfg(test)]
    pub(super) fn first(&self) -> Option<String> {
        self.0.first.borrow().clone()
    }
}
