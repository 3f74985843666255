//! Owns the signals that ask us to stop: SIGINT and SIGTERM, alike.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// Hears SIGINT and SIGTERM from now on, instead of dying of them.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Starts to listen. Needs a tokio runtime.
    pub(super) fn listen() -> Result<Self, Error> {
        let hear = |kind| signal(kind).map_err(|why| Error::Internal(format!("signals cannot be heard: {why}")));
        Ok(Self { interrupt: hear(SignalKind::interrupt())?, terminate: hear(SignalKind::terminate())? })
    }

    /// Returns at the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
