//! Owns `Class`: requests of one kind among several that share the replicas.

use serde::Serialize;

use crate::sizing::RateInterval;
use crate::units::Rate;

/// Requests of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Class {
    /// What people call it.
    pub name: String,
    /// How many of them are demanded.
    pub demand_per_s: Rate,
    /// What one replica carries of them alone.
    pub rate_per_s: RateInterval,
}
