//! Owns verb `run`: a job played against its target, judged, written and shown.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;

use crate::cli::config::Parsed;
use crate::cli::deliver::deliver;
use crate::cli::exit::Exit;
use crate::cli::job::Job;
use crate::cli::live::{announce, ending, folder_of, on_target, room_for, session_of, skeleton};
use crate::cli::options::{ConfigOption, LoadArguments, TEMPLATE};
use crate::cli::progress::{LONG, LongPass, Screen};
use crate::cli::recount::recount;
use crate::cli::shard::{clock_of, until, wait};
use crate::cli::signals::{self, Signals};
use crate::cli::terminal::{say, say_all};
use crate::cli::tokenizer::prepare;
use crate::clock::RunClock;
use crate::engine::Interrupter;
use crate::error::Error;
use crate::play::{Segment, StopRule, Trial};
use crate::record::Detail;
use crate::results::{Counting, Filed, Filing, Folder, Kept, Recounted, Report, header_after, header_before, rfc3339};
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

/// Plays the run that the arguments ask for.
pub(super) fn run(arguments: RunArguments, mut parsed: Parsed) -> Result<ExitCode, Error> {
    let job = Job::of_run(arguments.load, &mut parsed)?;
    play_job(job, parsed.command)
}

/// Plays a job: finds its target, sends, judges, writes, shows.
pub(super) fn play_job(job: Job, command: Vec<String>) -> Result<ExitCode, Error> {
    job.start_at.map(until).transpose()?;
    on_target(job, async |job, found, claimed, signals| play(job, found, claimed, signals, command).await)
}

async fn play(
    mut job: Job,
    found: Service,
    claimed: Option<Folder>,
    mut signals: Signals,
    command: Vec<String>,
) -> Result<ExitCode, Error> {
    room_for(&mut job, &found, "--load")?;
    if prepare(&mut job, &mut signals).await?.is_break() {
        if let Some(folder) = claimed {
            folder.abandon();
        }
        return Ok(Exit::Interrupted.into());
    }
    announce(&mut job, &found);
    let waited = wait(job.start_at, job.json || job.quiet, &mut signals).await;
    if !matches!(waited, Ok(ControlFlow::Continue(()))) {
        if let Some(folder) = claimed {
            folder.abandon();
        }
        return waited.map(|_| Exit::Interrupted.into());
    }
    let started = RunClock::starting_in(Duration::ZERO).wall();
    let folder = folder_of(&job, &found, claimed, started, false)?;
    // What a killed run leaves behind: all of it but the trial, which `report` folds from the records.
    let mut report = skeleton(&job, &found, started, command);
    let played = live(&job, &found, &folder, &report, signals).await?;
    report.started = rfc3339(played.started);
    report.plan_fingerprint = played.plan_fingerprint;
    report.notes.extend(played.notes);
    report.body_fingerprint.clone_from(&played.trial.body_fingerprint);
    report.trials.push(job.spec.with_trust(played.trial.view()));
    deliver(&job, &mut report, &folder, ending)
}

/// What a load left behind.
struct Played {
    trial: Trial,
    plan_fingerprint: String,
    started: SystemTime,
    /// What has to be announced since.
    notes: Vec<String>,
}

async fn live(job: &Job, found: &Service, folder: &Folder, first: &Report, signals: Signals) -> Result<Played, Error> {
    // What has still to be counted is kept whole until it is.
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
    let progress = Screen::default().progress(hidden, lines.clone(), false);
    let segment = Segment {
        label: job.label.clone().unwrap_or_else(|| job.verb.to_owned()),
        plan: Arc::clone(&job.plan),
        objectives: Arc::clone(&job.objectives),
        streamed: job.chat.stream,
    };
    let observer = Box::new((Filed::new(&filing, &job.plan), progress));
    let trial = session.play_from(clock, segment, StopRule::Never, observer).await?.await;
    heard.abort();
    say_all(&lines);
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
                "counting the answers was interrupted: the figures are without our tokenizer's counts; run again and \
                 let it end"
                    .to_owned(),
            ),
            Err(error) => folder.losses().note(&error),
        }
    }
    Ok(Played { trial, plan_fingerprint, started: clock.wall(), notes })
}

/// Hashes the plan, which has so many requests, once the load is over. For an hour at 100 000/s that takes a minute,
/// and who interrupts should not wait for it.
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

/// The first signal ends the load and lets the drain settle what is open; the second lets go of it.
async fn hear(mut signals: Signals, interrupter: Interrupter, drain: Duration) {
    signals.next().await;
    interrupter.interrupt();
    say(&format!(
        "interrupted: nothing more is sent; {} in flight are followed for up to {}; interrupt again to let go of them",
        count(interrupter.counts().map_or(0, |counts| counts.in_flight)),
        seconds(drain.as_secs_f64())
    ));
    loop {
        signals.next().await;
        interrupter.interrupt();
        say("interrupted again: letting go");
    }
}
