//! Owns the step from a pool of clients to a trace: the span, the rate, and what cannot be combined with it.

use std::path::Path;

use crate::cli::options::{ReplayOptions, ScheduleOptions};
use crate::error::Error;
use crate::report::with_flags;
use crate::seed::Seed;
use crate::trace::{Choice, ClientPool, RateScale, Selection};
use crate::units::{Offset, Window, count, pace, seconds};
use crate::workload::{Moved, requests_of_pool};

/// The most requests that are drawn from a pool: some seconds, and half a gigabyte.
const MOST_DRAWN: f64 = 2e7;

/// The requests that the clients in `folder` send in the span of --window, at --rate or --rate-scale.
pub(super) fn selection_of_pool(
    folder: &Path,
    options: &ReplayOptions,
    schedule: &ScheduleOptions,
) -> Result<Selection, Error> {
    let reading = &options.reading;
    let of_files = [
        ("--format", reading.format.is_some()),
        ("--columns", reading.columns.is_some()),
        ("--time-unit", reading.time_unit.is_some()),
        ("--delimiter", reading.delimiter.is_some()),
        ("--segment", reading.segment.is_some()),
        ("--session-rate", options.session_rate.is_some()),
    ];
    if let Some((flag, _)) = of_files.into_iter().find(|(_, given)| *given) {
        let why = format!("is about a trace file, and {} is a folder of clients", folder.display());
        return Err(Error::usage(flag, why, "drop it"));
    }
    let pool = ClientPool::read(folder, options.window)?;
    let whole = Window { start: Offset::ZERO, end: Offset::from_secs(pool.span_s()) };
    let span = options.window.unwrap_or(whole);
    if span.end > whole.end {
        let why = format!("ends after the pool, which has {}", seconds(pool.span_s()));
        return Err(Error::usage("--window", why, format!("take a span of it, as in --window 0s..{}s", pool.span_s())));
    }
    let (start_s, end_s) = (span.start.as_secs(), span.end.as_secs());
    let expected = pool.expected(start_s, end_s);
    let own_per_s = expected / (end_s - start_s);
    let factor = match schedule.rate {
        Some(_) if options.rate_scale != RateScale::ONE => {
            let why = "and --rate-scale both say how fast the clients are";
            return Err(Error::usage("--rate", why, "drop one of them"));
        }
        Some(rate) if expected > 0.0 => rate.per_s() / own_per_s,
        _ => options.rate_scale.factor(),
    };
    if expected * factor > MOST_DRAWN {
        let why = format!(
            "sends about {} requests in {}, above the {} that are drawn",
            count((expected * factor) as u64),
            seconds(end_s - start_s),
            count(MOST_DRAWN as u64)
        );
        return Err(Error::input(
            folder,
            with_flags(&format!("{why}; take less, as in --window 0s..1h, or a lower --rate")),
        ));
    }
    let (trace, moved) = requests_of_pool(&pool, span, factor, Seed::new(schedule.seed));
    let trace = trace.ok_or_else(|| {
        Error::input(
            folder,
            format!("has no request in {start_s} s to {end_s} s; take another --window, or a higher --rate"),
        )
    })?;
    let taken = Window { start: Offset::ZERO, end: Offset::from_nanos(span.end.as_nanos() - span.start.as_nanos()) };
    let choice = Choice { window: Some(taken), on_empty: Some(options.on_empty), max_input: options.max_input };
    let mut selection = trace.select(&choice, folder)?;
    selection.window = options.window;
    selection.changes.extend(notes_of(&pool, factor, own_per_s, moved));
    Ok(selection)
}

/// What is said about the requests of a pool.
fn notes_of(pool: &ClientPool, factor: f64, own_per_s: f64, moved: Moved) -> Vec<String> {
    let (clients, windows) = pool.size();
    let mut notes = vec![format!(
        "drawn from {} clients with {} windows: {} on average ({factor:.3} times the clients' own {}), each client \
         with its own rate over time, gaps and lengths; input and output lengths are drawn independently",
        count(clients),
        count(windows),
        pace(own_per_s * factor),
        pace(own_per_s)
    )];
    if moved.windows > 0 {
        notes.push(format!(
            "{} windows have gaps of a CV outside 0.01 to 30, and get the nearest",
            count(moved.windows)
        ));
    }
    if pool.has_reasoning() {
        notes.push("reason_ratio is not used: output tokens include the reasoning".to_owned());
    }
    notes
}
