//! Owns the dialects: one file for each kind of endpoint, and the table of all kinds in `endpoint.rs`.
//!
//! To add an endpoint, write its file beside `chat.rs` and add its row to `Endpoint::ALL`. The client needs the trait
//! `Dialect`, the simulated server needs `ServedDialect`. Encoder, reader, simulator and the tests of all endpoints use
//! the table.

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
