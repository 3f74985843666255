//! Owns `Point`: one load of a sweep or of a search, with its discard.

use std::time::Duration;

use crate::search::Level;

/// One load: what, and how much of it is discarded before the window opens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// What is sent.
    pub level: Level,
    /// Sent before the measured window, and discarded.
    pub discard: Duration,
}
