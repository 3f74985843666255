//! Owns the code that verbs with several loads share: resuming a result, handling signals, and showing a finished
//! result.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::config::Parsed;
use crate::cli::deliver::show;
use crate::cli::exit::Exit;
use crate::cli::job::Job;
use crate::cli::signals::Signals;
use crate::cli::table::row_of;
use crate::cli::terminal::say;
use crate::engine::{Halt, Interrupter};
use crate::error::Error;
use crate::results::{Lines, Report, read};
use crate::service::Service;

/// The result to resume, and its path. Options that would change what is measured are refused.
pub(super) fn begun_in(folder: &Path, parsed: &Parsed) -> Result<(PathBuf, Report), Error> {
    let path = folder.join("result.json");
    let report = read(&path)?;
    // A body with a secret must be given again, because it was not stored completely.
    let again = |key: &str| {
        key == "extra-body" && report.config.extra_body.is_some() && parsed.spec.extra_body == report.config.extra_body
    };
    if let Some(key) = parsed.typed.iter().find(|key| !row_of(key).resumable && !again(key)) {
        let why = "cannot be changed on --resume: the loads would no longer belong together";
        return Err(Error::usage(format!("--{key}"), why, "drop the option, or start again without --resume"));
    }
    Ok((path, report))
}

/// The first signal ends the load and skips later loads; open requests are followed until the drain ends. The second
/// signal cuts off the open requests.
pub(super) async fn hear(mut signals: Signals, interrupter: Interrupter, halt: Halt, lines: Lines) {
    signals.next().await;
    halt.ask();
    interrupter.interrupt();
    lines.push(
        "interrupted: no more requests are sent; requests in flight are followed to their end; interrupt again to \
         cut them off"
            .to_owned(),
    );
    loop {
        signals.next().await;
        interrupter.interrupt();
        lines.push("interrupted again: requests in flight are cut off".to_owned());
    }
}

/// Shows a result that has nothing left to run.
pub(super) fn finished(job: &Job, report: &Report) -> Result<ExitCode, Error> {
    if !job.quiet && !job.json {
        say(&format!("this {} had finished: nothing is left to run", job.verb));
    }
    show(job, report)?;
    Ok(Exit::of_report(report).into())
}

/// Refuses to resume `report` with other rows of a data set than it began with.
pub(super) fn refuse_other_data(job: &Job, report: &Report) -> Result<(), Error> {
    let digest = job.plan.workload().source.listed().map(|listed| listed.data().digest());
    if report.data_digest.is_some() && report.data_digest.as_deref() != digest {
        let why = format!("the data set is not the one that the {} began with: its rows are others", job.verb);
        return Err(Error::usage("--resume", why, format!("give the earlier file, or begin a new {}", job.verb)));
    }
    Ok(())
}

/// Refuses to resume `report` on another kind of target (simulated or not) than it began with.
pub(super) fn refuse_another_target(job: &Job, found: &Service, report: &Report) -> Result<(), Error> {
    if found.simulated == report.target.simulated {
        return Ok(());
    }
    let why = format!("the target is not the one that the {} began with", job.verb);
    Err(Error::usage("--resume", why, format!("begin a new {}", job.verb)))
}
