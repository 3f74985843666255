//! Owns `Record`, the noun: one request, what was planned and what happened. Facts only, no derived number.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::Exchange;
use crate::units::Offset;

/// One planned or released request and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its number in the plan, from 0, warm-up included.
    pub id: u64,
    /// Its class in a mix; `default` without one.
    pub class: Arc<str>,
    /// Its session, where it has one.
    pub session: Option<u64>,
    /// Its turn in the session, from 0.
    pub turn: Option<u32>,
    /// Whether the plan or a completion set its instant.
    pub origin: Origin,
    /// The planned instant, or the instant of release. Never moves.
    pub scheduled: Offset,
    /// Input tokens asked for, by the plan's count.
    pub asked_input_tokens: u32,
    /// Output tokens asked for; 0 where none was asked.
    pub asked_output_tokens: u32,
    /// Base URL it went to.
    pub target: Arc<str>,
    /// Model it asked for.
    pub model: Arc<str>,
    /// What happened on the wire.
    pub exchange: Exchange,
}

/// What set a request's instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The plan (open loop).
    #[default]
    Planned,
    /// A completion before it (closed loop, or a session's later turn).
    Released,
}
