//! Owns the state that all connections of a simulated server share.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::clock::{Receiver, RunClock, Timers};
use crate::sim::fault::Faults;
use crate::sim::live::ServerDesk;
use crate::sim::server::truth::Ledger;

/// The state that all connections share.
pub(super) struct Shared {
    pub(super) clock: RunClock,
    pub(super) timers: Timers,
    /// Stamps the requests for the truth log.
    pub(super) receiver: Receiver,
    pub(super) desk: ServerDesk,
    pub(super) faults: Faults,
    pub(super) model_name: String,
    /// The model name, escaped as inside a JSON string.
    pub(super) model_json: String,
    pub(super) authorization: Option<String>,
    pub(super) keep_alive: Duration,
    pub(super) ledger: Ledger,
    pub(super) sequence: Cell<u64>,
    /// Used only between two awaits, so that an idle connection holds no buffer.
    pub(super) scratch: RefCell<Scratch>,
}

/// Buffers that are used only between two awaits.
pub(super) struct Scratch {
    pub(super) read: Vec<u8>,
    pub(super) events: Vec<u8>,
    pub(super) out: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { read: vec![0; 64 << 10], events: Vec::new(), out: Vec::new() }
    }
}
