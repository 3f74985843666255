//! Owns `Inspection`: the statistics of a trace, as `trace inspect` shows them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::trace::{Anomaly, Format, Quantity, RemovalReason};

/// The statistics of a trace. They serialise to the keys of `trace inspect --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The format of the trace.
    pub format: Format,
    /// Rows read.
    pub rows: u64,
    /// Rows left out of the figures below, by reason.
    pub dropped: BTreeMap<RemovalReason, u64>,
    /// Time from the first row to the last, in seconds.
    pub span_s: f64,
    /// Rows ÷ span, in rows per second; `None` when all rows have the same instant.
    pub rate_per_s: Option<f64>,
    /// Population standard deviation of the gaps ÷ their mean; `None` with fewer than two rows or an empty span.
    pub gap_cv: Option<f64>,
    /// The longest gap between two rows, in seconds; `None` with one row.
    pub max_gap_s: Option<f64>,
    /// Population variance ÷ mean of the row counts in the windows [k, k+1) s that the span touches.
    pub dispersion_1s: f64,
    /// Number of distinct instants.
    pub distinct_times: u64,
    /// Largest number of rows at one instant.
    pub max_tie: u64,
    /// Rows that came after a later row in the file.
    pub out_of_order: u64,
    /// The busiest windows.
    pub peak: Peaks,
    /// Input tokens.
    pub input_tokens: Quantity,
    /// Output tokens.
    pub output_tokens: Quantity,
    /// One sentence for each of `anomaly_kinds`; empty until `report` fills it.
    pub anomalies: Vec<String>,
    /// Properties of the trace that a user should know before a replay.
    pub anomaly_kinds: Vec<Anomaly>,
    /// Rows that the statistics cover: rows read minus rows left out.
    #[serde(skip)]
    pub kept: u64,
    /// The row after which the longest gap begins, counted from 1 in order of time.
    #[serde(skip)]
    pub max_gap_after_row: Option<u64>,
    /// The tick of the recorder's clock, in seconds; `None` when no rows share an instant, or all rows do.
    #[serde(skip)]
    pub tick_s: Option<f64>,
    /// Sessions among the rows read.
    #[serde(skip)]
    pub sessions: u64,
    /// Number of prefix blocks, and how many of them occurred in an earlier row; `None` when no row has blocks.
    #[serde(skip)]
    pub blocks: Option<SharedBlocks>,
}

impl Inspection {
    /// Number of rows that share their instant with the previous row.
    #[must_use]
    pub fn tied(&self) -> u64 {
        self.kept - self.distinct_times
    }
}

/// The busiest windows of three lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peaks {
    /// The busiest window of 1 s.
    #[serde(rename = "1s")]
    pub over_1s: Peak,
    /// The busiest window of 10 s.
    #[serde(rename = "10s")]
    pub over_10s: Peak,
    /// The busiest window of 60 s.
    #[serde(rename = "60s")]
    pub over_60s: Peak,
}

/// The largest number of rows in a window of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peak {
    /// Largest number of rows in a window [kW, (k+1)W), counted from the first row.
    pub fixed: u64,
    /// Largest number of rows in any window [t, t+W) that starts at a row.
    pub sliding: u64,
}

/// Counts of the prefix blocks of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedBlocks {
    /// Tokens in one block.
    pub tokens: u32,
    /// Number of blocks in all rows.
    pub all: u64,
    /// Number of blocks that occurred in an earlier row.
    pub seen_before: u64,
}
