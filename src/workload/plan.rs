//! Owns `Plan`: when (timeline or closed loop) joined to what (workload). Every request is a pure function of (plan, id).

use std::sync::Arc;

use crate::schedule::{Arrivals, Extent, Spans, Timeline};

/// When requests leave.
#[derive(Debug, Clone, PartialEq)]
pub enum Load {
    /// Planned instants, independent of completion.
    Open(Timeline),
    /// Released by completions: a reference, never a measurement of an open load.
    Closed(Closed),
}

/// A closed loop: `concurrency` requests in flight, each completion releases the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Closed {
    /// Requests in flight: 1 synchronous, N concurrent, 512 throughput.
    pub concurrency: u32,
    /// How long, or how many requests.
    pub extent: Extent,
    /// Released before the window opens.
    pub warmup: std::time::Duration,
    /// Released after it has closed.
    pub cooldown: std::time::Duration,
}

/// What makes the prompts of one run differ from those of another, so that no prefix cache survives between runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Salt {
    /// No salt: the same prompts for the same seed.
    Off,
    /// This text in front of every prompt.
    Text(String),
}

/// What is known of a request without making its prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its number in the plan, from 0.
    pub id: u64,
    /// Its class; `default` without a mix.
    pub class: Arc<str>,
    /// Its session, where it has one.
    pub session: Option<u64>,
    /// Its turn in the session.
    pub turn: Option<u32>,
    /// Input tokens asked for.
    pub input_tokens: u32,
    /// Output tokens asked for.
    pub output_tokens: u32,
}

/// A request ready to be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSpec {
    /// Its numbers.
    pub outline: Outline,
    /// The prompt text.
    pub prompt: String,
}

/// When and what, joined. Shared read-only by all workers.
#[derive(Debug, Clone)]
pub struct Plan {
    load: Load,
}

impl Plan {
    /// When.
    #[must_use]
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// Warm-up, window and cool-down. For a closed loop by count the window is nominal: [warm-up, `Offset::NEVER`).
    #[must_use]
    pub fn spans(&self) -> Spans {
        todo!()
    }

    /// Planned instants of an open load in order, quota applied; empty for a closed loop.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        todo!()
    }

    /// The numbers of request `id`.
    #[must_use]
    pub fn outline(&self, _id: u64) -> Outline {
        todo!()
    }

    /// Request `id` with its prompt.
    #[must_use]
    pub fn spec(&self, _id: u64) -> RequestSpec {
        todo!()
    }

    /// Hash of instants, lengths, classes, sessions and block ids; never of the salt. One pass over the plan.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        todo!()
    }
}
