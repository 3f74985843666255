//! Owns verb `batch`: the cells of a matrix, run one after another.

mod cells;
mod check;
mod child;
mod course;
mod matrix;
mod verb;

pub(super) use child::follow_batch;
pub(super) use verb::{BatchArguments, batch};
