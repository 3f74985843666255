//! Owns the continuous-batching engine: a pure discrete-event model of an LLM server, after vLLM's scheduler, in
//! whole nanoseconds.
//!
//! The engine runs step after step. Every decoding sequence gets one token. The rest of the token budget goes to
//! prefills in order of arrival; a prefill that does not fit is split. New sequences are admitted while sequences and
//! KV blocks are free. When blocks run out, the latest sequence is preempted and computed again later. All tokens of
//! a step leave at its end. [`StepCost`] gives the duration of a step, [`Setup`] describes the server, and [`Engine`]
//! simulates it. The closed forms of [`Setup`] give the latencies and the throughput that the simulation must
//! reproduce.

mod blocks;
mod cost;
mod machine;
mod preset;
mod setup;
mod steady;

#[cfg(test)]
mod tests;

pub use cost::{Batch, StepCost};
pub use machine::{Counters, Engine, Gauges, Request, Token, TooLong};
pub use preset::Preset;
pub use setup::Setup;
