//! Owns the service under test: finds it, starts it if it is embedded, and makes room for its connections.

mod find;
mod room;

pub use find::{Service, Wanted, Whom};
pub use room::{Tight, make_room};
