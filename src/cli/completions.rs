//! Owns the verbs `completions` and `man`: what a shell and a manual need, made from the command line's definition.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::exit::Exit;
use crate::cli::options::TEMPLATE;
use crate::cli::terminal::print;
use crate::error::Error;
use crate::results::{create_out, not_written};

/// Completions for a shell
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage completions bash > ~/.local/share/bash-completion/completions/tonnage
  tonnage completions zsh > ~/.zfunc/_tonnage
  tonnage completions fish > ~/.config/fish/completions/tonnage.fish
",
    help_template = TEMPLATE
)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// The manual, in the format of man
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage man | man -l -
  tonnage man --out /usr/local/share/man/man1  a page for each verb
",
    help_template = TEMPLATE
)]
pub(super) struct ManArguments {
    /// Folder to write tonnage.1 and a page for each verb into; without it, the page of tonnage is printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the completions of `command`.
pub(super) fn completions(arguments: &CompletionsArguments, mut command: Command) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "tonnage", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done.into())
}

/// Prints or writes the manual of `command`.
pub(super) fn man(arguments: &ManArguments, mut command: Command) -> Result<ExitCode, Error> {
    command.build();
    let Some(folder) = &arguments.out else {
        print(&page_of(command)?)?;
        return Ok(Exit::Done.into());
    };
    create_out(folder)?;
    for verb in std::iter::once(&command).chain(command.get_subcommands()) {
        let path = folder.join(format!("{}.1", verb.get_display_name().unwrap_or(verb.get_name())));
        // A manual is for everyone, unlike a result.
        fs::write(&path, page_of(verb.clone())?).map_err(|why| not_written(&path, &why, "out"))?;
    }
    Ok(Exit::Done.into())
}

/// The page of one verb, or of tonnage.
fn page_of(command: Command) -> Result<String, Error> {
    let mut page = Vec::new();
    Man::new(command)
        .render(&mut page)
        .map_err(|why| Error::Internal(format!("the manual could not be made: {why}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
