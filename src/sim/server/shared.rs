//! Owns the state that all connections of a simulated server share.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::{Receiver, RunClock, Timers};
use crate::sim::fault::Faults;
use crate::sim::live::ServerDesk;
use crate::sim::server::truth::Ledger;
use crate::sim::server::vocabulary::Vocabulary;
use crate::units::Offset;

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
    pub(super) vocabulary: RefCell<Vocabulary>,
    /// The most streams at the same time on one connection of HTTP/2.
    pub(super) most_streams: u32,
    /// The tasks that answer streams of HTTP/2.
    pub(super) streams: RefCell<JoinSet<()>>,
    /// Used only between two awaits, so that an idle connection holds no buffer.
    pub(super) scratch: RefCell<Scratch>,
}

impl Shared {
    /// Runs `answer` beside the connection that its stream belongs to.
    pub(super) fn spawn_stream(&self, answer: impl Future<Output = ()> + 'static) {
        let mut streams = self.streams.borrow_mut();
        while streams.try_join_next().is_some() {}
        streams.spawn_local(answer);
    }

    /// Seconds since 1970 at the instant `at`.
    pub(super) fn created_s(&self, at: Offset) -> u64 {
        let wall = self.clock.wall() + Duration::from_nanos(at.as_nanos());
        wall.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
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
