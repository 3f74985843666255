//! Owns one run: sends the planned requests on time without waiting for responses, and settles each exactly once.

mod collect;
mod desk;
mod follow;
mod gauge;
mod halt;
mod issue;
mod player;
mod released;
mod runtime;
mod segment;
mod source;
mod ticket;
mod turns;
mod worker;

pub use collect::Settling;
pub use halt::Halt;
pub use player::{HEAD_START, Interrupter, LivePlayer, Settings, Setup};
pub(crate) use runtime::local_runtime;
