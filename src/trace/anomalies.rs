//! Owns the detection of anomalies in a trace: artefacts of the recording and obstacles to a replay.

use crate::trace::anomaly::Anomaly;
use crate::trace::inspection::Inspection;
use crate::trace::{Format, Row, Selection};

/// Threshold in tokens: an input above it is longer than the context of most models.
const LONG_INPUT: u32 = 100_000;

/// Everything a user should know before a replay of the rows taken.
pub(crate) fn anomalies(selection: &Selection, seen: &Inspection) -> Vec<Anomaly> {
    let rows = selection.trace.rows();
    [
        restart(selection),
        starts(selection),
        no_requests(selection),
        disorder(seen),
        ticks(seen).filter(|_| !selection.trace.has_relative_sessions()),
        whole_seconds(rows, seen),
        empties(rows),
        silence(rows, seen),
        slow(seen),
        repeated(selection),
        long_inputs(seen),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn restart(selection: &Selection) -> Option<Anomaly> {
    let restart = selection.trace.restart()?;
    let segments = u64::from(selection.trace.segments());
    Some(Anomaly::SeveralRecordings { line: restart.line, back_s: restart.back_s as f64, segments })
}

/// When the file does not say when sessions began, all sessions begin at time 0.
fn starts(selection: &Selection) -> Option<Anomaly> {
    let sessions = u64::from(selection.trace.sessions().number());
    (selection.trace.has_relative_sessions() && sessions > 1).then_some(Anomaly::RelativeSessions { sessions })
}

fn no_requests(selection: &Selection) -> Option<Anomaly> {
    let entries = selection.trace.passed_over();
    (entries > 0).then_some(Anomaly::NotRequests { entries })
}

fn disorder(seen: &Inspection) -> Option<Anomaly> {
    (seen.out_of_order > 0).then_some(Anomaly::OutOfOrder { rows: seen.out_of_order })
}

/// Ties between at least 10 % of the rows show that the recorder's clock is coarse. Peaks and dispersion are then
/// artefacts.
fn ticks(seen: &Inspection) -> Option<Anomaly> {
    let (rows, distinct_times) = (seen.tied(), seen.distinct_times);
    let ticks = Anomaly::ClockTicks { rows, distinct_times, most: seen.max_tie, tick_s: seen.tick_s };
    (rows * 10 >= seen.kept).then_some(ticks)
}

fn whole_seconds(rows: &[Row], seen: &Inspection) -> Option<Anomaly> {
    let whole = rows.len() > 1 && rows.iter().all(|row| row.at.as_nanos().is_multiple_of(1_000_000_000));
    (whole && seen.tied() * 10 < seen.kept).then_some(Anomaly::WholeSeconds)
}

fn empties(rows: &[Row]) -> Option<Anomaly> {
    let number = |is: fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count() as u64;
    let empty = number(|row| row.input_tokens == 0 || row.output_tokens == 0);
    let neither = number(|row| row.input_tokens == 0 && row.output_tokens == 0);
    (empty > 0).then_some(Anomaly::EmptyRows { rows: empty, neither })
}

/// A gap that is far longer than the others. It alone raises the coefficient of variation.
fn silence(rows: &[Row], seen: &Inspection) -> Option<Anomaly> {
    let (longest_s, after_row) = (seen.max_gap_s?, seen.max_gap_after_row?);
    let mean_s = seen.span_s / (rows.len().checked_sub(1)? as f64);
    if rows.len() < 20 || longest_s < 20.0 * mean_s || longest_s < 0.02 * seen.span_s {
        return None;
    }
    let since_s = rows.get(usize::try_from(after_row).ok()?.checked_sub(1)?)?.at.secs_since(rows.first()?.at);
    Some(Anomaly::LongSilence { longest_s, share: longest_s / seen.span_s, after_row, since_s })
}

fn slow(seen: &Inspection) -> Option<Anomaly> {
    let rate_per_s = seen.rate_per_s.filter(|rate| *rate < 0.1)?;
    // The power of ten that gives about one request per second.
    let scale = libm::pow(10.0, libm::round(-libm::log10(rate_per_s)));
    Some(Anomaly::Slow { span_s: seen.span_s, rate_per_s, scale })
}

fn repeated(selection: &Selection) -> Option<Anomaly> {
    let (rows, pool) = (selection.trace.rows(), selection.trace.blocks());
    let mut twice = 0;
    for tie in rows.chunk_by(|one, two| one.at == two.at).filter(|tie| tie.len() > 1) {
        let mut same: Vec<_> =
            tie.iter().map(|row| (row.input_tokens, row.output_tokens, pool.ids(row.place))).collect();
        same.sort_unstable();
        twice += same.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
    }
    (twice > 0 && matches!(selection.trace.format(), Format::Mooncake | Format::Bailian))
        .then_some(Anomaly::RepeatedRows { rows: twice })
}

fn long_inputs(seen: &Inspection) -> Option<Anomaly> {
    let tokens = seen.input_tokens.max;
    (tokens > LONG_INPUT).then_some(Anomaly::LongInputs { tokens })
}
