//! Owns what a result says and how it is shown: the model, and the console's tables.

mod console;
mod layout;
mod model;
mod tokens;

pub use console::render;
pub use layout::Ink;
pub use model::{Host, Report, SCHEMA, Target, Tool};
