//! Owns `Record`: what was planned for one request, and what was observed. No derived numbers.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::Exchange;
use crate::units::Offset;

/// The class of every request of a load without a mix of classes.
pub(crate) const ONLY_CLASS: &str = "default";

/// One planned or released request and its outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The request's number in the plan, from 0, warm-up included.
    pub id: u64,
    /// The request's class in a mix; `default` without a mix.
    pub class: Arc<str>,
    /// The request's session, if it has one.
    pub session: Option<u64>,
    /// The request's turn in its session, from 0.
    pub turn: Option<u32>,
    /// Turns of the request's session, if the later turns wait for the previous turn.
    pub turns: Option<u32>,
    /// Whether the plan or the end of an earlier request set `scheduled`.
    pub origin: Origin,
    /// The planned instant, or the instant of release. Never moves.
    pub scheduled: Offset,
    /// Input tokens asked for, by the plan's count.
    pub asked_input_tokens: u32,
    /// Output tokens asked for; 0 if none were asked for.
    pub asked_output_tokens: u32,
    /// How long after its send the plan cancels the request, if it has not ended by then; `None`: never. Such a request
    /// is load: no latency and no objective counts it, whether it ended in time or not.
    pub cancel_after: Option<Duration>,
    /// Base URL that the request went to.
    pub target: Arc<str>,
    /// Model that the request asked for.
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
    /// The end of an earlier request (closed loop, or a later turn of a session).
    Released,
}
