//! Owns `Inspection`: a trace in numbers, as `trace inspect` shows it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::trace::{Anomaly, Format, Quantity, RemovalReason};

/// A trace in numbers. Serialises to the keys of `trace inspect --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Its format.
    pub format: Format,
    /// Rows read.
    pub rows: u64,
    /// Rows left out of the figures below, by reason.
    pub dropped: BTreeMap<RemovalReason, u64>,
    /// From the first row to the last, in seconds.
    pub span_s: f64,
    /// Rows ÷ span; none where all stand at one instant.
    pub rate_per_s: Option<f64>,
    /// Population standard deviation of the gaps over their mean; none with fewer than two rows or an empty span.
    pub gap_cv: Option<f64>,
    /// The longest gap, in seconds; none with one row.
    pub max_gap_s: Option<f64>,
    /// Population variance over mean of the counts in the windows [k, k+1) s that the span touches.
    pub dispersion_1s: f64,
    /// Different instants.
    pub distinct_times: u64,
    /// The most rows at one instant.
    pub max_tie: u64,
    /// Rows that stood behind a later one in the file.
    pub out_of_order: u64,
    /// The busiest windows.
    pub peak: Peaks,
    /// Input tokens.
    pub input_tokens: Quantity,
    /// Output tokens.
    pub output_tokens: Quantity,
    /// The sentences of `anomaly_kinds`; empty until `report` makes them.
    pub anomalies: Vec<String>,
    /// What a reader should know before replaying it.
    pub anomaly_kinds: Vec<Anomaly>,
    /// Rows that the figures cover: those read without those left out.
    #[serde(skip)]
    pub kept: u64,
    /// The row (from 1, in order of time) after which the longest gap begins.
    #[serde(skip)]
    pub max_gap_after_row: Option<u64>,
    /// The tick of the recorder's clock in seconds; none where no rows share an instant, or all do.
    #[serde(skip)]
    pub tick_s: Option<f64>,
    /// Sessions among the rows read.
    #[serde(skip)]
    pub sessions: u64,
    /// Prefix blocks, and how many of them an earlier row has had; none where the format has no blocks.
    #[serde(skip)]
    pub blocks: Option<SharedBlocks>,
}

impl Inspection {
    /// Rows that share their instant with the row before.
    #[must_use]
    pub fn tied(&self) -> u64 {
        self.kept - self.distinct_times
    }
}

/// The busiest windows by their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peaks {
    /// 1 s.
    #[serde(rename = "1s")]
    pub over_1s: Peak,
    /// 10 s.
    #[serde(rename = "10s")]
    pub over_10s: Peak,
    /// 60 s.
    #[serde(rename = "60s")]
    pub over_60s: Peak,
}

/// The most rows in a window of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peak {
    /// In a window [kW, (k+1)W) from the first row.
    pub fixed: u64,
    /// In any window [t, t+W) that starts at a row.
    pub sliding: u64,
}

/// Prefix blocks of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedBlocks {
    /// Tokens of a block.
    pub tokens: u32,
    /// Blocks of all rows.
    pub all: u64,
    /// Those that an earlier row has had.
    pub seen_before: u64,
}
