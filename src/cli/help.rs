//! Owns verb `help`: definitions from the catalogue, and the options of a verb.

use std::process::ExitCode;

use clap::Args;

use crate::cli::exit::Exit;
use crate::cli::options::TEMPLATE;
use crate::cli::terminal::print;
use crate::error::Error;
use crate::metrics::help_metrics;
use crate::report::{help_datasets, help_endpoints, help_mix, help_prefixes, help_profiles, help_sessions, help_slo};
use crate::sim::help_sim;

/// Definitions, printed from the catalogue
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage help metrics    what every number means
  tonnage help slo        how objectives are written and decided
  tonnage help endpoints  what each endpoint sends and measures
  tonnage help profiles   how a rate over time is written
  tonnage help datasets   where requests come from; other tools' data sets
  tonnage help prefixes   what prompts can share, for prefix caches
  tonnage help mix        how classes of requests are written
  tonnage help sessions   what conversations are, and their rate
  tonnage help sim        what the simulated servers are
  tonnage help run        the options of a verb
",
    help_template = TEMPLATE
)]
pub(super) struct HelpArguments {
    /// metrics, slo, endpoints, profiles, datasets, prefixes, mix, sessions, sim, or a verb
    #[arg(value_name = "TOPIC")]
    pub(super) topic: Option<String>,
}
/// Prints a topic; without a topic, the help of the whole command line.
pub(super) fn help(arguments: &HelpArguments, mut command: clap::Command) -> Result<ExitCode, Error> {
    command.build();
    let text = match arguments.topic.as_deref() {
        None => command.render_help().to_string(),
        Some("metrics") => help_metrics(),
        Some("slo") => help_slo(),
        Some("endpoints") => help_endpoints(),
        Some("profiles") => help_profiles(),
        Some("datasets") => help_datasets(),
        Some("prefixes") => help_prefixes(),
        Some("mix") => help_mix(),
        Some("sessions") => help_sessions(),
        Some("sim") => {
            let where_given = "--sim PROFILE, in `tonnage simulate` and, without --target, in `tonnage run`:";
            format!("{where_given}\n\n{}", help_sim())
        }
        Some(verb) => {
            let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            let accepted = format!(
                "accepted is metrics, slo, endpoints, profiles, datasets, prefixes, mix, sessions, sim, or a verb: {}",
                verbs.join(", ")
            );
            let found = command.find_subcommand_mut(verb);
            found
                .ok_or_else(|| Error::usage("help", format!("`{verb}` is not a topic"), accepted))?
                .render_help()
                .to_string()
        }
    };
    print(&text)?;
    Ok(Exit::Done.into())
}
