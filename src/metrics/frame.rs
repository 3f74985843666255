//! Owns `Frame`: the properties of a run that a summary needs besides the records.

use serde::{Deserialize, Serialize};

use crate::record::Header;
use crate::units::{Offset, Window};

/// The properties of a run that a summary needs besides the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The measured window of scheduled instants.
    pub window: Window,
    /// The instant at which the planned load ends, cool-down included.
    pub load_end: Offset,
    /// Whether responses are streamed.
    pub streamed: bool,
}

impl From<&Header> for Frame {
    fn from(header: &Header) -> Self {
        Self { window: header.window, load_end: header.load_end, streamed: header.streamed }
    }
}
