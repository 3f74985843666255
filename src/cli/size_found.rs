//! Owns `Found`, what a result that a fleet is sized from says of one replica.

use crate::results::RunSpec;
use crate::sizing::Capacity;

/// What a result says of one replica.
pub(super) struct Found {
    pub(super) capacity: Capacity,
    pub(super) name: String,
    pub(super) simulated: bool,
    /// The options that it was measured with; empty where they are not known.
    pub(super) config: RunSpec,
}

impl Found {
    pub(super) fn of(capacity: Capacity, name: String) -> Self {
        Self { capacity, name, simulated: false, config: RunSpec::default() }
    }
}
