//! Owns the step from a recorded trace to a plan, with the notes on the trace.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::cli::options::{ReplayOptions, ScheduleOptions};
use crate::cli::pool::selection_of_pool;
use crate::cli::terminal::say;
use crate::error::Error;
use crate::report::with_flags;
use crate::seed::Seed;
use crate::trace::{Choice, ClientPool, Format, Pauses, RateScale, Reading, Reshape, Selection, Think, Trace};
use crate::units::{Window, count, pace, seconds};
use crate::workload::{Load, Plan, Provenance, Salt, Workload, replay as replay_of, replay_after_completion};

/// Reads the trace in `path`.
pub(super) fn read(path: &Path, reading: &Reading) -> Result<Trace, Error> {
    if ClientPool::is_at(path) {
        let why = "is a folder, and no trace; `tonnage replay` draws requests from a folder of clients";
        return Err(Error::input(path, why));
    }
    let file =
        File::open(path).map_err(|why| Error::input(path, format!("cannot be opened: {why}; check the path")))?;
    let trace = Trace::read(BufReader::with_capacity(1 << 18, file), path, reading)?;
    if trace.delimiter() != ',' && reading.delimiter.is_none() {
        let name = if trace.delimiter() == '\t' { "tabs".to_owned() } else { format!("`{}`", trace.delimiter()) };
        say(&format!("{}: its fields are separated by {name}, not by commas (--delimiter overrides)", path.display()));
    }
    Ok(trace)
}

/// Refuses a file with several recordings, which sorting would mix.
pub(super) fn refuse_restart(trace: &Trace, file: &Path) -> Result<(), Error> {
    if let Some(restart) = trace.restart() {
        let why = format!(
            "goes back {} here: {} recordings in one file, which sorting would lay over each other; take one with \
             --segment 1 to {}",
            seconds(restart.back_s as f64),
            trace.segments(),
            trace.segments()
        );
        return Err(Error::input_at(file, restart.line, why));
    }
    Ok(())
}

/// The plan that replays the part of the trace in `file` that the options select. `streamed` is whether answers are
/// read as streams, which bodies of the trace must ask for themselves; `None`: nothing is sent.
pub(super) fn plan_of_trace(
    file: &Path,
    options: &ReplayOptions,
    schedule: &ScheduleOptions,
    salt: Salt,
    streamed: Option<bool>,
) -> Result<Plan, Error> {
    let seed = Seed::new(schedule.seed);
    let is_pool = ClientPool::is_at(file);
    let mut selection =
        if is_pool { selection_of_pool(file, options, schedule)? } else { selection_of_file(file, options, seed)? };
    refuse_streams(&selection.trace, file, streamed)?;
    note_bodies(&mut selection);
    let pauses = pauses_of(&selection.trace, options, schedule)?;
    let sessions = selection.trace.sessions().number();
    // A pool was drawn at its rate.
    let rate_scale = if is_pool { RateScale::ONE } else { options.rate_scale };
    let reshape = Reshape { rate_scale, ..options.reshape() };
    let mut selection = selection.reshape(&reshape, seed).map_err(|refusal| refusal.at("--rate-scale"))?;
    if let Some(rate) = options.session_rate {
        selection.changes.insert(
            0,
            format!(
                "session rate {}: {} sessions begin by chance at that rate",
                pace(rate.per_s()),
                count(u64::from(sessions))
            ),
        );
    }
    let (read, span_s) = (selection.read, selection.read_span.as_secs());
    let (name, scale) = (file.to_string_lossy(), options.time_scale);
    let replayed = match &pauses {
        None => replay_of(selection, scale, &name),
        Some(pauses) => replay_after_completion(selection, scale, &name, pauses),
    };
    let Some((timeline, mut recording)) = replayed else {
        let why = format!(
            "none of its {} rows, from 0 s to {}, is left to replay; check --window, --max-input, --sample and \
             --on-empty",
            count(read),
            seconds(span_s)
        );
        return Err(Error::input(file, why));
    };
    let timeline = timeline.bent(&schedule.overlay, seed).map_err(|refusal| refusal.at("--overlay"))?;
    for overlay in &schedule.overlay {
        recording.note(format!("{overlay}: it changes the speed over time; requests and their order stay"));
    }
    // A body is sent as it is: no salt can make it differ from those of another run.
    let salt = if recording.with_body() == recording.requests() { Salt::Off } else { salt };
    Ok(Plan::new(Load::Open(timeline), Workload::recorded(recording).salted(salt), seed, schedule.quota))
}

/// The part of the trace in `file` that the options select.
fn selection_of_file(file: &Path, options: &ReplayOptions, seed: Seed) -> Result<Selection, Error> {
    let mut trace = read(file, &options.reading.reading())?;
    refuse_restart(&trace, file)?;
    let sessions = trace.sessions().number();
    match options.session_rate {
        Some(rate) if trace.has_relative_sessions() => trace = trace.with_session_starts(rate, seed),
        Some(_) => {
            let why = "has no meaning here: the trace says itself when each request came";
            return Err(Error::usage("--session-rate", why, "drop it; --rate-scale changes the rate"));
        }
        None if trace.has_relative_sessions() && sessions > 1 => {
            let why =
                format!("{} sessions count each from its own start, which is not recorded", count(u64::from(sessions)));
            return Err(Error::usage(
                "--session-rate",
                why,
                "say how many begin in a second, minute or hour, as in --session-rate 6/min",
            ));
        }
        None => {}
    }
    let choice = Choice { window: options.window, on_empty: Some(options.on_empty), max_input: options.max_input };
    trace.select(&choice, file)
}

/// Refuses a body of the trace that does not ask for its answer in the way in which answers are read.
fn refuse_streams(trace: &Trace, file: &Path, streamed: Option<bool>) -> Result<(), Error> {
    #[derive(serde::Deserialize)]
    struct Told {
        #[serde(default)]
        stream: Option<bool>,
    }
    let Some(streamed) = streamed else { return Ok(()) };
    for row in trace.rows() {
        let Some(body) = trace.bodies().of(row.place) else { continue };
        let told: Told = serde_json::from_str(body).map_err(|why| {
            Error::input_at(file, trace.line_of(row), format!("has a body that is not understood ({why})"))
        })?;
        let why = match (streamed, told.stream.unwrap_or(false)) {
            (true, false) => "has a body without `\"stream\": true`, and answers are read as streams; give --no-stream",
            (false, true) => "has a body with `\"stream\": true`, and answers are read whole; drop --no-stream",
            _ => continue,
        };
        let why = format!("{why}, or replay such requests from a file of their own");
        return Err(Error::input_at(file, trace.line_of(row), why));
    }
    Ok(())
}

/// Says that bodies of the trace are sent, and what is not.
fn note_bodies(selection: &mut Selection) {
    let bodies = selection.trace.bodies();
    let headers = match bodies.with_headers() {
        0 => String::new(),
        rows => format!("; {} rows have headers of their own, which are not sent", count(rows)),
    };
    if bodies.number() > 0 {
        selection.changes.push(format!(
            "bodies are sent as they are: model, stream and lengths are theirs, and input lengths are estimates where \
             the trace does not count them{headers}"
        ));
    }
}

/// What the turns of `trace` wait for with `--think after-completion`; `None` if all are sent at recorded instants.
fn pauses_of(trace: &Trace, options: &ReplayOptions, schedule: &ScheduleOptions) -> Result<Option<Pauses>, Error> {
    if options.think == Think::Recorded {
        return Ok(None);
    }
    if schedule.quota.is_some() {
        let why = "cannot be combined with --think after-completion: it takes requests out by their instants, and \
            later turns have none \
                   beforehand";
        return Err(Error::usage("--quota", why, "drop one of them"));
    }
    let pauses = Pauses::of(trace, options.gap_cap);
    if pauses.later() == 0 {
        let why = if trace.sessions().number() == 0 {
            "has no meaning here: the trace tells no sessions, so that no request waits for another"
        } else {
            "has no meaning here: no session has a second turn among the rows taken"
        };
        return Err(Error::usage("--think", why, "drop it"));
    }
    Ok(Some(pauses))
}

/// The text on how the turns of the sessions are timed.
pub(super) fn sessions_of(trace: &Provenance) -> String {
    let how = if trace.released == 0 {
        "their turns at recorded instants (open loop), even if the previous turn has no answer yet".to_owned()
    } else {
        format!(
            "first turns at recorded instants, {} later turns released after completion of the previous one",
            count(trace.released)
        )
    };
    format!("{} sessions, {how}", count(trace.sessions))
}

/// The text on rows that were out of order. Jumps of more than five minutes are not among them, because they start
/// another recording.
pub(super) fn sorted(trace: &Provenance) -> String {
    format!(
        "{} rows were out of order, by up to {}, and were sorted; if another recording begins there, split the file",
        count(trace.out_of_order),
        seconds(trace.farthest_back_s.as_secs())
    )
}

/// The sum that accounts for every row read.
pub(super) fn books(trace: &Provenance) -> String {
    let mut books = format!("{} rows read", count(trace.rows));
    // Writing to a string cannot fail.
    if trace.copies > 0 {
        _ = write!(books, " + {} copies", count(trace.copies));
    }
    _ = match trace.released {
        0 => write!(books, " = {} scheduled", count(trace.scheduled)),
        released => write!(
            books,
            " = {} planned + {} released after completion",
            count(trace.scheduled - released),
            count(released)
        ),
    };
    for (reason, rows) in &trace.dropped {
        _ = write!(books, " + {} {}", count(*rows), with_flags(reason.name()));
    }
    books
}

/// The notes that are printed before anything is sent: what was read, so that a wrong unit of time is visible, and what
/// was made of it.
pub(super) fn notes_of_trace(trace: &Provenance, plan: &Plan) -> Vec<String> {
    let recorded_s = trace.span_s.as_secs();
    let recorded_pace =
        if recorded_s > 0.0 { format!(", {}", pace(trace.rows as f64 / recorded_s)) } else { String::new() };
    let mut notes = vec![format!(
        "{}: {} rows of {} over {}{recorded_pace}, times read as {}",
        trace.file,
        count(trace.rows),
        trace.format,
        seconds(recorded_s),
        trace.time_unit
    )];
    notes.push(books(trace));
    notes.extend(trace.changes.iter().map(|change| with_flags(change).into_owned()));
    if trace.sessions > 0 {
        notes.push(sessions_of(trace));
    }
    let window_s = plan.spans().window.length_s();
    notes.push(format!(
        "time scale {}: {} for {}",
        trace.time_scale,
        pace(trace.scheduled as f64 / window_s),
        seconds(window_s)
    ));
    if trace.raised > 0 {
        notes.push(format!("{} rows with 0 input or output tokens ask for 1 (--on-empty min1)", count(trace.raised)));
    }
    if trace.out_of_order > 0 {
        notes.push(sorted(trace));
    }
    // The last request of a pool always comes before the end of its span.
    let outlives = |window: &Window| window.end.as_secs() > recorded_s && trace.format != Format::ServeGen;
    if let Some(window) = trace.window.filter(outlives) {
        notes.push(format!(
            "the window ends at {}, and the last row is at {}: nothing is sent in between",
            seconds(window.end.as_secs()),
            seconds(recorded_s)
        ));
    }
    notes
}
