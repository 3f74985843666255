//! Owns the common steps of verbs that run loads: finding the target, room for connections, announcements, the session.

use std::cell::Cell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::SystemTime;

use crate::cli::exit::Exit;
use crate::cli::job::Job;
use crate::cli::preflight::{ready, show_sample};
use crate::cli::signals::{self, Signals};
use crate::cli::terminal::say;
use crate::engine::{LivePlayer, Settings, local_runtime};
use crate::error::Error;
use crate::report::{loss_text, preflight_sentences, preparation_sentences};
use crate::results::{Folder, Replace, Report, file_name, hidden};
use crate::scrape::Scraper;
use crate::service::{Service, make_room};
use crate::units::{count, per_second, seconds};
use crate::workload::{Recording, Removal};

/// Finds the target of `job` and calls `play` with it. Signals are handled from the start.
pub(super) fn on_target(
    job: Job,
    play: impl AsyncFnOnce(Job, Service, Option<Folder>, Signals) -> Result<ExitCode, Error>,
) -> Result<ExitCode, Error> {
    let runtime = local_runtime()?;
    let done = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        match find(&job, &mut signals).await? {
            Some((found, claimed)) => play(job, found, claimed, signals).await,
            None => Ok(Exit::Interrupted.into()),
        }
    });
    // A resolver that does not answer cannot be stopped, so its thread is left running.
    runtime.shutdown_background();
    done
}

/// Claims the result folder, and finds and tries the service; `None` after a signal. If no service is found, the folder
/// is released.
pub(super) async fn find(job: &Job, signals: &mut Signals) -> Result<Option<(Service, Option<Folder>)>, Error> {
    let claimed = job.out.as_deref().map(|path| Folder::claim(path, job.replace)).transpose()?;
    let primed = Cell::new(0);
    let found = tokio::select! {
        found = ready(job, &primed) => found.map(Some),
        () = signals.next() => {
            let primed = match primed.get() {
                0 => String::new(),
                sent => format!(", after {} of {} prefixes", count(sent), count(job.plan.primers().into())),
            };
            say(&format!("interrupted before the load{primed}: nothing was measured, and no result is written"));
            Ok(None)
        }
    };
    if let Ok(Some(found)) = found {
        return Ok(Some((found, claimed)));
    }
    if let Some(folder) = claimed {
        folder.abandon();
    }
    found.map(|_| None)
}

/// The exit code of `report`. A code that stops scripts is explained on standard error, even with `--quiet`.
pub(super) fn ending(report: &Report) -> ExitCode {
    let exit = match Exit::of_report(report) {
        Exit::Inconclusive if is_unanswered(report) && signals::any() => Exit::Interrupted,
        exit => exit,
    };
    if exit == Exit::Inconclusive && is_unanswered(report) {
        let why = "the search ended without an answer, and nobody interrupted it: its last load decided nothing; \
            continue with --resume";
        say(&format!("error: {why}"));
    }
    if exit == Exit::TargetLost {
        let why = loss_text(report).unwrap_or_else(|| "the target did not answer".to_owned());
        say(&format!("error: {why}"));
    }
    exit.into()
}

/// Whether `report` is of a search that has no answer yet.
fn is_unanswered(report: &Report) -> bool {
    report.search.as_ref().is_some_and(|search| search.finished.is_none())
}

/// Takes the preflight and the preparation of a resumed run into its report.
pub(super) fn preflight_again(report: &mut Report, found: &Service) {
    if let Some(again) = &found.preflight {
        report.preflight.get_or_insert_default().merge(again);
    }
    if let Some(again) = &found.preparation {
        report.preparation.get_or_insert_default().merge(again);
    }
}

/// The result before any load has run.
pub(super) fn skeleton(job: &Job, found: &Service, started: SystemTime, command: Vec<String>) -> Report {
    let begun = Report::begun(job.spec.clone(), job.seed, found, job.workers, started);
    Report {
        command,
        label: job.label.clone(),
        metadata: job.metadata.clone(),
        token_estimate: job.plan.workload().counter(),
        notes: job.notes.clone(),
        data_digest: job.plan.workload().source.listed().map(|listed| listed.data().digest().to_owned()),
        ..begun
    }
}

/// Makes room for the connections of the job. Fails, naming `flag`, if a closed loop has too many connections.
pub(super) fn room_for(job: &mut Job, service: &Service, flag: &str) -> Result<(), Error> {
    let tight = make_room(&job.plan, service, job.timeout, job.max_in_flight).map_err(|error| match error {
        Error::Usage { why, accepted, .. } => Error::usage(flag, why, accepted),
        other => other,
    })?;
    if let Some(tight) = tight {
        job.notes.push(format!(
            "this machine has room for {} connections at once: at {}, too few if answers take longer than {}; raise \
             `ulimit -n` or the range of ephemeral ports, give more targets, or set --max-in-flight",
            count(tight.connections),
            per_second(tight.rate_per_s),
            seconds(tight.slowest_s)
        ));
    }
    Ok(())
}

/// Prints what the run will do beyond the typed options.
pub(super) fn announce(job: &mut Job, found: &Service) {
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
            "the drain is extended from {} to at least {}, so that the objectives can be decided",
            seconds(job.drain.as_secs_f64()),
            seconds(needed.as_secs_f64())
        ));
    }
    if !job.quiet {
        found.preflight.iter().for_each(show_sample);
    }
    if job.json || job.quiet {
        return;
    }
    if found.is_embedded() {
        say("no --target given: using the embedded simulated server");
    }
    found.preflight.iter().flat_map(preflight_sentences).for_each(|sentence| say(&format!("note: {sentence}")));
    found.preparation.iter().flat_map(preparation_sentences).for_each(|sentence| say(&format!("note: {sentence}")));
    for note in &job.notes {
        say(&format!("note: {note}"));
    }
}

/// What reads servers and this host while loads run; `None` where nothing is asked for.
pub(super) async fn scraper_of(job: &Job, found: &Service) -> Result<Option<Rc<Scraper>>, Error> {
    job.watching.begin(&job.wanted(), found, job.json || job.quiet).await
}

/// A live session for the job.
pub(super) fn session_of(job: &Job, service: &Service) -> Result<LivePlayer, Error> {
    let settings = Settings { timeout: job.timeout, drain: job.drain, max_in_flight: job.max_in_flight };
    service.session(&job.chat, settings, job.connect_timeout, job.workers)
}

/// The folder of the result; emptied unless the run is `resumed`.
pub(super) fn folder_of(
    job: &Job,
    found: &Service,
    claimed: Option<Folder>,
    started: SystemTime,
    resumed: bool,
) -> Result<Folder, Error> {
    let folder = claimed.map_or_else(|| Folder::claim(&default_path(found, started, job.verb), Replace::Never), Ok)?;
    if !resumed {
        if folder.holds_result() {
            say(&format!("{} holds an earlier result, which this one replaces", folder.path().display()));
        }
        folder.clear()?;
    }
    Ok(folder)
}

/// `results/<model>/<time>-<verb>`; characters of the model that a folder's name cannot hold are replaced.
fn default_path(found: &Service, started: SystemTime, verb: &str) -> PathBuf {
    let model = file_name(&hidden(&found.models.join("+")));
    let time = jiff::Timestamp::try_from(started)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y%m%dT%H%M%S%.3fZ")
        .to_string();
    PathBuf::from("results").join(if model.is_empty() { "model" } else { &model }).join(format!("{time}-{verb}"))
}
