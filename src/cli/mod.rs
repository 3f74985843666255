//! Owns the command line: one file per verb.

mod aggregate;
mod arguments;
mod batch;
mod bench_flags;
mod bench_serve;
mod calibrate;
mod chat_template;
mod classes;
mod compare;
mod completions;
mod config;
mod config_file;
mod dataset;
mod deliver;
mod display;
mod earlier;
mod elsewhere;
mod endpoint;
mod endpoints;
mod exit;
mod export;
mod help;
mod init;
mod job;
mod judgement;
mod key_command;
mod live;
mod load;
mod manifest;
mod many;
mod meet;
mod mix;
mod options;
mod plan;
mod player;
mod pool;
mod prefixes;
mod preflight;
mod progress;
mod recorded;
mod recount;
mod replay;
mod report;
mod resend;
mod run;
mod scheduler;
mod search;
mod search_account;
mod search_options;
mod secrets;
mod server_metrics;
mod sessions;
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
mod together;
mod tokenizer;
mod trace;
mod trace_arguments;
mod trust;
mod tty;
mod typed;
mod view;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::{Arguments, Verb};
use clap::FromArgMatches;
use config::{Parsed, Stop};
use exit::Exit;

use crate::engine::local_runtime;
use crate::error::Error;
use crate::report::error_text;

/// Parses the command line, runs the verb, and returns the exit code. Errors are printed on standard error.
#[must_use]
pub fn main() -> ExitCode {
    batch::follow_batch();
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
                // The message quotes the command line or a file, so it is filtered.
                terminal::say_page(&error.to_string());
                return Exit::Usage.into();
            }
            // The help text contains only our own words. A closed standard output is not an error.
            _ = error.print();
            return Exit::Done.into();
        }
    };
    done.unwrap_or_else(|error| {
        terminal::say(&format!("error: {}", error_text(&error)));
        Exit::from(&error).into()
    })
}

/// Makes a limit on the size of files (`ulimit -f`) an error of the write instead of the end of the process: a handled
/// SIGXFSZ does not kill the process.
fn outlive_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    const SIGXFSZ: i32 = 25;
    if let Ok(runtime) = local_runtime() {
        // If the signal cannot be handled, it still ends the process.
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
    if matches!(
        verb,
        Verb::Run(_)
            | Verb::Sweep(_)
            | Verb::Search(_)
            | Verb::Replay(_)
            | Verb::Batch(_)
            | Verb::Resend(_)
            | Verb::BenchServe(_)
    ) {
        signals::install()?;
    }
    match verb {
        Verb::Run(arguments) => run::run(*arguments, parsed),
        Verb::Sweep(arguments) => sweep::sweep(*arguments, parsed),
        Verb::Search(arguments) => search::search(*arguments, parsed),
        Verb::Replay(arguments) => replay::replay(*arguments, parsed),
        Verb::Batch(arguments) => batch::batch(&arguments, &Arguments::definition()),
        Verb::Aggregate(arguments) => aggregate::aggregate(&arguments),
        Verb::Plan(arguments) => plan::plan(&arguments),
        Verb::Size(arguments) => size::size_fleet(&arguments, &parsed.command),
        Verb::Trace(arguments) => trace::trace(&arguments),
        Verb::Report(arguments) => report::report(&arguments),
        Verb::Resend(arguments) => resend::resend(&arguments, Arguments::definition(), &parsed.command),
        Verb::BenchServe(arguments) => bench_serve::bench_serve(&arguments, Arguments::definition()),
        Verb::Init(arguments) => init::init(&arguments, Arguments::definition()),
        Verb::Manifest(arguments) => manifest::manifest(&arguments),
        Verb::Completions(arguments) => completions::completions(&arguments, Arguments::definition()),
        Verb::Man(arguments) => completions::man(&arguments, Arguments::definition()),
        Verb::Compare(arguments) => compare::compare(&arguments, &parsed.command),
        Verb::Calibrate(arguments) => calibrate::calibrate(&arguments),
        Verb::Simulate(arguments) => simulate::simulate(arguments),
        Verb::Help(arguments) => help::help(&arguments, Arguments::definition()),
    }
}
