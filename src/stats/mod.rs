//! Owns the pure mathematics of statistics.

pub mod dispersion;
pub mod proportion;
pub mod ranks;
