//! Owns many loads in a row: which comes next, and what they have shown together.

pub mod step;
