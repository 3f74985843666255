//! Owns verb `report`: shows a saved result again with the same numbers, from its records if they exist.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::exit::Exit;
use crate::cli::options::TEMPLATE;
use crate::cli::terminal::{ink, print, say_all};
use crate::error::Error;
use crate::report::{render, worded};
use crate::results::{Lines, again, json_of, merge};

/// Print a saved result again, with the same numbers; or merge the shards of one plan
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage report results/tonnage-sim/20260102T030405Z-run
  tonnage report results/tonnage-sim/20260102T030405Z-run/result.json --json
  tonnage report one two three                              all shards of a plan
",
    help_template = TEMPLATE
)]
pub(super) struct ReportArguments {
    /// A result folder, or its result.json. Records in the folder are evaluated again; without records the saved
    /// figures are shown. Several results must be all shards of one plan, with their records: they are merged into one
    /// result
    #[arg(value_name = "DIR|FILE", required = true)]
    pub(super) results: Vec<PathBuf>,
    /// Print the result as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(super) json: bool,
}

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
