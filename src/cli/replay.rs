//! Owns verb `replay`: a run whose plan is a recorded trace.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::config::Parsed;
use crate::cli::endpoint::is_streamed;
use crate::cli::job::Job;
use crate::cli::load::{idle_overlays, salt_of};
use crate::cli::options::{ConfigOption, LoadArguments, ReplayOptions, TEMPLATE};
use crate::cli::plan::show;
use crate::cli::recorded::{notes_of_trace, plan_of_trace};
use crate::cli::run::play_job;
use crate::cli::shard::{salt_of_all, sharded};
use crate::cli::table::{Playing, refused_by};
use crate::cli::terminal::say;
use crate::error::Error;
use crate::trace::ClientPool;
use crate::units::Rate;
use crate::workload::Salt;

/// A recorded trace as the load: its instants, lengths and prefixes
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage replay trace.csv                               at the recorded speed
  tonnage replay trace.csv --plan-only                   what would be sent
  tonnage replay trace.csv --window 0s..600s --time-scale 10 --target http://h:8000
  tonnage replay trace.csv --overlay 'bursts height=400% burst=5s calm=60s'   with bursts
  tonnage replay conversation.jsonl --max-input 32000 --slo 'p99 ttft<=2s'
  tonnage replay monday.csv.gz --rate-scale 1.5          1.5 times the rate, over the same time
  tonnage replay m-large --window 0s..1h --rate 20/s     ServeGen's clients
  tonnage replay log.csv --columns time=ts,input=prompt,output=completion --time-unit ms
",
    help_template = TEMPLATE
)]
pub(super) struct ReplayArguments {
    #[expect(clippy::doc_markdown, reason = "a help text, printed as it stands")]
    /// The trace, in any format of --format; or a folder of clients as ServeGen publishes them (chunk-0-trace.csv,
    /// chunk-0-dataset.json, …), from which requests are drawn, at their own rate or at --rate
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) replay: ReplayOptions,
    #[command(flatten)]
    pub(super) load: LoadArguments,
    /// With --plan-only: write one row for each planned request; `-` is standard output, to which nothing else is then
    /// written
    #[arg(long, value_name = "FILE", help_heading = "Output", requires = "plan_only")]
    pub(super) export: Option<PathBuf>,
    #[command(flatten)]
    pub(super) config: ConfigOption,
}

/// Replays a trace, or shows what would be sent.
pub(super) fn replay(arguments: ReplayArguments, mut parsed: Parsed) -> Result<ExitCode, Error> {
    if !arguments.replay.plan_only {
        return play_job(job_of_replay(arguments, &mut parsed)?, parsed.command);
    }
    let file = trace_of(arguments.file, arguments.load.schedule.rate, &mut parsed)?;
    let (replay, load) = (arguments.replay, arguments.load);
    let plan = plan_of_trace(&file, &replay, &load.schedule, Salt::Off, None)?;
    for note in idle_overlays(&load.schedule.overlay, plan.spans()) {
        say(&note);
    }
    show(&sharded(plan, &load.shard)?, &load.shard, arguments.export.as_deref(), load.output.json)
}

/// The job of a replay that is sent.
pub(super) fn job_of_replay(arguments: ReplayArguments, parsed: &mut Parsed) -> Result<Job, Error> {
    let file = trace_of(arguments.file, arguments.load.schedule.rate, parsed)?;
    let (replay, load) = (arguments.replay, arguments.load);
    let salt = salt_of_all(&load.wire.salt, &load.shard, &parsed.given, load.schedule.seed)?
        .map_or_else(|| salt_of(&load.wire.salt), Ok)?;
    let plan = plan_of_trace(&file, &replay, &load.schedule, salt, Some(is_streamed(&load.target)))?;
    let notes = plan.recording().map(|recording| notes_of_trace(recording.provenance(), &plan)).unwrap_or_default();
    // A trace of bodies takes no salt.
    let salt = plan.workload().salt.clone();
    let mut job = Job::new("replay", load, plan, &salt, parsed)?;
    job.notes.splice(..0, notes);
    Ok(job)
}

/// The trace that is given. Refuses the options of `run` that have no meaning beside one. `rate` is that of `--rate`.
fn trace_of(file: Option<PathBuf>, rate: Option<Rate>, parsed: &mut Parsed) -> Result<PathBuf, Error> {
    // A pool of clients has a rate of its own, but --rate may change it.
    let of_pool = file.as_deref().is_some_and(ClientPool::is_at);
    let mut refused = refused_by(Playing::Replay);
    refused.retain(|(key, _)| !(of_pool && *key == "rate" && rate.is_some()));
    parsed.refuse(&refused, "has no meaning in a replay, whose instants and lengths are the trace's")?;
    file.ok_or_else(|| Error::usage("FILE", "no trace is given", "name one, as in `tonnage replay trace.csv`"))
}
