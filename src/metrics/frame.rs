//! Owns `Frame`: what a summary has to know of the run besides its records.

use serde::{Deserialize, Serialize};

use crate::record::Header;
use crate::units::{Offset, Window};

/// What a summary has to know of the run besides its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The measured window of scheduled instants.
    pub window: Window,
    /// When the planned load ends, cool-down included.
    pub load_end: Offset,
    /// Whether answers are streamed.
    pub streamed: bool,
}

impl From<&Header> for Frame {
    fn from(header: &Header) -> Self {
        Self { window: header.window, load_end: header.load_end, streamed: header.streamed }
    }
}
