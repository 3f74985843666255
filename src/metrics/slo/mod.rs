//! Owns objectives: their types, their grammar, the presets.

mod grammar;
mod objective;
mod objectives;
mod presets;

pub use objective::{Comparison, Limit, Objective, Standing, Statistic};
pub use objectives::Objectives;
pub(crate) use presets::PRESETS;
