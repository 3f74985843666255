//! Owns what all connections of a simulated server share.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::clock::{RunClock, Timers};
use crate::sim::fault::Faults;
use crate::sim::live::ServerDesk;
use crate::sim::server::truth::Ledger;

/// What all connections share.
pub(super) struct Shared {
    pub(super) clock: RunClock,
    pub(super) timers: Timers,
    pub(super) desk: ServerDesk,
    pub(super) faults: Faults,
    pub(super) model_name: String,
    /// The name as it stands between the quotes of a JSON text.
    pub(super) model_json: String,
    pub(super) authorization: Option<String>,
    pub(super) keep_alive: Duration,
    pub(super) ledger: Ledger,
    pub(super) sequence: Cell<u64>,
    /// Used between two awaits only, so that an idle connection holds no buffer.
    pub(super) scratch: RefCell<Scratch>,
}

/// Buffers that live between two awaits only.
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
