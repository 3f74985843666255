//! Owns verb `help`: definitions from the catalogue, and the options of a verb.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::arguments::{Arguments, HelpArguments};
use crate::cli::exit::Exit;
use crate::cli::terminal::print;
use crate::error::Error;
use crate::metrics::{help_metrics, help_slo};

/// Prints a topic; without one, the whole command line's help.
pub(super) fn help(arguments: &HelpArguments) -> Result<ExitCode, Error> {
    let mut command = Arguments::command();
    command.build();
    let text = match arguments.topic.as_deref() {
        None => command.render_help().to_string(),
        Some("metrics") => help_metrics(),
        Some("slo") => help_slo(),
        Some(verb) => match command.find_subcommand_mut(verb) {
            Some(verb) => verb.render_help().to_string(),
            None => {
                let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
                let accepted = format!("accepted is metrics, slo, or a verb: {}", verbs.join(", "));
                return Err(Error::usage("help", format!("`{verb}` is no topic"), accepted));
            }
        },
    };
    print(&text)?;
    Ok(Exit::Done.into())
}
