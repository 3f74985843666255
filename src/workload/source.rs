//! Owns `Source`: the lengths, session and class of each request of a plan.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::ONLY_CLASS;
use crate::seed::{Seed, Stream};
use crate::workload::dataset::{DataRow, Order};
use crate::workload::{
    Conversations, LengthSpec, Listed, Mix, MixClass, Outline, Prefix, Recording, SessionSpec, Tokenizer, Turns,
};

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
    /// Classes of requests, each with lengths of its own; there are no sessions.
    Mixed(Mix),
    /// The rows of a data set. They cannot be sent to another process.
    #[serde(skip)]
    Listed(Listed),
}

impl SourceSpec {
    /// The same with lengths that `tokenizer` counts, where they belong to texts that are not made to a length.
    #[must_use]
    pub fn counted_by(self, tokenizer: &Tokenizer) -> Self {
        match self {
            Self::Listed(listed) => Self::Listed(listed.counted_by(tokenizer)),
            other => other,
        }
    }

    /// The mix that the requests come from, if any.
    #[must_use]
    pub fn mix(&self) -> Option<&Mix> {
        if let Self::Mixed(mix) = self { Some(mix) } else { None }
    }

    /// The data set that the requests come from, if any.
    #[must_use]
    pub fn listed(&self) -> Option<&Listed> {
        if let Self::Listed(listed) = self { Some(listed) } else { None }
    }
}

/// A [`SourceSpec`] with its seed. Each request is a pure function of (source, id), in any order.
#[derive(Clone)]
pub(crate) struct Source {
    spec: SourceSpec,
    class: Arc<str>,
    classes: Stream,
    input_lengths: Stream,
    output_lengths: Stream,
    /// The order of the rows of a data set.
    order: Option<Order>,
    /// Sessions of a law, as [`Turns::Drawn`].
    turns: Option<Turns>,
}

impl Source {
    /// The requests of `spec`, with lengths and classes drawn from `seed` (streams `input_lengths`, `output_lengths`
    /// and `classes`, each at the request's id), in sessions of `sessions`, if there are any. A session has one class.
    #[must_use]
    pub(crate) fn new(spec: SourceSpec, sessions: Option<SessionSpec>, seed: Seed) -> Self {
        let order = spec.listed().map(|listed| {
            let rows = u32::try_from(listed.data().units()).unwrap_or(u32::MAX);
            Order::new(listed.sampling(), rows, listed.start(), seed)
        });
        let starts = spec.listed().and_then(|listed| listed.data().starts()).cloned();
        let rows = order.clone().zip(starts);
        let thinks = spec.listed().filter(|_| sessions.is_some()).and_then(|listed| listed.data().thinks());
        Self {
            spec,
            order,
            class: ONLY_CLASS.into(),
            classes: seed.stream("classes"),
            input_lengths: seed.stream("input_lengths"),
            output_lengths: seed.stream("output_lengths"),
            turns: sessions.map(|sessions| Turns::Drawn(Conversations::new(sessions, rows, thinks, seed))),
        }
    }

    /// The numbers of request `id`.
    #[must_use]
    pub(crate) fn request(&self, id: u64) -> Outline {
        let mut class = &self.class;
        let (input_tokens, output_tokens) = match &self.spec {
            SourceSpec::Mixed(mix) => {
                // All turns of a session belong to one class.
                let of_class = if self.turns.is_some() { Conversations::session(id) } else { id };
                let MixClass { name, input, output, .. } = mix.class_of(&self.classes, of_class);
                class = name;
                (input.tokens(&self.input_lengths, id), output.tokens(&self.output_lengths, id))
            }
            SourceSpec::Drawn { input, output } => (
                input.tokens(&self.input_lengths, id),
                output.as_ref().map_or(0, |output| output.tokens(&self.output_lengths, id)),
            ),
            SourceSpec::Recorded(recording) => recording.tokens(id),
            SourceSpec::Listed(listed) => {
                let lengths = listed.lengths_of(self.place(id).unwrap_or(0));
                let drawn = || listed.output().tokens(&self.output_lengths, id);
                (lengths.input, lengths.output.unwrap_or_else(drawn))
            }
        };
        let (session, turn) = match &self.turns {
            Some(turns) => (Some(Conversations::session(id)), Some(turns.turn(id))),
            None => self.recording().and_then(|recording| recording.session(id)).unzip(),
        };
        let turns = self.turns().filter(|_| session.is_some());
        let turns = turns.zip(turn).map(|(turns, turn)| turn + 1 + turns.after(id).len() as u32);
        Outline { id, class: Arc::clone(class), session, turn, turns, input_tokens, output_tokens }
    }

    /// The prefix blocks of request `id`; empty if lengths are drawn.
    #[must_use]
    pub(crate) fn prefix(&self, id: u64) -> Prefix {
        self.recording().map_or_else(Prefix::default, |recording| Prefix {
            ids: recording.blocks(id).collect(),
            block_tokens: recording.block_tokens(),
        })
    }

    /// The trace that the requests come from, if any.
    #[must_use]
    pub(crate) fn recording(&self) -> Option<&Recording> {
        match &self.spec {
            SourceSpec::Recorded(recording) => Some(recording),
            SourceSpec::Drawn { .. } | SourceSpec::Mixed(_) | SourceSpec::Listed(_) => None,
        }
    }

    /// The data set that the requests come from, if any.
    #[must_use]
    pub(crate) fn listed(&self) -> Option<&Listed> {
        self.spec.listed()
    }

    /// The place of the row of request `id` in the data set, if there is one.
    #[must_use]
    pub(crate) fn place(&self, id: u64) -> Option<usize> {
        if let Some(Turns::Drawn(turns)) = &self.turns
            && let Some(place) = turns.row(id)
        {
            return Some(place);
        }
        self.order.as_ref().map(|order| order.row(id))
    }

    /// The row of request `id`, if requests come from a data set.
    pub(super) fn row(&self, id: u64) -> Option<&DataRow> {
        self.listed()?.row(self.place(id)?)
    }

    /// The sessions, if later turns wait for the previous turn; `None` if all turns have planned instants.
    #[must_use]
    pub(crate) fn turns(&self) -> Option<&Turns> {
        self.turns.as_ref().or_else(|| self.recording().and_then(Recording::turns))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.spec).finish()
    }
}
