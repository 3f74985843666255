//! Owns `Process`: how arrivals are spread at a given rate.

use serde::{Deserialize, Serialize};

/// The law of the gaps between arrivals, at mean gap 1 ("operational time").
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Process {
    /// Exactly even: arrival i at i.
    Even,
    /// Poisson: exponential gaps.
    Poisson,
    /// Gamma gaps of the given coefficient of variation: shape 1/CV², scale CV².
    Gamma {
        /// Standard deviation over mean, above 0 (1 is Poisson).
        cv: f64,
    },
}
