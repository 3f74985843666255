//! Owns the dialects: each kind of endpoint in one file, and the table of them in `endpoint.rs`.
//!
//! To add an endpoint: write its file beside `chat.rs` (`Dialect` is what a client needs of it, `ServedDialect` what
//! the simulated server needs), and add its row to `Endpoint::ALL`. Encoder, reader, simulator and the tests of all
//! endpoints take the value from there.

mod chat;
mod choices;
mod completions;
mod endpoint;
mod kind;
mod served;
#[cfg(test)]
mod third;
mod written;

pub use endpoint::Endpoint;
pub use kind::Capabilities;
pub(crate) use kind::{Dialect, StreamFields};
pub(crate) use served::{AnswerIdentity, AnswerUsage, PromptPart, Says};
