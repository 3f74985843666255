//! Owns the dialects: one file for each kind of endpoint, and the table of all kinds in `endpoint.rs`.
//!
//! To add an endpoint, write its file beside `chat.rs` and add its row to `Endpoint::ALL`. The client needs the trait
//! `Dialect`, the simulated server needs `ServedDialect`. Encoder, reader, simulator and the tests of all endpoints use
//! the table.

mod chat;
mod choices;
mod completions;
mod embeddings;
mod endpoint;
#[cfg(test)]
mod fuzzed;
mod items;
mod kind;
mod messages;
mod ollama;
mod ollama_chat;
mod ollama_generate;
mod pairs;
mod prompt;
mod raw;
mod responses;
mod served;
mod single;
mod tei_embed;
#[cfg(test)]
mod third;
mod written;

pub use endpoint::Endpoint;
pub(crate) use kind::{BodyValues, Dialect, StreamFields};
pub use kind::{Capabilities, StreamFraming};
pub use raw::RawEndpoint;
pub(crate) use served::{AnswerIdentity, AnswerUsage, PromptPart, Says, ServedRequest, SoFar, WholeChoice};
