//! Owns the pure mathematics of statistics.

mod ks;

pub use ks::{ks_critical, ks_distance};
