//! Owns `Halt`: the user's wish that nothing more is sent, for what is played and for what would be played next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends segments from outside, those begun later too: a signal between two loads would interrupt neither.
#[derive(Debug, Clone, Default)]
pub struct Halt(Arc<AtomicBool>);

impl Halt {
    /// Asks that nothing more is sent.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether that was asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
