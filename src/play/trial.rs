//! Owns `Trial`: one segment of load and what its records said. Search and sizing see nothing else.

use serde::{Deserialize, Serialize};

use crate::metrics::{Circumstances, Concurrency, Ended, Judgement, LoadFacts, Sequence, Summary, judge};
use crate::units::{Offset, Window};

/// What one segment of load showed. Search and sizing see nothing else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Trial {
    /// Its name in the report.
    pub label: String,
    /// What the load was.
    pub load: LoadFacts,
    /// When the drain ended.
    pub drain_end: Offset,
    /// How the issuing ended.
    pub ended: Ended,
    /// Planned after the instant at which the segment was cut short.
    pub not_due: u64,
    /// Planned at or before it, counted from the plan and not from the records; absent in a closed loop and when read
    /// again.
    pub due: Option<u64>,
    /// Requests in flight; absent when read again from records alone.
    pub concurrency: Option<Concurrency>,
    /// Hash of the bodies sent; absent where none was encoded, and when read again from records.
    pub body_fingerprint: Option<String>,
    /// Everything its records said.
    pub summary: Summary,
    /// The same request by request, where a watch asked for it; absent when read again.
    pub sequence: Option<Sequence>,
}

impl Trial {
    /// The measured window, cut short when the segment was.
    #[must_use]
    pub fn window(&self) -> Window {
        self.summary.frame().window
    }

    /// Takes in what another shard of the same plan showed, played from the same origin to the same objectives: the
    /// books, the summaries. What follows from both together only (the peak in flight) and what speaks of one (its
    /// shard, its bodies) becomes absent.
    pub fn merge(&mut self, other: &Self) {
        self.summary.merge(&other.summary);
        self.drain_end = self.drain_end.max(other.drain_end);
        self.not_due += other.not_due;
        self.due = self.due.zip(other.due).map(|(mine, theirs)| mine + theirs);
        if self.ended == Ended::Complete {
            self.ended = other.ended;
        }
        (self.concurrency, self.body_fingerprint, self.load.shard, self.sequence) = (None, None, None, None);
    }

    /// What it says about its objectives (those its summary was folded for), and whether the generator can be trusted.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        judge(&self.summary, &self.circumstances())
    }

    /// How it went, as its judgement needs it.
    #[must_use]
    pub fn circumstances(&self) -> Circumstances<'_> {
        Circumstances {
            load: &self.load,
            window: self.window(),
            ended: self.ended,
            not_due: self.not_due,
            due: self.due,
            concurrency: self.concurrency,
        }
    }
}
