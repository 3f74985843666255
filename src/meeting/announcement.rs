//! Owns `Announcement`: what a shard says about itself at the meeting place.

use serde::{Deserialize, Serialize};

use crate::meeting::shared_clock::SharedClock;
use crate::units::Shard;

/// One shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Announcement {
    /// Which part of the plan it sends.
    pub shard: Shard,
    /// The machine.
    pub host: String,
    /// The process on the machine.
    pub process: u32,
    /// The version of tonnage, with its commit.
    pub version: String,
    /// The hash of the whole plan.
    pub plan_fingerprint: String,
    /// The machine's clock against that of the place.
    pub clock: SharedClock,
}

impl Announcement {
    /// The name of its file.
    pub(crate) fn file(shard: Shard) -> String {
        format!("shards/{:04}.json", shard.number())
    }

    /// Why a shard with this announcement cannot load the same service by the same plan as `other`; `None` if it can.
    pub(crate) fn refused_by(&self, other: &Self) -> Option<String> {
        let [mine, theirs] = [self, other].map(|one| one.shard.of());
        let whom = format!("shard {} on {}", other.shard, other.host);
        if mine != theirs {
            return Some(format!("{whom} is one of {theirs} shards, and this is one of {mine}"));
        }
        if self.version != other.version {
            return Some(format!("{whom} is tonnage {}, and this is {}", other.version, self.version));
        }
        if self.plan_fingerprint != other.plan_fingerprint {
            return Some(format!("{whom} has another plan (other options, another seed, or another trace)"));
        }
        None
    }
}
