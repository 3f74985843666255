//! Owns the continuous-batching engine: a pure discrete-event model of an LLM server, after vLLM's scheduler, in
//! whole nanoseconds.
//!
//! One step after the other: every decoding sequence gets one token, what is left of the token budget goes to
//! prefills in order of arrival (split where it does not suffice), new sequences come in while sequences and KV
//! blocks last, the latest gives way when blocks run out and is computed again later. A step's tokens all leave at
//! its end. [`StepCost`] says how long a step takes, [`Setup`] what the server is, [`Engine`] plays it, and the
//! closed expressions of [`Setup`] say what it must come to.

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
