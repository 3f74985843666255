//! Owns the command line: one file per verb.

mod arguments;
mod calibrate;
mod config;
mod exit;
mod help;
mod host;
mod job;
mod load;
mod many;
mod merge;
mod options;
mod output;
mod plan;
mod player;
mod progress;
mod recount;
mod replay;
mod report;
mod run;
mod search;
mod search_options;
mod shard;
mod signals;
mod simulate;
mod size;
mod size_check;
mod size_found;
mod sweep;
mod target;
mod terminal;
mod tokenizer;
mod trace;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::{Arguments, Verb};
use config::{Parsed, Stop};
use exit::Exit;

use crate::error::Error;

/// Parses, runs, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    let done = match config::parse(&line) {
        Ok(parsed) => dispatch(parsed),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Clap(error)) => {
            // Help goes to standard output, a refusal to standard error; a reader that has gone is no error.
            _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    done.unwrap_or_else(|error| {
        terminal::say(&format!("error: {error}"));
        Exit::from(&error).into()
    })
}

fn dispatch(mut parsed: Parsed) -> Result<ExitCode, Error> {
    if !parsed.unused.is_empty() {
        terminal::say(&format!("not used by this verb: {}", parsed.unused.join(", ")));
    }
    for phrase in &parsed.displaced {
        terminal::say(phrase);
    }
    if matches!(parsed.arguments.verb, Verb::Run(_) | Verb::Sweep(_) | Verb::Search(_) | Verb::Replay(_)) {
        signals::install()?;
    }
    let help = Arguments { verb: Verb::Help(arguments::HelpArguments { topic: None }) };
    match std::mem::replace(&mut parsed.arguments, help).verb {
        Verb::Run(arguments) => run::run(*arguments, parsed),
        Verb::Sweep(arguments) => sweep::sweep(*arguments, parsed),
        Verb::Search(arguments) => search::search(*arguments, parsed),
        Verb::Replay(arguments) => replay::replay(*arguments, parsed),
        Verb::Plan(arguments) => plan::plan(&arguments),
        Verb::Size(arguments) => size::size_fleet(&arguments, &parsed.command),
        Verb::Trace(arguments) => trace::trace(&arguments),
        Verb::Report(arguments) => report::report(&arguments),
        Verb::Calibrate(arguments) => calibrate::calibrate(&arguments),
        Verb::Simulate(arguments) => simulate::simulate(arguments),
        Verb::Help(arguments) => help::help(&arguments),
    }
}
