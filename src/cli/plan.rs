//! Owns verb `plan`: prints, draws and checks a timeline, and sends nothing.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::cli::dataset::workload_of;
use crate::cli::exit::Exit;
use crate::cli::load::{idle_overlays, plan_of, planned_about, refuse_empty};
use crate::cli::mix::refuse_beside_streams;
use crate::cli::options::{ConfigOption, ScheduleOptions, ShardOptions, TEMPLATE, WorkloadOptions};
use crate::cli::progress::LongPass;
use crate::cli::recorded::{books, sessions_of, sorted};
use crate::cli::sessions::refuse_loads_of_sessions;
use crate::cli::shard::{sharded, until};
use crate::cli::terminal::{print, print_rows, say};
use crate::error::Error;
use crate::report::{with_flags, wrapped};
use crate::results::{json_text, not_written};
use crate::units::{count, seconds};
use crate::workload::{CacheShare, Description, Load, Plan, Provenance, Salt, SharedDescription, describe, export};

/// Print, draw and check a timeline; send nothing
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage plan --rate 50/s --duration 60s   counts, gaps, picture, law
  tonnage plan --rate 200/s --process even --requests 2000 --export timeline.csv
  tonnage plan --profile 'ramp 1/s..100/s 60s; hold 120s' --overlay 'ou sd=30% tau=20s'
  tonnage plan -c test.yaml --json
",
    help_template = TEMPLATE
)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    pub(super) schedule: ScheduleOptions,
    #[command(flatten)]
    pub(super) shard: ShardOptions,
    #[command(flatten)]
    pub(super) workload: WorkloadOptions,
    /// Write one row for each planned request, warm-up included; `-` is standard output, to which nothing else is then
    /// written
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) export: Option<PathBuf>,
    /// Print the figures as JSON, and nothing else, on standard output
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) config: ConfigOption,
}

/// Describes the plan.
pub(super) fn plan(arguments: &PlanArguments) -> Result<ExitCode, Error> {
    refuse_loads_of_sessions(&arguments.workload, &arguments.schedule, None)?;
    let workload = workload_of(&arguments.workload, Salt::Off, None, arguments.schedule.seed)?;
    refuse_beside_streams(&workload, &arguments.schedule, None)?;
    let plan = plan_of(&arguments.schedule, workload, None)?;
    refuse_empty(&plan)?;
    let plan = sharded(plan, &arguments.shard)?;
    for note in idle_overlays(&arguments.schedule.overlay, plan.spans()) {
        say(&note);
    }
    let about = if let Load::Open(timeline) = plan.load() { planned_about(timeline) } else { 0 };
    let pass = LongPass::over(about, "describing");
    let shown = show(&plan, &arguments.shard, arguments.export.as_deref(), arguments.json);
    drop(pass);
    shown
}

/// Describes `plan`, and writes its rows to `path` where there is one.
pub(super) fn show(plan: &Plan, shard: &ShardOptions, path: Option<&Path>, json: bool) -> Result<ExitCode, Error> {
    shard.start_at.map(until).transpose()?;
    if path.is_some_and(|path| path.as_os_str() == "-") {
        if json {
            return Err(Error::usage(
                "--export",
                "`-` and --json both want standard output",
                "drop one of them, or name a file",
            ));
        }
        let rows = print_rows(|sink| export(plan, sink))?;
        say(&format!("{} rows on standard output", count(rows.saturating_sub(1))));
        return Ok(Exit::Done.into());
    }
    // Open the file first, so that a bad path is reported before an hour of arrivals is drawn.
    let file = match path {
        Some(path) => Some((path, File::create(path).map_err(|why| not_written(path, &why, "export"))?)),
        None => None,
    };
    let description = describe(plan).map_err(|refusal| refusal.at("--load"))?;
    if let Some((path, file)) = file {
        export(plan, file).map_err(|why| Error::output(path, format!("{why}; is there room?")))?;
        let rows = description.share.map_or(description.planned, |share| share.planned);
        say(&format!("{} rows in {}", count(rows), path.display()));
        if let Some(released) = description.released.filter(|released| *released > 0) {
            say(&format!("{} later turns have no planned instant, so the file does not include them", count(released)));
        }
    }
    if json {
        let described =
            Described { description: &description, start_at: shard.start_at.map(|start| start.to_string()) };
        print(&json_text(&described, "the plan")?)?;
    } else {
        print(&text_of(plan, shard.start_at, &description))?;
    }
    Ok(Exit::Done.into())
}

/// A description, and the start given by `--start-at`.
#[derive(Serialize)]
struct Described<'a> {
    #[serde(flatten)]
    description: &'a Description,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_at: Option<String>,
}

/// Width of the text in columns; [`NAMES`] is the width of the names.
const WIDTH: usize = 80;
const NAMES: usize = 13;

fn text_of(plan: &Plan, start_at: Option<Timestamp>, description: &Description) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        _ = writeln!(text, "{name:<NAMES$}{}", wrapped(&value, WIDTH, NAMES));
    };
    let spans = plan.spans();
    let mut span = format!("{} requests in {}", count(description.planned), seconds(description.span_s));
    if spans.window.length_s() < description.span_s {
        _ = write!(span, ", of which {} are measured", seconds(spans.window.length_s()));
    }
    if let Some(released) = description.released {
        _ = write!(span, "; {} more are released after completion", count(released));
    }
    row("planned", span);
    if let Load::Open(timeline) = plan.load()
        && let (Some(pattern), Some((_, curve))) = (timeline.pattern(), timeline.law())
    {
        row("profile", pattern.brief());
        let (mean, high) = (curve.mean_per_s(spans.window), curve.highest_per_s());
        row(
            "expected",
            format!(
                "{:.1} in the window by the integral: {mean:.3}/s on average, {high:.3}/s at most",
                curve.expected_in(spans.window)
            ),
        );
    }
    if let Some(share) = description.share {
        row(
            "shard",
            format!("{}: {} of them; every figure below is of the whole plan", share.shard, count(share.planned)),
        );
    }
    if let Some(start) = start_at {
        let end =
            SignedDuration::try_from_secs_f64(description.span_s).ok().and_then(|span| start.checked_add(span).ok());
        row("starts", end.map_or_else(|| start.to_string(), |end| format!("{start}, ends {end}")));
    }
    if let Some(recording) = plan.recording() {
        let trace = recording.provenance();
        row("trace", format!("{}: {} rows of {}", trace.file, count(trace.rows), trace.format));
        row("taken", taken(trace));
        row("rows", books(trace));
        if trace.out_of_order > 0 {
            row("sorted", sorted(trace));
        }
        trace.changes.iter().for_each(|change| row("changed", with_flags(change).into_owned()));
        if trace.sessions > 0 {
            row("sessions", sessions_of(trace));
        }
    }
    if let Some(mix) = plan.workload().source.mix() {
        row("classes", mix.to_string());
    }
    if let Some(sessions) = &plan.workload().sessions {
        row("sessions", format!("each planned request begins one: {}", sessions.sentence()));
    }
    if let Some(data) = &description.data {
        row("data", format!("{}, taken in the order {}; {}", data.sentence, data.order, repeats(plan, data.repeated)));
    }
    description.shared.iter().flat_map(rows_of_shared).for_each(|(name, value)| row(name, value));
    for (reason, dropped) in &description.dropped {
        row("removed", format!("{} {}: taken out of the plan, never shifted", count(*dropped), reason.name()));
    }
    row("rate", figure(description.rate_per_s, |rate| format!("{rate:.3}/s")));
    let gap = &description.gap;
    row(
        "gaps",
        format!(
            "mean {}, coefficient of variation {}",
            figure(gap.mean_s, seconds),
            figure(gap.cv, |cv| format!("{cv:.3}"))
        ),
    );
    let dispersion = &description.dispersion;
    let index = |value: Option<f64>| figure(value, |index| format!("{index:.2}"));
    row(
        "dispersion",
        format!(
            "{} over 1 s, {} over 10 s, {} over 60 s (Poisson is 1, even 0)",
            index(dispersion.over_1s),
            index(dispersion.over_10s),
            index(dispersion.over_60s)
        ),
    );
    let judged = if plan.quota().is_some() && description.law.is_some() { ", judged before the quota" } else { "" };
    let law = if plan.recording().is_some() {
        "none: the instants are the trace's own".to_owned()
    } else {
        law_of(description) + judged
    };
    row("law", law);
    row("fingerprint", description.fingerprint.clone());
    if let Some(picture) = &description.rate_picture {
        _ = write!(text, "\nrate asked for\n{picture}\n\nrequests planned");
    }
    if !description.picture.is_empty() {
        _ = write!(text, "\n{}\n", description.picture.trim_end());
    }
    text
}

/// What prompts share, and the share that an infinite cache holds.
fn rows_of_shared(shared: &SharedDescription) -> Vec<(&'static str, String)> {
    let SharedDescription { sentence, cache, classes } = shared;
    let held = |cache: &CacheShare| {
        let asked = cache.asked.map_or_else(String::new, |asked| format!("asked {:.1}%, ", asked * 100.0));
        let infinite = figure(cache.infinite, |share| format!("{:.1}%", share * 100.0));
        let start = if cache.primed { "primed" } else { "cold" };
        format!("{asked}an infinite cache ({start}) holds {infinite} of input tokens")
    };
    let mut rows = vec![("shared", format!("{sentence}; {}", held(cache)))];
    rows.extend(classes.iter().map(|(name, cache)| ("", format!("{name}: {}", held(cache)))));
    if cache.cut > 0 {
        rows.push(("cut", format!("{} prompts are too short for what they share", count(cache.cut))));
    }
    rows
}

/// How often the data set begins again.
fn repeats(plan: &Plan, repeated: u64) -> String {
    let in_sessions = plan.workload().sessions.is_some();
    let (what, unit) = if in_sessions { ("sessions", "conversation") } else { ("requests", "row") };
    match repeated {
        0 => format!("no {unit} is sent twice"),
        repeated => format!("{} {what} repeat a {unit} that was sent before", count(repeated)),
    }
}

/// The part of the trace that is used, and its speed.
fn taken(trace: &Provenance) -> String {
    let mut text = match trace.window {
        None => "all of its time".to_owned(),
        Some(window) => format!("{} to {} of it", seconds(window.start.as_secs()), seconds(window.end.as_secs())),
    };
    _ = match trace.time_scale {
        1.0 => write!(text, ", at the recorded speed"),
        scale => write!(text, ", at {scale} times the recorded speed"),
    };
    text
}

/// A Kolmogorov distance is at most 1. If the critical distance is above this, almost any distance is allowed, and the
/// test proves nothing.
const TELLING: f64 = 0.5;

fn law_of(description: &Description) -> String {
    let Some(law) = &description.law else {
        return "too few requests to judge".to_owned();
    };
    let verdict = if law.holds { "holds" } else { "BROKEN" };
    if law.asked == crate::schedule::Process::Even {
        format!("{} {verdict}: no request is further than {} from its place", law.asked, seconds(law.statistic))
    } else if law.critical > TELLING {
        "too few requests to judge".to_owned()
    } else {
        format!(
            "{} {verdict} (Kolmogorov distance of gaps {:.4}, allowed {:.4})",
            law.asked, law.statistic, law.critical
        )
    }
}

fn figure(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "—".to_owned(), show)
}
