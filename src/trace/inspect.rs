//! Owns `Inspection`: a trace in numbers, as `trace inspect` shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::trace::anomalies::anomalies;
use crate::trace::reshape::tick_of;
use crate::trace::{Format, Quantity, Reason, Row, Selection};
use crate::units::Offset;

/// A trace in numbers. Serialises to the keys of `trace inspect --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Its format.
    pub format: Format,
    /// Rows read.
    pub rows: u64,
    /// Rows left out of the figures below, by reason.
    pub dropped: BTreeMap<Reason, u64>,
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
    /// What a reader should know before replaying it, a sentence each.
    pub anomalies: Vec<String>,
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

/// Describes what was taken from a trace; none where nothing was.
#[must_use]
pub fn inspect(selection: &Selection) -> Option<Inspection> {
    let trace = &selection.trace;
    let rows = trace.rows();
    let (first, last) = (rows.first()?, rows.last()?);
    let span = Offset::from(last.at.since(first.at));
    let gaps = Gaps::of(rows);
    let times = Times::of(rows);
    let at = |row: &Row| row.at;
    let one_second = Counts::of(rows, 1);
    let mut inspection = Inspection {
        format: trace.format(),
        rows: selection.read,
        dropped: selection.dropped.clone(),
        span_s: span.as_secs(),
        rate_per_s: (span > Offset::ZERO).then(|| rows.len() as f64 / span.as_secs()),
        gap_cv: gaps.cv,
        max_gap_s: gaps.longest.map(|(length, _)| length.as_secs()),
        dispersion_1s: one_second.dispersion,
        distinct_times: times.distinct,
        max_tie: times.max_tie,
        out_of_order: trace.out_of_order(),
        peak: Peaks {
            over_1s: Peak { fixed: one_second.most, sliding: sliding_peak(rows, at, Duration::from_secs(1)) },
            over_10s: Peak {
                fixed: Counts::of(rows, 10).most,
                sliding: sliding_peak(rows, at, Duration::from_secs(10)),
            },
            over_60s: Peak {
                fixed: Counts::of(rows, 60).most,
                sliding: sliding_peak(rows, at, Duration::from_mins(1)),
            },
        },
        input_tokens: Quantity::of(rows.iter().map(|row| row.input_tokens))?,
        output_tokens: Quantity::of(rows.iter().map(|row| row.output_tokens))?,
        anomalies: Vec::new(),
        kept: rows.len() as u64,
        max_gap_after_row: gaps.longest.map(|(_, row)| row),
        tick_s: tick_of(rows).map(|tick_ns| tick_ns as f64 / 1e9),
        sessions: u64::from(trace.sessions().number()),
        blocks: shared_blocks(selection),
    };
    inspection.anomalies = anomalies(selection, &inspection);
    Some(inspection)
}

fn shared_blocks(selection: &Selection) -> Option<SharedBlocks> {
    let pool = selection.trace.blocks();
    if pool.is_empty() {
        return None;
    }
    let mut seen = std::collections::HashSet::new();
    let (mut all, mut seen_before) = (0, 0);
    for row in selection.trace.rows() {
        for id in pool.ids(row.place) {
            all += 1;
            seen_before += u64::from(!seen.insert(*id));
        }
    }
    Some(SharedBlocks { tokens: pool.block_tokens(), all, seen_before })
}

/// The gaps between rows.
pub(crate) struct Gaps {
    /// Population standard deviation over mean.
    pub(crate) cv: Option<f64>,
    /// The longest gap and the row, from 1, before it.
    longest: Option<(Offset, u64)>,
}

impl Gaps {
    pub(crate) fn of(rows: &[Row]) -> Self {
        let gaps = || rows.windows(2).map(|pair| Offset::from(pair[1].at.since(pair[0].at)));
        let mut longest: Option<(Offset, u64)> = None;
        for (row, gap) in (1..).zip(gaps()) {
            if longest.is_none_or(|(most, _)| gap > most) {
                longest = Some((gap, row));
            }
        }
        let count = rows.len().saturating_sub(1) as f64;
        let mean_s = gaps().map(Offset::as_secs).sum::<f64>() / count;
        let squares = gaps().map(|gap| (gap.as_secs() - mean_s) * (gap.as_secs() - mean_s)).sum::<f64>();
        Self { cv: (count > 0.0 && mean_s > 0.0).then(|| libm::sqrt(squares / count) / mean_s), longest }
    }
}

struct Times {
    distinct: u64,
    max_tie: u64,
}

impl Times {
    fn of(rows: &[Row]) -> Self {
        let ties = || rows.chunk_by(|one, two| one.at == two.at);
        Self { distinct: ties().count() as u64, max_tie: ties().map(<[Row]>::len).max().unwrap_or(0) as u64 }
    }
}

/// Rows in the windows [kW, (k+1)W) from the first, as far as the last.
pub(crate) struct Counts {
    pub(crate) most: u64,
    /// Population variance over mean.
    pub(crate) dispersion: f64,
}

impl Counts {
    pub(crate) fn of(rows: &[Row], length_s: u64) -> Self {
        let first = rows.first().map_or(Offset::ZERO, |row| row.at);
        let window = |row: &Row| row.at.since(first).as_nanos() / u128::from(length_s * 1_000_000_000);
        let windows = rows.last().map_or(0, |row| window(row) as u64 + 1) as f64;
        let (mut most, mut squares) = (0, 0.0);
        for inside in rows.chunk_by(|one, two| window(one) == window(two)) {
            most = most.max(inside.len() as u64);
            squares += (inside.len() * inside.len()) as f64;
        }
        let mean = rows.len() as f64 / windows;
        Self { most, dispersion: (squares / windows - mean * mean) / mean }
    }
}

/// The most of `rows`, in order of the time that `at` has, in any window [t, t + `length`) that begins at a row.
#[must_use]
pub fn sliding_peak<T>(rows: &[T], at: impl Fn(&T) -> Offset, length: Duration) -> u64 {
    let mut end = 0;
    let mut most = 0;
    for (start, row) in rows.iter().enumerate() {
        let until = at(row).plus(length);
        while rows.get(end).is_some_and(|row| at(row) < until) {
            end += 1;
        }
        most = most.max(end - start);
    }
    most as u64
}
