//! Owns `Point`: one load of a sweep or of a search, with its discard.

use std::time::Duration;

use crate::search::Level;

/// One load, and how much of it is discarded before the window opens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The level of the load.
    pub level: Level,
    /// The time for which the load is sent before the measured window, and discarded.
    pub discard: Duration,
}
