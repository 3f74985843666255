//! Owns what is sent: lengths, prompts, and the plan that joins them to instants.

mod plan;

pub use plan::{Closed, Load, Outline, Plan, RequestSpec, Salt};
