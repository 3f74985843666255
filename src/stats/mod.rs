//! Owns the pure mathematics of statistics.

pub mod proportion;
pub mod ranks;
