//! Owns `Anomaly`: an artefact in a trace or an obstacle to its replay, with its numbers. `report` turns it into a
//! sentence.

use serde::Serialize;

/// A property of a trace that a user should know before a replay: an element of `anomaly_kinds` in `trace inspect
/// --json`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Anomaly {
    /// The times start again in the middle of the file: it holds several recordings.
    SeveralRecordings {
        /// The first line whose time goes back.
        line: u64,
        /// How far the time goes back, in seconds.
        back_s: f64,
        /// Number of recordings in the file.
        segments: u64,
    },
    /// The times of each session count from the start of the session, and the starts are not recorded.
    RelativeSessions {
        /// Number of sessions.
        sessions: u64,
    },
    /// Some entries are not requests to a model. They were skipped.
    NotRequests {
        /// Number of skipped entries.
        entries: u64,
    },
    /// Some rows came after a later row. They were sorted.
    OutOfOrder {
        /// Number of rows out of order.
        rows: u64,
    },
    /// Many rows share their instant with the previous row: the recorder's clock is coarse.
    ClockTicks {
        /// Number of rows that share their instant with the previous row.
        rows: u64,
        /// Number of distinct instants.
        distinct_times: u64,
        /// Largest number of rows at one instant.
        most: u64,
        /// The tick of the clock, in seconds; absent when all rows have the same instant.
        tick_s: Option<f64>,
    },
    /// All times are whole seconds.
    WholeSeconds,
    /// Some rows have 0 input or 0 output tokens.
    EmptyRows {
        /// Number of empty rows.
        rows: u64,
        /// Number of empty rows with 0 input and 0 output tokens.
        neither: u64,
    },
    /// One gap is far longer than the others.
    LongSilence {
        /// Length of the gap, in seconds.
        longest_s: f64,
        /// The gap's share of the whole trace, 0 to 1.
        share: f64,
        /// The row before the gap, from 1.
        after_row: u64,
        /// Start of the gap, in seconds after the first row.
        since_s: f64,
    },
    /// Requests come so slowly that a replay at the recorded speed takes long.
    Slow {
        /// The length of the trace, in seconds.
        span_s: f64,
        /// The rate of the trace, in requests per second.
        rate_per_s: f64,
        /// The power of ten by which the rate becomes about one request per second.
        scale: f64,
    },
    /// Some rows are exact repetitions of another row at the same instant.
    RepeatedRows {
        /// Number of repetitions.
        rows: u64,
    },
    /// Some inputs are longer than the context of most models.
    LongInputs {
        /// Length of the longest input, in tokens.
        tokens: u32,
    },
}
