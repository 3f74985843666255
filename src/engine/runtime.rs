//! Owns the runtime that a session and its collectors run on.

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::error::Error;

/// A single-threaded runtime on the caller's thread, for a [`crate::engine::LivePlayer`] or any other player.
pub(crate) fn local_runtime() -> Result<LocalRuntime, Error> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|why| Error::Internal(format!("cannot start a runtime: {why}")))
}
