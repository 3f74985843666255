//! Owns the command line: one file per verb.

mod arguments;
mod calibrate;
mod config;
mod deliver;
mod elsewhere;
mod exit;
mod help;
mod job;
mod live;
mod load;
mod many;
mod options;
mod plan;
mod player;
mod progress;
mod recorded;
mod recount;
mod replay;
mod report;
mod run;
mod search;
mod search_account;
mod search_options;
mod secrets;
mod shard;
mod signals;
mod simulate;
mod size;
mod size_check;
mod size_found;
mod size_options;
mod sweep;
mod table;
mod terminal;
mod tokenizer;
mod trace;
mod trace_arguments;
mod trust;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::{Arguments, Verb};
use clap::FromArgMatches;
use config::{Parsed, Stop};
use exit::Exit;

use crate::engine::local_runtime;
use crate::error::Error;
use crate::report::error_text;

/// Parses, runs, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    outlive_size_limit();
    let parsed = config::parse(&line, Arguments::definition()).and_then(|(matches, parsed)| {
        let arguments = Arguments::from_arg_matches(&matches)?;
        Ok((arguments.verb, parsed))
    });
    let done = match parsed {
        Ok((verb, parsed)) => dispatch(verb, parsed),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Clap(error)) => {
            if let Some(advice) = elsewhere::advice(&error, &Arguments::definition()) {
                terminal::say(&format!("error: {advice}"));
                return Exit::Usage.into();
            }
            if error.use_stderr() {
                // It quotes what was typed, or what stands in a file.
                terminal::say_page(&error.to_string());
                return Exit::Usage.into();
            }
            // Help, every word of it ours; a reader that has gone is no error.
            _ = error.print();
            return Exit::Done.into();
        }
    };
    done.unwrap_or_else(|error| {
        terminal::say(&format!("error: {}", error_text(&error)));
        Exit::from(&error).into()
    })
}

/// Lets a limit on the size of files (`ulimit -f`) be an error of the write, and not the end of the process: once
/// heard, SIGXFSZ kills no more.
fn outlive_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    const SIGXFSZ: i32 = 25;
    if let Ok(runtime) = local_runtime() {
        // Where it cannot be heard, the process ends as it did before.
        _ = runtime.block_on(async { signal(SignalKind::from_raw(SIGXFSZ)).map(drop) });
    }
}

fn dispatch(verb: Verb, parsed: Parsed) -> Result<ExitCode, Error> {
    if !parsed.unused.is_empty() {
        terminal::say(&format!("not used by this verb: {}", parsed.unused.join(", ")));
    }
    for phrase in &parsed.displaced {
        terminal::say(phrase);
    }
    if matches!(verb, Verb::Run(_) | Verb::Sweep(_) | Verb::Search(_) | Verb::Replay(_)) {
        signals::install()?;
    }
    match verb {
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
        Verb::Help(arguments) => help::help(&arguments, Arguments::definition()),
    }
}
