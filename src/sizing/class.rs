//! Owns `Class`: one of several kinds of requests that share the replicas.

use serde::Serialize;

use crate::sizing::RateInterval;
use crate::units::Rate;

/// Requests of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Class {
    /// The name of the class.
    pub name: String,
    /// The demand of this class, in requests per second.
    pub demand_per_s: Rate,
    /// The rate of this class that one replica carries without the other classes, in requests per second.
    pub rate_per_s: RateInterval,
}
