//! Owns the runtime that a session and its collectors live in.

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::error::Error;

/// A runtime of one thread, that of the caller, for a [`crate::engine::Session`] and whoever else is played.
pub fn local_runtime() -> Result<LocalRuntime, Error> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|why| Error::Internal(format!("no runtime: {why}")))
}
