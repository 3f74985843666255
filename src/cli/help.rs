//! Owns verb `help`: definitions from the catalogue, and the options of a verb.

use std::process::ExitCode;

use crate::cli::arguments::{Arguments, HelpArguments};
use crate::cli::exit::Exit;
use crate::cli::terminal::print;
use crate::error::Error;
use crate::metrics::help_metrics;
use crate::report::help_slo;
use crate::schedule::help_profiles;
use crate::sim::help_sim;

/// Prints a topic; without one, the whole command line's help.
pub(super) fn help(arguments: &HelpArguments) -> Result<ExitCode, Error> {
    let mut command = Arguments::definition();
    command.build();
    let text = match arguments.topic.as_deref() {
        None => command.render_help().to_string(),
        Some("metrics") => help_metrics(),
        Some("slo") => help_slo(),
        Some("profiles") => help_profiles(),
        Some("sim") => help_sim(),
        Some(verb) => {
            let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            let accepted = format!("accepted is metrics, slo, profiles, sim, or a verb: {}", verbs.join(", "));
            let found = command.find_subcommand_mut(verb);
            found
                .ok_or_else(|| Error::usage("help", format!("`{verb}` is no topic"), accepted))?
                .render_help()
                .to_string()
        }
    };
    print(&text)?;
    Ok(Exit::Done.into())
}
