//! Owns the computation of an `Inspection` from the rows taken from a trace.

use std::time::Duration;

use crate::trace::anomalies::anomalies;
use crate::trace::inspection::{Inspection, Peak, Peaks, SharedBlocks};
use crate::trace::spacing::{Counts, Gaps, Times, sliding_peak, tick_of};
use crate::trace::{Quantity, Row, Selection};
use crate::units::Offset;

/// The statistics of the rows taken from a trace; `None` when there are no rows.
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
        anomaly_kinds: Vec::new(),
        kept: rows.len() as u64,
        max_gap_after_row: gaps.longest.map(|(_, row)| row),
        tick_s: tick_of(rows).map(|tick_ns| tick_ns as f64 / 1e9),
        sessions: u64::from(trace.sessions().number()),
        blocks: shared_blocks(selection),
    };
    inspection.anomaly_kinds = anomalies(selection, &inspection);
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
