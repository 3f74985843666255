//! Owns `Course`: how a running segment and its window continue.

use crate::units::{Offset, Window};

/// How a running segment continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The load continues unchanged.
    GoOn,
    /// The window opens at this instant instead and keeps its length. Ignored once the window holds a request.
    OpenAt(Offset),
    /// The window closes now, and the load continues.
    Close,
    /// The window closes, and no more requests are issued.
    Stop,
}

impl Course {
    /// The new window at `now`. The start of the window may move only while the window `is_empty`.
    #[must_use]
    pub fn window(self, window: Window, now: Offset, is_empty: bool) -> Window {
        match self {
            Self::OpenAt(start) if is_empty => Window { start, end: start.plus(window.end.since(window.start)) },
            Self::GoOn | Self::OpenAt(_) => window,
            Self::Close | Self::Stop => Window { start: window.start, end: window.end.min(now).max(window.start) },
        }
    }
}
