//! Owns `Source`: the lengths, session and class of each request of a plan.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::seed::{Seed, Stream};
use crate::workload::{LengthSpec, Outline, Prefix, Recording, Turns};

/// The input and output tokens of requests, and their sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SourceSpec {
    /// Lengths are drawn by laws; there are no sessions.
    Drawn {
        /// Input tokens of each request.
        input: LengthSpec,
        /// Output tokens of each request; `None` if none are asked for (embeddings, rerank).
        output: Option<LengthSpec>,
    },
    /// The requests of a trace, with their prefix blocks and sessions. Request i is row i; after the last row the
    /// first follows again.
    Recorded(Arc<Recording>),
}

/// A [`SourceSpec`] with its seed. Each request is a pure function of (source, id), in any order.
#[derive(Clone)]
pub struct Source {
    spec: SourceSpec,
    class: Arc<str>,
    input_lengths: Stream,
    output_lengths: Stream,
}

/// The class of every request of a plan without a mix of classes.
const ONLY_CLASS: &str = "default";

impl Source {
    /// The requests of `spec`, with lengths drawn from `seed` (streams `input_lengths` and `output_lengths`, each at
    /// the request's id).
    #[must_use]
    pub fn new(spec: SourceSpec, seed: Seed) -> Self {
        Self {
            spec,
            class: ONLY_CLASS.into(),
            input_lengths: seed.stream("input_lengths"),
            output_lengths: seed.stream("output_lengths"),
        }
    }

    /// The numbers of request `id`.
    #[must_use]
    pub fn request(&self, id: u64) -> Outline {
        let (input_tokens, output_tokens) = match &self.spec {
            SourceSpec::Drawn { input, output } => (
                input.tokens(&self.input_lengths, id),
                output.as_ref().map_or(0, |output| output.tokens(&self.output_lengths, id)),
            ),
            SourceSpec::Recorded(recording) => recording.tokens(id),
        };
        let (session, turn) = self.recording().and_then(|recording| recording.session(id)).unzip();
        Outline { id, class: Arc::clone(&self.class), session, turn, input_tokens, output_tokens }
    }

    /// The prefix blocks of request `id`; empty if lengths are drawn.
    #[must_use]
    pub fn prefix(&self, id: u64) -> Prefix {
        self.recording().map_or_else(Prefix::default, |recording| Prefix {
            ids: recording.blocks(id).collect(),
            block_tokens: recording.block_tokens(),
        })
    }

    /// The trace that the requests come from, if any.
    #[must_use]
    pub fn recording(&self) -> Option<&Recording> {
        match &self.spec {
            SourceSpec::Recorded(recording) => Some(recording),
            SourceSpec::Drawn { .. } => None,
        }
    }

    /// The sessions, if later turns wait for the previous turn; `None` if all turns have planned instants.
    #[must_use]
    pub fn turns(&self) -> Option<&Turns> {
        self.recording().and_then(Recording::turns)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.spec).finish()
    }
}
