//! Owns the sentences that `trace inspect` says about a trace: what in it is an artefact, and what to do about it.

use crate::trace::inspection::Inspection;
use crate::trace::{Format, Row, Selection};
use crate::units::{count, pace, seconds};

/// Everything a reader should know before replaying what was taken.
pub(crate) fn anomalies(selection: &Selection, seen: &Inspection) -> Vec<String> {
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

fn restart(selection: &Selection) -> Option<String> {
    let restart = selection.trace.restart()?;
    Some(format!(
        "line {} goes back {}: two recordings in one file. Sorting lays them over each other, so a replay asks which: \
         --segment 1 to {}.",
        restart.line,
        seconds(restart.back_s as f64),
        selection.trace.segments()
    ))
}

/// Sessions whose file does not say when they began stand all at the start.
fn starts(selection: &Selection) -> Option<String> {
    let sessions = selection.trace.sessions().number();
    (selection.trace.has_relative_sessions() && sessions > 1).then(|| {
        format!(
            "{} sessions count each from its own start, which is not recorded: shown here as if all began at once; a \
             replay asks for \
             --session-rate.",
            count(u64::from(sessions))
        )
    })
}

fn no_requests(selection: &Selection) -> Option<String> {
    let entries = selection.trace.passed_over();
    (entries > 0).then(|| {
        format!(
            "{} entries are no requests to a model (spans of tools or agents) and were passed over.",
            count(entries)
        )
    })
}

fn disorder(seen: &Inspection) -> Option<String> {
    (seen.out_of_order > 0).then(|| {
        format!(
            "{} rows stood behind a later one and were sorted into their place; rows of one instant keep the file's \
             order.",
            count(seen.out_of_order)
        )
    })
}

/// Ties between many rows say that the recorder's clock ticks, which makes peaks and dispersion artefacts.
fn ticks(seen: &Inspection) -> Option<String> {
    if seen.tied() * 10 < seen.kept {
        return None;
    }
    let tick = match seen.tick_s {
        None => "all rows stand at one instant".to_owned(),
        Some(tick_s) => format!("the recorder's clock ticks every {}", seconds(tick_s)),
    };
    Some(format!(
        "{} rows share their instant with the row before ({} distinct times, up to {} at one): {tick}. Gaps, \
         dispersion and peaks below \
         that are the recording's, not the service's; a replay sends such rows together, or with --spread inside \
         their tick.",
        count(seen.tied()),
        count(seen.distinct_times),
        count(seen.max_tie)
    ))
}

fn whole_seconds(rows: &[Row], seen: &Inspection) -> Option<String> {
    let whole = rows.len() > 1 && rows.iter().all(|row| row.at.as_nanos().is_multiple_of(1_000_000_000));
    (whole && seen.tied() * 10 < seen.kept).then(|| {
        "all times are whole seconds: order and gaps inside a second are unknown, and time compression turns them into \
         ties on a grid."
            .to_owned()
    })
}

fn empties(rows: &[Row]) -> Option<String> {
    let number = |is: fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count() as u64;
    let empty = number(|row| row.input_tokens == 0 || row.output_tokens == 0);
    let both = number(|row| row.input_tokens == 0 && row.output_tokens == 0);
    let neither = if both > 0 { format!(" ({} have neither)", count(both)) } else { String::new() };
    (empty > 0).then(|| {
        format!(
            "{} rows have 0 input or 0 output tokens{neither}, as failed requests are recorded; a replay skips and \
             counts them (--on-empty).",
            count(empty)
        )
    })
}

/// A gap that dwarfs the others raises the coefficient of variation by itself.
fn silence(rows: &[Row], seen: &Inspection) -> Option<String> {
    let (longest_s, after) = (seen.max_gap_s?, seen.max_gap_after_row?);
    let mean_s = seen.span_s / (rows.len().checked_sub(1)? as f64);
    if rows.len() < 20 || longest_s < 20.0 * mean_s || longest_s < 0.02 * seen.span_s {
        return None;
    }
    let since_s = rows.get(usize::try_from(after).ok()?.checked_sub(1)?)?.at.secs_since(rows.first()?.at);
    Some(format!(
        "the longest silence lasts {} ({:.0} % of the span): it follows row {}, {} after the first, and alone makes up \
         much of the gaps' \
         variation.",
        seconds(longest_s),
        100.0 * longest_s / seen.span_s,
        count(after),
        seconds(since_s)
    ))
}

fn slow(seen: &Inspection) -> Option<String> {
    let rate = seen.rate_per_s.filter(|rate| *rate < 0.1)?;
    // To about one request a second.
    let scale = libm::pow(10.0, libm::round(-libm::log10(rate)));
    Some(format!(
        "at its own pace it lasts {} at {}: --time-scale {scale} makes it {} at {}.",
        seconds(seen.span_s),
        pace(rate),
        seconds(seen.span_s / scale),
        pace(rate * scale)
    ))
}

fn repeated(selection: &Selection) -> Option<String> {
    let (rows, pool) = (selection.trace.rows(), selection.trace.blocks());
    let mut twice = 0;
    for tie in rows.chunk_by(|one, two| one.at == two.at).filter(|tie| tie.len() > 1) {
        let mut same: Vec<_> =
            tie.iter().map(|row| (row.input_tokens, row.output_tokens, pool.ids(row.place))).collect();
        same.sort_unstable();
        twice += same.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
    }
    (twice > 0 && matches!(selection.trace.format(), Format::Mooncake | Format::Bailian))
        .then(|| format!("{} rows repeat another of the same instant exactly (lengths and blocks).", count(twice)))
}

fn long_inputs(seen: &Inspection) -> Option<String> {
    const LONG: u32 = 100_000;
    (seen.input_tokens.max > LONG).then(|| {
        format!(
            "inputs reach {} tokens: --max-input N leaves out, and counts, what the model's context cannot hold.",
            count(u64::from(seen.input_tokens.max))
        )
    })
}
