//! Owns `Anomaly`: what in a trace is an artefact or an obstacle to its replay, with its numbers. `report` turns it
//! into a sentence.

use serde::Serialize;

/// What a reader should know of a trace before replaying it: one of `anomaly_kinds` of `trace inspect --json`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Anomaly {
    /// Times start again in the middle: several recordings are in one file.
    SeveralRecordings {
        /// The first line that goes back.
        line: u64,
        /// How far it goes back, in seconds.
        back_s: f64,
        /// Recordings in the file.
        segments: u64,
    },
    /// Sessions count each from its own start, which is not recorded.
    RelativeSessions {
        /// How many.
        sessions: u64,
    },
    /// Entries are no requests to a model, and were passed over.
    NotRequests {
        /// How many.
        entries: u64,
    },
    /// Rows stood behind a later one, and were sorted.
    OutOfOrder {
        /// How many.
        rows: u64,
    },
    /// Many rows share their instant with the row before: the recorder's clock is coarse.
    ClockTicks {
        /// Rows that share their instant with the row before.
        rows: u64,
        /// Different instants.
        distinct_times: u64,
        /// The most rows at one instant.
        most: u64,
        /// The tick of the clock, in seconds; absent where all rows stand at one instant.
        tick_s: Option<f64>,
    },
    /// All times are whole seconds.
    WholeSeconds,
    /// Rows have 0 input or 0 output tokens.
    EmptyRows {
        /// How many.
        rows: u64,
        /// Those of them that have neither.
        neither: u64,
    },
    /// One gap is far longer than the others.
    LongSilence {
        /// Its length, in seconds.
        longest_s: f64,
        /// Its share of the whole trace, 0 to 1.
        share: f64,
        /// The row that it follows, from 1.
        after_row: u64,
        /// When it begins, in seconds after the first row.
        since_s: f64,
    },
    /// Requests come so slowly that a replay at the recorded speed takes long.
    Slow {
        /// The length of the trace, in seconds.
        span_s: f64,
        /// Its rate, in requests per second.
        rate_per_s: f64,
        /// The power of ten that brings it to about one request a second.
        scale: f64,
    },
    /// Rows repeat another of the same instant exactly.
    RepeatedRows {
        /// How many.
        rows: u64,
    },
    /// Inputs are longer than the context of most models.
    LongInputs {
        /// Tokens of the longest.
        tokens: u32,
    },
}
