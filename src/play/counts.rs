//! Owns `LiveCounts`, the counts of a segment while it runs.

use serde::{Deserialize, Serialize};

use crate::units::Offset;

/// Counts of a segment while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LiveCounts {
    /// Time since the segment began.
    pub elapsed: Offset,
    /// Planned instants that have passed.
    pub due: u64,
    /// Sends begun.
    pub sent: u64,
    /// Requests that completed.
    pub completed: u64,
    /// Requests that failed, timed out or were shed.
    pub missed: u64,
    /// Requests in flight now.
    pub in_flight: u64,
}
