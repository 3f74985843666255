//! Owns `Trial`: one segment of load and what its records showed. Search and sizing see nothing else.

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
    /// How the sending of requests ended.
    pub ended: Ended,
    /// Requests planned after the instant at which the segment was cut short.
    pub not_due: u64,
    /// Requests planned at or before that instant, counted from the plan and not from the records; absent in a
    /// closed loop and when read from a file.
    pub due: Option<u64>,
    /// Requests in flight; absent when computed from records alone.
    pub concurrency: Option<Concurrency>,
    /// Hash of the bodies sent; absent if no body was encoded, and when read from records.
    pub body_fingerprint: Option<String>,
    /// The summary of its records.
    pub summary: Summary,
    /// The records in order, request by request, if a rule watched the requests; absent when read from a file.
    pub sequence: Option<Sequence>,
}

impl Trial {
    /// The measured window, cut short when the segment was.
    #[must_use]
    pub fn window(&self) -> Window {
        self.summary.frame().window
    }

    /// Adds the results of another shard of the same plan, which had the same origin and the same objectives: the
    /// counts and the summaries. Values that cannot be derived from two shards (the peak in flight) or that
    /// describe one shard (its number, its bodies) become absent.
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

    /// The judgement of its objectives (the objectives that its summary was computed for), and of whether the
    /// generator can be trusted.
    #[must_use]
    pub fn judge(&self) -> Judgement {
        judge(&self.summary, &self.circumstances())
    }

    /// The circumstances that the judgement needs.
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
