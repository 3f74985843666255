//! Owns what verbs of many loads share: going on with a begun result, its folder, signals, and what is shown where
//! nothing is left.

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

/// The result that is to go on, and where it is. What would change what is measured is refused.
pub(super) fn begun_in(folder: &Path, parsed: &Parsed) -> Result<(PathBuf, Report), Error> {
    let path = folder.join("result.json");
    let report = read(&path)?;
    // A body with a secret in it is given again: it was not stored whole.
    let again = |key: &str| {
        key == "extra-body" && report.config.extra_body.is_some() && parsed.spec.extra_body == report.config.extra_body
    };
    if let Some(key) = parsed.typed.iter().find(|key| !row_of(key).resumable && !again(key)) {
        let why = "cannot be changed when it goes on: its loads would no longer belong together";
        return Err(Error::usage(format!("--{key}"), why, "drop it, or begin anew without --resume"));
    }
    Ok((path, report))
}

/// The first signal ends the load and those that would follow, and lets the drain settle what is open; the second
/// lets go of it.
pub(super) async fn hear(mut signals: Signals, interrupter: Interrupter, halt: Halt, lines: Lines) {
    signals.next().await;
    halt.ask();
    interrupter.interrupt();
    lines.push(
        "interrupted: nothing more is sent; what is in flight is followed to its end; interrupt again to let go of it"
            .to_owned(),
    );
    loop {
        signals.next().await;
        interrupter.interrupt();
        lines.push("interrupted again: letting go".to_owned());
    }
}

/// Shows a result with which there is nothing to go on.
pub(super) fn finished(job: &Job, report: &Report) -> Result<ExitCode, Error> {
    if !job.quiet && !job.json {
        say(&format!("this {} had finished: nothing is left to play", job.verb));
    }
    show(job, report)?;
    Ok(Exit::of_report(report).into())
}

/// Refuses to go on elsewhere than where `report` began.
pub(super) fn refuse_another_target(job: &Job, found: &Service, report: &Report) -> Result<(), Error> {
    if found.simulated == report.target.simulated {
        return Ok(());
    }
    let why = format!("the target is not the one that the {} began with", job.verb);
    Err(Error::usage("--resume", why, format!("begin a new {}", job.verb)))
}
