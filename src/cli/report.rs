//! Owns verb `report`: a saved result shown again, from its records where they are, with the same numbers.

use std::process::ExitCode;

use crate::cli::arguments::ReportArguments;
use crate::cli::exit::Exit;
use crate::cli::terminal::{ink, print, say_all};
use crate::error::Error;
use crate::report::{render, worded};
use crate::results::{Lines, again, json_of, merge};

/// Shows a result again.
pub(super) fn report(arguments: &ReportArguments) -> Result<ExitCode, Error> {
    let said = Lines::default();
    let report = match arguments.results.as_slice() {
        [path] => again(path, &said),
        paths => merge(paths, &said),
    };
    say_all(&said);
    let mut report = report?;
    worded(&mut report);
    print(&if arguments.json { json_of(&report)? } else { render(&report, ink()) })?;
    Ok(Exit::Done.into())
}
