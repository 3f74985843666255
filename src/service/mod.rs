//! Owns the service under test: found, started where it is ours, and reached with as many connections as fit.

mod find;
mod room;

pub use find::{Service, Wanted, Whom};
pub use room::{Tight, make_room};
