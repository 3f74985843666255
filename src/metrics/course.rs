//! Owns `Course`: what becomes of a running segment, and of its window.

use crate::units::{Offset, Window};

/// What becomes of a running segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It goes on.
    GoOn,
    /// The window opens at this instant instead, and closes as much later; nothing changes once it holds a request.
    OpenAt(Offset),
    /// The window closes now, and the load goes on.
    Close,
    /// Nothing more is issued, and the window closes.
    Stop,
}

impl Course {
    /// What becomes of `window` at `now`; it may open later while it `is_empty`.
    #[must_use]
    pub fn window(self, window: Window, now: Offset, is_empty: bool) -> Window {
        match self {
            Self::OpenAt(start) if is_empty => Window { start, end: start.plus(window.end.since(window.start)) },
            Self::GoOn | Self::OpenAt(_) => window,
            Self::Close | Self::Stop => Window { start: window.start, end: window.end.min(now).max(window.start) },
        }
    }
}
