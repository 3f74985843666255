//! Owns the pure mathematics of statistics.

pub mod batches;
pub mod contrast;
pub mod dispersion;
pub mod isotonic;
mod ks;
pub mod mixing;
pub mod proportion;
pub mod ranks;
pub mod tail;

pub use ks::{ks_critical, ks_distance};
