//! Owns the pure mathematics of statistics.

pub mod dispersion;
mod ks;
pub mod proportion;
pub mod ranks;

pub use ks::{ks_critical, ks_distance};
