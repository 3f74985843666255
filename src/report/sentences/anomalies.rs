//! Owns the sentences on what in a trace is an artefact, or hinders a replay, with what to do about it.

use crate::trace::Anomaly;
use crate::units::{count, pace, seconds};

/// What a reader should know of a trace before replaying it.
pub(crate) fn anomaly(anomaly: &Anomaly) -> String {
    match *anomaly {
        Anomaly::SeveralRecordings { line, back_s, segments } => format!(
            "line {line} goes back {}: two recordings in one file. Sorting lays them over each other, so a replay asks \
             which: --segment 1 to {segments}.",
            seconds(back_s)
        ),
        Anomaly::RelativeSessions { sessions } => format!(
            "{} sessions count each from its own start, which is not recorded: shown here as if all began at once; a \
             replay asks for --session-rate.",
            count(sessions)
        ),
        Anomaly::NotRequests { entries } => format!(
            "{} entries are no requests to a model (spans of tools or agents) and were passed over.",
            count(entries)
        ),
        Anomaly::OutOfOrder { rows } => format!(
            "{} rows stood behind a later one and were sorted into their place; rows of one instant keep the file's \
             order.",
            count(rows)
        ),
        Anomaly::ClockTicks { rows, distinct_times, most, tick_s } => {
            let tick = match tick_s {
                None => "all rows stand at one instant".to_owned(),
                Some(tick_s) => format!("the recorder's clock ticks every {}", seconds(tick_s)),
            };
            format!(
                "{} rows share their instant with the row before ({} distinct times, up to {} at one): {tick}. Gaps, \
                 dispersion and peaks below that are the recording's, not the service's; a replay sends such rows \
                 together, or with --spread inside their tick.",
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
             makes up much of the gaps' variation.",
            seconds(longest_s),
            100.0 * share,
            count(after_row),
            seconds(since_s)
        ),
        Anomaly::Slow { span_s, rate_per_s, scale } => format!(
            "at its own pace it lasts {} at {}: --time-scale {scale} makes it {} at {}.",
            seconds(span_s),
            pace(rate_per_s),
            seconds(span_s / scale),
            pace(rate_per_s * scale)
        ),
        Anomaly::RepeatedRows { rows } => {
            format!("{} rows repeat another of the same instant exactly (lengths and blocks).", count(rows))
        }
        Anomaly::LongInputs { tokens } => format!(
            "inputs reach {} tokens: --max-input N leaves out, and counts, what the model's context cannot hold.",
            count(u64::from(tokens))
        ),
    }
}
