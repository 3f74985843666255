//! Owns `--meet`: where the shards of a plan meet, and for how long each waits for the others.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::options::ShardOptions;
use crate::error::Error;

/// Where the shards meet.
#[derive(Debug, Clone)]
pub(super) struct Meet {
    /// The folder that all shards see.
    pub(super) root: PathBuf,
    /// How long a shard waits for the others.
    pub(super) patience: Duration,
}

impl Meet {
    /// What the options ask for. Refused without a shard, and beside a start given by hand.
    pub(super) fn of(options: &ShardOptions) -> Result<Option<Self>, Error> {
        let Some(root) = options.meet.clone() else { return Ok(None) };
        if options.shard.is_none() {
            let why = "is the meeting place of shards, and this is the whole plan";
            return Err(Error::usage("--meet", why, "give --shard I/N or --shard auto, too"));
        }
        if options.start_at.is_some() {
            let why = "agrees on a start, and --start-at gives one";
            return Err(Error::usage("--meet", why, "drop --start-at"));
        }
        Ok(Some(Self { root, patience: options.meet_timeout }))
    }
}
