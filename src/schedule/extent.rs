//! Owns `Extent`: how long the measured part of a load lasts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long the measured part lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extent {
    /// A span of scheduled instants.
    Duration(Duration),
    /// This many requests inside the window.
    Requests(u64),
}
