//! Owns the check of a cell before anything is sent: its options are those of its verb, and about how long it takes.

use std::ffi::OsString;
use std::path::Path;

use clap::{ArgAction, ArgMatches, Command, FromArgMatches};
use serde_json::Value;

use crate::cli::batch::cells::Cell;
use crate::cli::batch::matrix::{CellVerb, Options, line_of};
use crate::cli::config::{Parsed, Stop, parse, unknown_key};
use crate::cli::config_file::texts;
use crate::cli::job::Job;
use crate::cli::run::RunArguments;
use crate::cli::search::{SearchArguments, budget_of};
use crate::cli::sweep::{SweepArguments, about_s_of};
use crate::cli::table::{Playing, refused_by};
use crate::error::Error;
use crate::results::RunSpec;
use crate::schedule::Extent;
use crate::workload::{Closed, Load, Plan};

/// Assumed time to the first token, and for each further token, of a closed loop by number, whose length the server
/// decides. In seconds.
const FIRST_S: f64 = 1.0;
const TOKEN_S: f64 = 0.02;
/// Assumed output tokens of an answer where their number is drawn.
const TOKENS: f64 = 64.0;

/// What is known of a cell before it is run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Checked {
    /// Hash of its options in force, without secrets.
    pub(super) digest: String,
    /// About how long it takes, in seconds; `None` if nothing bounds it.
    pub(super) about_s: Option<f64>,
    /// Whether `about_s` rests on an assumed speed of the server.
    pub(super) is_assumed: bool,
}

/// Checks `cell` as its verb would, without its target. An error names the file and the cell.
pub(super) fn checked(cell: &Cell, verb: CellVerb, path: &Path, definition: &Command) -> Result<Checked, Error> {
    let words = words_of(&cell.options, verb, path, definition)?;
    let refuse = |error: Error| Error::Input {
        path: path.to_owned(),
        line: None,
        why: format!("cell `{}`: {error}", cell.name),
    };
    let (matches, mut parsed) = parse(&words, definition.clone()).map_err(|stop| match stop {
        Stop::Error(error) => refuse(error),
        Stop::Clap(error) => {
            let text = error.to_string();
            let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Error::input(path, format!("cell `{}`: {why}", cell.name))
        }
    })?;
    let digest = digest_of(&parsed.spec, verb)?;
    let matches = matches
        .subcommand_matches(verb.name())
        .ok_or_else(|| Error::Internal(format!("{} has no arguments", verb.name())))?;
    let (about_s, is_assumed) = about(matches, verb, &mut parsed).map_err(refuse)?;
    Ok(Checked { digest, about_s, is_assumed })
}

/// Options that a batch sets itself, and what to do instead.
const OURS: [(&str, &str); 8] = [
    ("config", "put the options into base"),
    ("force", "give the batch another folder with --out"),
    ("json", "drop it; `tonnage report --json` shows a cell"),
    ("out", "give the folder of the batch with --out"),
    ("quiet", "give --quiet to the batch"),
    ("resume", "give --resume to the batch"),
    ("show-sample", "drop it; the cells print nothing"),
    ("start-at", "drop it; each cell begins when the one before has ended"),
];

/// The command line that runs `options`. An unknown option is refused, with its line in the file.
fn words_of(options: &Options, verb: CellVerb, path: &Path, definition: &Command) -> Result<Vec<OsString>, Error> {
    let missing = || Error::Internal(format!("{} has no definition", verb.name()));
    let command = definition.find_subcommand(verb.name()).ok_or_else(missing)?;
    let mut words: Vec<OsString> = vec!["tonnage".into(), verb.name().into()];
    for (key, value) in options {
        let at = |why: String| Error::Input { path: path.to_owned(), line: line_of(path, key), why };
        if let Some((_, instead)) = OURS.iter().find(|(ours, _)| ours == key) {
            return Err(at(format!("{key}: the batch sets it; {instead}")));
        }
        let Some(argument) = command.get_arguments().find(|argument| argument.get_long() == Some(key)) else {
            return Err(match unknown_key(definition, command, path, key) {
                Error::Input { why, .. } => at(why),
                other => other,
            });
        };
        // The check of one cell must not ask for a key: the cell does, when it is run.
        if key.starts_with("api-key-command") || key == "api-key-age" {
            continue;
        }
        match (argument.get_action(), value) {
            (ArgAction::SetTrue, Value::Bool(true)) => words.push(format!("--{key}").into()),
            (ArgAction::SetTrue, Value::Bool(false) | Value::Null) => {}
            (ArgAction::SetTrue, other) => {
                return Err(at(format!("{key}: `{other}` is not a switch value; accepted is true or false")));
            }
            (action, value) => {
                let mut given = texts(key, value.clone())
                    .ok_or_else(|| at(format!("{key}: takes one value, or a list of values; write `{key}: VALUE`")))?;
                if given.len() > 1 && matches!(action, ArgAction::Set) {
                    given = vec![given.join(",")];
                }
                words.extend(given.into_iter().map(|text| OsString::from(format!("--{key}={text}"))));
            }
        }
    }
    Ok(words)
}

/// Hash of the options in force. A salt that is drawn is none of them.
fn digest_of(spec: &RunSpec, verb: CellVerb) -> Result<String, Error> {
    let text = serde_json::to_string(spec).map_err(|why| Error::Internal(format!("the options are no JSON: {why}")))?;
    Ok(blake3::hash(format!("{} {text}", verb.name()).as_bytes()).to_hex().to_string())
}

/// About how long the cell takes, in seconds, and whether that rests on an assumed speed.
fn about(matches: &ArgMatches, verb: CellVerb, parsed: &mut Parsed) -> Result<(Option<f64>, bool), Error> {
    let unreadable = |error: clap::Error| Error::Internal(error.to_string());
    match verb {
        CellVerb::Run => {
            let arguments = RunArguments::from_arg_matches(matches).map_err(unreadable)?;
            let job = Job::of_run(arguments.load, parsed)?;
            Ok(about_of(&job.plan, &job.spec))
        }
        CellVerb::Sweep => {
            let why = "has no meaning in a sweep, which plays many loads of one length each";
            parsed.refuse(&refused_by(Playing::Sweep), why)?;
            let arguments = SweepArguments::from_arg_matches(matches).map_err(unreadable)?;
            Ok((Some(about_s_of(arguments, parsed)?), false))
        }
        CellVerb::Search => {
            parsed
                .refuse(&refused_by(Playing::Search), "has no meaning in a search, which chooses its loads itself")?;
            let arguments = SearchArguments::from_arg_matches(matches).map_err(unreadable)?;
            Ok((budget_of(arguments, parsed)?, false))
        }
    }
}

/// About how long a plan takes. The length of a closed loop by number follows from an assumed speed.
fn about_of(plan: &Plan, spec: &RunSpec) -> (Option<f64>, bool) {
    match plan.load() {
        Load::Closed(Closed { extent: Extent::Requests(requests), concurrency, warmup, .. }) => {
            let tokens = spec.output_tokens.as_ref().and_then(|tokens| tokens.text().parse().ok()).unwrap_or(TOKENS);
            let rounds = requests.div_ceil(u64::from(*concurrency)) as f64;
            (Some(warmup.as_secs_f64() + rounds * (FIRST_S + TOKEN_S * tokens)), true)
        }
        _ => (Some(plan.spans().total_s()), false),
    }
}

/// The YAML of the configuration that runs `cell`, secrets included: it goes to the process of the cell, not to a file.
pub(super) fn config_of(cell: &Cell) -> Result<String, Error> {
    let mut options = cell.options.clone();
    if !options.contains_key("label") {
        options.insert("label".to_owned(), cell.name.clone().into());
    }
    serde_saphyr::to_string(&options).map_err(|why| Error::Internal(format!("the options are no YAML: {why}")))
}
