//! Owns verb `run`: a job played against its target, judged, written and shown.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use crate::cli::arguments::RunArguments;
use crate::cli::config::{Parsed, to_yaml};
use crate::cli::exit::Exit;
use crate::cli::files::file_name;
use crate::cli::filing::{Filing, Kept};
use crate::cli::host::{host, tool};
use crate::cli::job::Job;
use crate::cli::output::{Folder, Replace, deliver, header_after, header_before};
use crate::cli::progress::{LongPass, Progress};
use crate::cli::recount::{Counting, Recounted};
use crate::cli::shard::{clock_of, until, wait};
use crate::cli::signals::{self, Signals};
use crate::cli::simulate::local_runtime;
use crate::cli::target::{Found, with_trust};
use crate::cli::terminal::{hidden, say};
use crate::cli::tokenizer::prepare;
use crate::client::{Encoder, HttpClient, Limits};
use crate::clock::RunClock;
use crate::engine::{Gauge, RecordSink, Session, Settings, Setup};
use crate::error::Error;
use crate::play::{Segment, StopRule, Trial};
use crate::record::{Detail, Record};
use crate::report::{Report, SCHEMA, Target, loss_text};
use crate::schedule::Spans;
use crate::units::{Offset, count, per_second, seconds};
use crate::workload::{ESTIMATE_NAME, Load, Plan, Recording, Removal};

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

/// Finds the target of `job` and plays there; an interrupt is heard from the beginning.
pub(super) fn on_target(
    job: Job,
    play: impl AsyncFnOnce(Job, Found, Option<Folder>, Signals) -> Result<ExitCode, Error>,
) -> Result<ExitCode, Error> {
    let runtime = local_runtime()?;
    let done = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        match find(&job, &mut signals).await? {
            Some((found, claimed)) => play(job, found, claimed, signals).await,
            None => Ok(Exit::Interrupted.into()),
        }
    });
    // A resolver that does not answer cannot be called back: it is left behind.
    runtime.shutdown_background();
    done
}

/// Claims the folder asked for and finds whom to ask; `None` at a signal. What was claimed in vain is given back.
pub(super) async fn find(job: &Job, signals: &mut Signals) -> Result<Option<(Found, Option<Folder>)>, Error> {
    let claimed = job.out.as_deref().map(|path| Folder::claim(path, job.replace)).transpose()?;
    let found = tokio::select! {
        found = Found::of(job) => found.map(Some),
        () = signals.next() => Ok(None),
    };
    if let Ok(Some(found)) = found {
        return Ok(Some((found, claimed)));
    }
    if let Some(folder) = claimed {
        folder.abandon();
    }
    found.map(|_| None)
}

async fn play(
    mut job: Job,
    found: Found,
    claimed: Option<Folder>,
    mut signals: Signals,
    command: Vec<String>,
) -> Result<ExitCode, Error> {
    make_room(&mut job, &found, "--load")?;
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
    let folder = match claimed {
        Some(folder) => folder,
        None => Folder::claim(&default_path(&found, started, job.verb), Replace::Never)?,
    };
    if folder.holds_result() {
        say(&format!("{} holds an earlier result, which this one replaces", folder.path().display()));
    }
    folder.clear()?;
    // What a killed run leaves behind: all of it but the trial, which `report` folds from the records.
    let mut report = skeleton(&job, &found, started, command);
    let played = live(&job, &found, &folder, &report, signals).await?;
    report.started = rfc3339(played.started);
    report.plan_fingerprint = played.plan_fingerprint;
    report.notes.extend(played.notes);
    report.body_fingerprint.clone_from(&played.trial.body_fingerprint);
    report.trials.push(with_trust(played.trial.view(), &job.effective));
    deliver(&job, &mut report, &folder, ending)
}

/// The exit code of `report`; one that scripts stop at is explained, however quiet it was to be.
pub(super) fn ending(report: &Report) -> ExitCode {
    let exit = match Exit::of_report(report) {
        Exit::Inconclusive if is_unanswered(report) && signals::any() => Exit::Interrupted,
        exit => exit,
    };
    if exit == Exit::Inconclusive && is_unanswered(report) {
        let why = "the search ended before its answer, and nobody interrupted it: its last load decided nothing; go on \
            with --resume";
        say(&format!("error: {why}"));
    }
    if exit == Exit::TargetLost {
        let why = loss_text(report).unwrap_or_else(|| "the target answered nothing".to_owned());
        say(&format!("error: {why}"));
    }
    exit.into()
}

/// Whether `report` is of a search that has not come to its end.
fn is_unanswered(report: &Report) -> bool {
    report.search.as_ref().is_some_and(|search| search.finished.is_none())
}

/// The result before anything was played.
pub(super) fn skeleton(job: &Job, found: &Found, started: SystemTime, command: Vec<String>) -> Report {
    Report {
        schema: SCHEMA,
        tool: tool(),
        started: rfc3339(started),
        host: host(job.workers),
        command,
        seed: job.seed.number(),
        plan_fingerprint: String::new(),
        body_fingerprint: None,
        target: Target {
            urls: found.targets.iter().map(|target| target.url().to_string()).collect(),
            model: found.models.join(","),
            simulated: found.simulated,
        },
        label: job.label.clone(),
        metadata: job.metadata.clone(),
        token_estimate: job.tokenizer.as_ref().map_or_else(|| ESTIMATE_NAME.to_owned(), |tokenizer| tokenizer.label()),
        notes: job.notes.clone(),
        trials: Vec::new(),
        sweep: None,
        search: None,
        config: job.effective.clone(),
    }
}

/// Checks, by Little's law, that the machine has room for the connections. What a closed loop holds is certain and
/// refused if it does not fit; an open load holds rate × time in the system, and the time is not known yet: it is
/// said how slow answers may become.
pub(super) fn make_room(job: &mut Job, found: &Found, flag: &str) -> Result<(), Error> {
    // The embedded server holds the other end of every connection.
    let ends = if found.embedded.is_some() { 2 } else { 1 };
    match job.plan.load() {
        Load::Closed(closed) => {
            let connections = u64::from(closed.concurrency);
            let limits = Limits::raised_for(ends * connections);
            limits.admit(connections, &found.addresses).map_err(|error| match error {
                Error::Usage { why, accepted, .. } => Error::usage(flag, why, accepted),
                other => other,
            })
        }
        Load::Open(timeline) => {
            let rate_per_s = timeline.highest_per_s() * job.plan.fraction();
            let wanted = (rate_per_s * job.timeout.as_secs_f64()).ceil() as u64;
            let wanted = wanted.min(job.max_in_flight.unwrap_or(u64::MAX));
            let limits = Limits::raised_for(ends * wanted);
            let room = (limits.descriptors.saturating_sub(RESERVED_DESCRIPTORS) / ends)
                .min(limits.ports * found.addresses.len() as u64);
            let longest_s = room as f64 / rate_per_s;
            if room < wanted && longest_s < LONG_ANSWER_S {
                job.notes.push(format!(
                    "this machine has room for {} connections at once: at {}, answers slower than {} find none; raise \
                     `ulimit -n` or \
                     the range of ephemeral ports, give more targets, or set --max-in-flight",
                    count(room),
                    per_second(rate_per_s),
                    seconds(longest_s)
                ));
            }
            Ok(())
        }
    }
}

/// Files, the runtime, standard streams.
const RESERVED_DESCRIPTORS: u64 = 128;
/// Room for answers this slow is taken for enough.
const LONG_ANSWER_S: f64 = 30.0;

/// Says what is about to be done that was not asked for in so many words.
pub(super) fn announce(job: &mut Job, found: &Found) {
    if let Some(quota) = job.plan.quota()
        && let Some(removed) = job.plan.dropped().get(&Removal::Quota)
    {
        job.notes.push(format!(
            "quota {quota}: {} requests were taken out of the plan beforehand; none was shifted",
            count(*removed)
        ));
    }
    let looked_at = job.plan.recording().map_or(1_000, Recording::requests);
    let most_asked = (0..looked_at).map(|id| job.plan.outline(id).output_tokens).max().unwrap_or(0);
    let needed = job.objectives.least_drain(most_asked);
    if needed > job.drain {
        job.notes.push(format!(
            "the drain is extended from {} to at least {}, which the objectives need to be decided",
            seconds(job.drain.as_secs_f64()),
            seconds(needed.as_secs_f64())
        ));
    }
    if job.json || job.quiet {
        return;
    }
    if found.embedded.is_some() {
        say("no --target given: asking the embedded simulated server");
    }
    for note in &job.notes {
        say(&format!("note: {note}"));
    }
}

/// What a load left behind.
struct Played {
    trial: Trial,
    plan_fingerprint: String,
    started: SystemTime,
    /// What has to be announced since.
    notes: Vec<String>,
}

async fn live(job: &Job, found: &Found, folder: &Folder, first: &Report, signals: Signals) -> Result<Played, Error> {
    let spans = job.plan.spans();
    // What has still to be counted is kept whole until it is.
    let detail = job.records.filter(|_| job.tokenizer.is_none()).unwrap_or(Detail::Full);
    let header = header_before(&job.plan, job.chat.stream, detail);
    let mut session = session_of(job, found)?;
    folder.write_result(first, &to_yaml(&job.effective)?)?;
    let kept = Kept { texts: job.tokenizer.is_some(), failures: job.records.is_some() };
    let filed = job.records.is_some() || kept.texts;
    let filing = Rc::new(RefCell::new(filed.then(|| Filing::open(folder, &header, kept)).transpose()?));
    let flushed = tokio::task::spawn_local(flush(Rc::clone(&filing)));
    let gauge: Arc<Gauge> = Arc::default();
    let interrupter = session.interrupter();
    let hidden = job.quiet || job.json;
    let heard = tokio::task::spawn_local(hear(signals, interrupter, Arc::clone(&gauge), job.drain));
    let clock = clock_of(job.start_at)?;
    let load_end = load_end_of(job, spans);
    let lines = folder.losses().lines();
    let drawn = tokio::task::spawn_local(
        Progress { gauge: Arc::clone(&gauge), clock, load_end, hidden, lines: lines.clone() }.draw(),
    );
    let segment = Segment {
        label: job.label.clone().unwrap_or_else(|| job.verb.to_owned()),
        plan: Arc::clone(&job.plan),
        objectives: Arc::clone(&job.objectives),
        streamed: job.chat.stream,
    };
    let trial = session.play_from(clock, segment, StopRule::Never, gauge, sink_of(&filing, &job.plan)).await?.await;
    drawn.abort();
    heard.abort();
    flushed.abort();
    // The line is cleared when its task is dropped, which must happen before anything is printed.
    _ = drawn.await;
    lines.say_all();
    let mut trial = trial?;
    // One pass over the plan, made when the load is over: an hour at 100 000/s takes it a minute.
    let pass = if job.quiet { None } else { LongPass::over(trial.summary.totals().planned + trial.not_due, "hashing") };
    let plan_fingerprint = job.plan.fingerprint();
    drop(pass);
    let header = header_after(&header, &trial, plan_fingerprint.clone());
    let whole = filing.take().is_none_or(|filing| filing.finish(&header));
    let mut notes = Vec::new();
    if let (Some(tokenizer), true) = (&job.tokenizer, whole) {
        let counting = Counting {
            tokenizer: Arc::clone(tokenizer),
            objectives: Arc::clone(&job.objectives),
            detail: job.records,
            hidden,
        };
        match counting.recount(folder).await {
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

pub(super) fn session_of(job: &Job, found: &Found) -> Result<Session, Error> {
    let mut chat = job.chat.clone();
    chat.targets.clone_from(&found.targets);
    chat.models.clone_from(&found.models);
    // Two runs at once must not give one name to two requests.
    chat.request_id_prefix = format!("{}-{:?}", std::process::id(), RunClock::starting_in(Duration::ZERO).wall());
    let settings = Settings { timeout: job.timeout, drain: job.drain, max_in_flight: job.max_in_flight };
    let (addresses, connect_timeout) = (found.addresses.clone(), job.connect_timeout);
    let next_worker = AtomicUsize::new(0);
    let setup = Setup {
        workers: job.workers,
        encoder: Arc::new(Encoder::new(&chat)?),
        connect: Arc::new(move || {
            let worker = next_worker.fetch_add(1, Ordering::Relaxed);
            Ok(HttpClient::new(&addresses, connect_timeout, worker))
        }),
    };
    Session::threads::<HttpClient>(settings, &setup)
}

pub(super) fn sink_of(filing: &Rc<RefCell<Option<Filing>>>, plan: &Arc<Plan>) -> RecordSink {
    let (filing, plan) = (Rc::clone(filing), Arc::clone(plan));
    Box::new(move |record: &Record| {
        if let Some(filing) = filing.borrow_mut().as_mut() {
            filing.file(record, &plan);
        }
    })
}

/// Puts on disk what has been filed, once a second: beside the load, and even while nothing settles.
pub(super) async fn flush(filing: Rc<RefCell<Option<Filing>>>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if let Some(filing) = filing.borrow_mut().as_mut() {
            filing.flush();
        }
    }
}

fn load_end_of(job: &Job, spans: Spans) -> Offset {
    match job.plan.load() {
        Load::Open(_) => spans.cooldown.end,
        Load::Closed(_) => spans.cooldown.end.max(spans.window.end),
    }
}

/// The first signal ends the load and lets the drain settle what is open; the second lets go of it.
async fn hear(mut signals: Signals, interrupter: crate::engine::Interrupter, gauge: Arc<Gauge>, drain: Duration) {
    signals.next().await;
    interrupter.interrupt();
    say(&format!(
        "interrupted: nothing more is sent; {} in flight are followed for up to {}; interrupt again to let go of them",
        count(gauge.in_flight()),
        seconds(drain.as_secs_f64())
    ));
    loop {
        signals.next().await;
        interrupter.interrupt();
        say("interrupted again: letting go");
    }
}

/// `results/<model>/<time>-<verb>`, the model made fit for a folder's name.
pub(super) fn default_path(found: &Found, started: SystemTime, verb: &str) -> PathBuf {
    let model = file_name(&hidden(&found.models.join("+")));
    let time = jiff::Timestamp::try_from(started)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y%m%dT%H%M%S%.3fZ")
        .to_string();
    PathBuf::from("results").join(if model.is_empty() { "model" } else { &model }).join(format!("{time}-{verb}"))
}

pub(super) fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
