//! Owns verb `run`: runs a job against its target, judges it, and shows and writes the result.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;

use crate::cli::config::Parsed;
use crate::cli::deliver::deliver;
use crate::cli::display::Display;
use crate::cli::exit::Exit;
use crate::cli::job::Job;
use crate::cli::live::{announce, ending, folder_of, on_target, room_for, scraper_of, session_of, skeleton};
use crate::cli::options::{ConfigOption, LoadArguments, TEMPLATE};
use crate::cli::progress::{LONG, LongPass};
use crate::cli::recount::recount;
use crate::cli::shard::{clock_of, until, wait};
use crate::cli::signals::{self, Signals};
use crate::cli::terminal::say;
use crate::cli::together::{come, leave};
use crate::cli::tokenizer::prepare;
use crate::clock::RunClock;
use crate::engine::Interrupter;
use crate::error::Error;
use crate::meeting::Meeting;
use crate::play::{Segment, StopRule, Trial};
use crate::record::Detail;
use crate::results::{
    Counting, Filed, Filing, Folder, Kept, Recounted, Report, ServerFiled, ServerReadings, header_after, header_before,
    rfc3339,
};
use crate::service::Service;
use crate::units::{count, seconds};
use crate::workload::NOT_HASHED;

/// One load, one result
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage run                           10/s for 20 s against a simulated server
  tonnage run --target http://127.0.0.1:8000 --rate 50/s --duration 60s
  tonnage run --target http://h1:8000,http://h2:8000 --process gamma:2
  tonnage run --target http://127.0.0.1:8000 --slo 'p99 ttft<=200ms'
  tonnage run --target http://h:8000 --profile 'ramp 1/s..50/s 60s; hold 60s'
  tonnage run --target http://127.0.0.1:8000 --load concurrent:32 --requests 500
  tonnage run -c test.yaml --rate 80/s  flags override the file
  tonnage run --target http://h:8000 --shard 1/2 --start-at 2026-01-02T03:04:05Z
",
    after_help = "Exit code:
  0    done: objectives met, or none given
  1    an objective failed
  2    wrong usage or input, or the result could not be written
  3    no request completed, or the target cannot be used
  4    inconclusive
  130  interrupted; the partial result is written",
    help_template = TEMPLATE
)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) load: LoadArguments,
    #[command(flatten)]
    pub(super) config: ConfigOption,
}

/// The objectives of `tonnage run` alone, which somebody types to see what the tool does: those of a chat that is read
/// while it is written. With them the first result has a verdict.
const FIRST_OBJECTIVES: [&str; 2] = ["p90 ttft<=500ms", "p90 tpot<=50ms"];
/// Options that say nothing about the load.
const BESIDE_THE_LOAD: [&str; 9] =
    ["force", "host-metrics", "json", "label", "metadata", "out", "quiet", "records", "server-metrics"];

/// Runs the load that the arguments ask for.
pub(super) fn run(mut arguments: RunArguments, mut parsed: Parsed) -> Result<ExitCode, Error> {
    let is_first = parsed.given.iter().all(|key| BESIDE_THE_LOAD.contains(&key.as_str()));
    if is_first {
        arguments.load.judgement.slo = FIRST_OBJECTIVES.map(str::to_owned).into();
        parsed.spec.slo = FIRST_OBJECTIVES.iter().filter_map(|text| text.parse().ok()).collect();
    }
    let mut job = Job::of_run(arguments.load, &mut parsed)?;
    if is_first {
        let objectives = FIRST_OBJECTIVES.join("' --slo '");
        job.notes.push(format!("nothing was asked for, so this is judged as a chat: --slo '{objectives}'"));
    }
    play_job(job, parsed.command)
}

/// Runs a job: finds its target, sends the load, judges it, shows and writes the result.
pub(super) fn play_job(job: Job, command: Vec<String>) -> Result<ExitCode, Error> {
    job.start_at.map(until).transpose()?;
    on_target(job, async |job, found, claimed, signals| Box::pin(play(job, found, claimed, signals, command)).await)
}

async fn play(
    mut job: Job,
    found: Service,
    claimed: Option<Folder>,
    mut signals: Signals,
    command: Vec<String>,
) -> Result<ExitCode, Error> {
    room_for(&mut job, &found, "--load")?;
    let meeting = match made_ready(&mut job, &found, &mut signals).await {
        Ok(ControlFlow::Continue(meeting)) => meeting,
        nothing => {
            if let Some(folder) = claimed {
                folder.abandon();
            }
            return nothing.map(|_| Exit::Interrupted.into());
        }
    };
    let started = RunClock::starting_in(Duration::ZERO).wall();
    let folder = folder_of(&job, &found, claimed, started, false)?;
    // A killed run leaves this result behind. Only the trial is missing, which `report` folds from the records.
    let mut report = skeleton(&job, &found, started, command);
    let played = live(&job, &found, &folder, &report, signals).await?;
    report.started = rfc3339(played.started);
    report.target.http2 = found.http2();
    report.plan_fingerprint = played.plan_fingerprint;
    report.notes.extend(played.notes);
    report.body_fingerprint.clone_from(&played.trial.body_fingerprint);
    let mut view = job.spec.completed(played.trial.view());
    played.server.put_into(&mut view);
    report.trials.push(view);
    let Some(meeting) = meeting else { return deliver(&job, &mut report, &folder, ending) };
    report.clock = Some(meeting.clock());
    // What people look at is the merged result.
    let (json, quiet) = (std::mem::take(&mut job.json), std::mem::replace(&mut job.quiet, true));
    let mut own = Exit::Done;
    let delivered = deliver(&job, &mut report, &folder, |report| {
        own = Exit::of_report(report);
        own.into()
    });
    delivered?;
    if folder.losses().any() {
        own = Exit::Output;
    }
    job.json = json;
    leave(&mut job, &meeting, &folder, own, quiet).await
}

/// What comes between the service and the load: prompts are prepared, the other shards are awaited, the load is
/// announced, and its start is awaited. Breaks after a signal.
async fn made_ready(
    job: &mut Job,
    found: &Service,
    signals: &mut Signals,
) -> Result<ControlFlow<(), Option<Meeting>>, Error> {
    if prepare(job, signals).await?.is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let come = come(job, signals).await?;
    if come.is_continue() {
        announce(job, found);
        if wait(job.start_at, job.json || job.quiet, signals).await?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(come)
}

/// The outcome of a load.
struct Played {
    trial: Trial,
    /// What servers and host said.
    server: ServerReadings,
    plan_fingerprint: String,
    started: SystemTime,
    /// Notes that arose during the load.
    notes: Vec<String>,
}

async fn live(job: &Job, found: &Service, folder: &Folder, first: &Report, signals: Signals) -> Result<Played, Error> {
    // Records whose answers must still be counted are kept in full until then.
    let detail = job.records.filter(|_| job.tokenizer.is_none()).unwrap_or(Detail::Full);
    let header = header_before(&job.plan, job.chat.stream, detail);
    let mut session = session_of(job, found)?;
    folder.write_result(first, &job.spec.to_yaml()?)?;
    let kept = Kept { texts: job.tokenizer.is_some(), failures: job.records.is_some() };
    let filed = job.records.is_some() || kept.texts;
    let filing = Rc::new(RefCell::new(filed.then(|| Filing::open(folder, &header, kept)).transpose()?));
    let hidden = job.quiet || job.json;
    let heard = tokio::task::spawn_local(hear(signals, session.interrupter(), job.drain));
    let clock = clock_of(job.start_at)?;
    let lines = folder.losses().lines();
    let display = Display::of(job, &first.target);
    let server = ServerReadings::default();
    let scraper = scraper_of(job, found).await?;
    let scraped =
        scraper.map(|scraper| ServerFiled::new(&scraper, &server, job.records.map(|_| folder))).transpose()?;
    let segment = Segment {
        label: job.label.clone().unwrap_or_else(|| job.verb.to_owned()),
        plan: Arc::clone(&job.plan),
        objectives: Arc::clone(&job.objectives),
        streamed: job.chat.stream,
    };
    let watching = display.load(1, lines.clone(), false);
    let observer = Box::new(((Filed::new(&filing, &job.plan), scraped), watching));
    let trial = session.play_from(clock, segment, StopRule::Never, observer).await?.await;
    heard.abort();
    display.close(&lines);
    let mut trial = trial?;
    let mut notes = Vec::new();
    let plan_fingerprint = fingerprint(job, trial.summary.totals().planned + trial.not_due, &mut notes);
    let header = header_after(&header, &trial, plan_fingerprint.clone());
    let whole = filing.take().is_none_or(|filing| filing.finish(&header));
    if let (Some(tokenizer), true) = (&job.tokenizer, whole) {
        let counting =
            Counting { tokenizer: Arc::clone(tokenizer), objectives: Arc::clone(&job.objectives), detail: job.records };
        match recount(counting, folder, hidden).await {
            Ok(Recounted::All(summary)) => trial.summary = *summary,
            Ok(Recounted::Interrupted) => notes.push(
                "counting the answers was interrupted: the figures do not include our tokenizer's counts; run again \
                 without interrupting"
                    .to_owned(),
            ),
            Err(error) => folder.losses().note(&error),
        }
    }
    Ok(Played { trial, server, plan_fingerprint, started: clock.wall(), notes })
}

/// Hashes the plan of `requests` requests after the load. For an hour at 100 000/s this takes a minute, so a long plan
/// is not hashed after an interrupt.
fn fingerprint(job: &Job, requests: u64, notes: &mut Vec<String>) -> String {
    if requests >= LONG && signals::any() {
        let planned = count(requests);
        notes.push(format!(
            "interrupted: the plan of {planned} requests was not hashed; `tonnage plan` with the same load prints its \
             fingerprint"
        ));
        return NOT_HASHED.to_owned();
    }
    let _pass = if job.quiet { None } else { LongPass::over(requests, "hashing") };
    job.plan.fingerprint()
}

/// The first signal ends the load; open requests are followed until the drain ends. The second signal cuts off the open
/// requests.
async fn hear(mut signals: Signals, interrupter: Interrupter, drain: Duration) {
    signals.next().await;
    interrupter.interrupt();
    say(&format!(
        "interrupted: no more requests are sent; {} in flight are followed for up to {}; interrupt again to cut them \
         off",
        count(interrupter.counts().map_or(0, |counts| counts.in_flight)),
        seconds(drain.as_secs_f64())
    ));
    loop {
        signals.next().await;
        interrupter.interrupt();
        say("interrupted again: requests in flight are cut off");
    }
}
