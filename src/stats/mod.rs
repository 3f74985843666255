//! Owns the pure mathematics of statistics.
