//! Owns the delivery of a result: it is printed first, then written.

use std::process::ExitCode;

use crate::cli::exit::Exit;
use crate::cli::job::Job;
use crate::cli::terminal::{ink, print, say, say_all};
use crate::error::Error;
use crate::report::{render, worded};
use crate::results::{Folder, Report, json_of};

/// Prints the result, then writes it, so that a full disk does not lose the figures. Returns the exit code of `ending`,
/// or that of a failed output where something could not be written and the run was not interrupted.
pub(super) fn deliver(
    job: &Job,
    report: &mut Report,
    folder: &Folder,
    ending: impl FnOnce(&Report) -> ExitCode,
) -> Result<ExitCode, Error> {
    report.notes.extend(folder.losses().left_out());
    worded(report);
    let shown = show(job, report);
    // Tried even after records could not be written, because a result is smaller than its records.
    let stored = folder.write_result(report, &job.spec.to_yaml()?).map_err(|error| folder.losses().note(&error));
    say_all(&folder.losses().lines());
    shown?;
    if stored.is_ok() && !job.json && !job.quiet {
        say(&format!("result in {}", folder.path().display()));
    }
    let code = ending(report);
    Ok(if folder.losses().any() && Exit::of_report(report) != Exit::Interrupted { Exit::Output.into() } else { code })
}

/// Prints the result in the form that was asked for: JSON, nothing or text.
pub(super) fn show(job: &Job, report: &Report) -> Result<(), Error> {
    if job.json {
        print(&json_of(report)?)
    } else if job.quiet {
        Ok(())
    } else {
        print(&render(report, ink()))
    }
}
