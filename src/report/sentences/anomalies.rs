//! Owns the sentences about what in a trace is an artefact or hinders a replay, with advice.

use crate::trace::Anomaly;
use crate::units::{count, pace, seconds};

/// One finding that a user should know before replaying the trace.
pub(crate) fn anomaly(anomaly: &Anomaly) -> String {
    match *anomaly {
        Anomaly::SeveralRecordings { line, back_s, segments } => format!(
            "line {line} goes back {}: two recordings in one file. Sorting would mix them, so a replay needs to know \
             which one: --segment 1 to {segments}.",
            seconds(back_s)
        ),
        Anomaly::RelativeSessions { sessions } => format!(
            "{} sessions have times from their own start, which is not recorded: they are shown as if all began at \
             once; a replay needs --session-rate.",
            count(sessions)
        ),
        Anomaly::NotRequests { entries } => format!(
            "{} entries are not requests to a model (spans of tools or agents) and were skipped.",
            count(entries)
        ),
        Anomaly::OutOfOrder { rows } => format!(
            "{} rows were recorded after a later row and were sorted; rows with the same time keep the file's order.",
            count(rows)
        ),
        Anomaly::ClockTicks { rows, distinct_times, most, tick_s } => {
            let tick = match tick_s {
                None => "all rows have the same time".to_owned(),
                Some(tick_s) => format!("the recorder's clock ticks every {}", seconds(tick_s)),
            };
            format!(
                "{} rows have the same time as the row before ({} distinct times, up to {} at one): {tick}. Gaps, \
                 dispersion and peaks below that come from the recorder, not from the service; a replay sends these \
                 rows together, or spreads them inside their tick with --spread.",
                count(rows),
                count(distinct_times),
                count(most)
            )
        }
        Anomaly::WholeSeconds => "all times are whole seconds: order and gaps inside a second are unknown, and time \
             compression turns them into ties on a grid."
            .to_owned(),
        Anomaly::EmptyRows { rows, neither } => {
            let neither = if neither > 0 { format!(" ({} have neither)", count(neither)) } else { String::new() };
            format!(
                "{} rows have 0 input or 0 output tokens{neither}, as failed requests are recorded; a replay skips \
                 and counts them (--on-empty).",
                count(rows)
            )
        }
        Anomaly::LongSilence { longest_s, share, after_row, since_s } => format!(
            "the longest silence lasts {} ({:.0} % of the span): it follows row {}, {} after the first, and alone \
             causes much of the variation of the gaps.",
            seconds(longest_s),
            100.0 * share,
            count(after_row),
            seconds(since_s)
        ),
        Anomaly::Slow { span_s, rate_per_s, scale } => format!(
            "at the recorded speed the trace lasts {} at {}: with --time-scale {scale} it lasts {} at {}.",
            seconds(span_s),
            pace(rate_per_s),
            seconds(span_s / scale),
            pace(rate_per_s * scale)
        ),
        Anomaly::RepeatedRows { rows } => {
            format!("{} rows repeat another row with the same time exactly (lengths and blocks).", count(rows))
        }
        Anomaly::LongInputs { tokens } => format!(
            "inputs reach {} tokens: --max-input N leaves out and counts the requests that the model's context cannot \
             hold.",
            count(u64::from(tokens))
        ),
    }
}
