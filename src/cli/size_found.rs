//! Owns `Found`, what a result says about one replica of the fleet.

use crate::results::RunSpec;
use crate::sizing::Capacity;

/// What a result says about one replica.
pub(super) struct Found {
    pub(super) capacity: Capacity,
    pub(super) name: String,
    pub(super) simulated: bool,
    /// The options that the replica was measured with; empty if they are not known.
    pub(super) config: RunSpec,
}

impl Found {
    pub(super) fn of(capacity: Capacity, name: String) -> Self {
        Self { capacity, name, simulated: false, config: RunSpec::default() }
    }
}
