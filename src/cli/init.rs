//! Owns verb `init`: writes a configuration with every option of `run`, explained and commented out, made from the
//! definition of the command line.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Args, Command};

use crate::cli::exit::Exit;
use crate::cli::options::TEMPLATE;
use crate::cli::table::row_of;
use crate::cli::terminal::say;
use crate::error::Error;
use crate::results::create;
use crate::units::wrapped;

/// Most columns of a comment.
const WIDTH: usize = 78;

/// What stands at the beginning: the options in force.
const BEGIN: &str = "\
# A load for `tonnage run -c FILE`. Every option of `run` is a key; those with
# a # are off. An option on the command line overrides the file. Without a
# target, the load goes to the embedded simulated server.

# target: http://127.0.0.1:8000
rate: 10/s
duration: 30s
input-tokens: 128
output-tokens: 64
slo:
  - p90 ttft<=500ms
  - p90 tpot<=100ms
";

/// The keys in [`BEGIN`].
const SHOWN: [&str; 6] = ["target", "rate", "duration", "input-tokens", "output-tokens", "slo"];

/// A commented configuration to start from
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage init                 writes tonnage.yaml
  tonnage run -c tonnage.yaml  sends what it says
",
    help_template = TEMPLATE
)]
pub(super) struct InitArguments {
    /// The file to write
    #[arg(value_name = "FILE.yaml", default_value = "tonnage.yaml")]
    file: PathBuf,
}

/// Writes the configuration. A file that exists is left as it is.
pub(super) fn init(arguments: &InitArguments, mut command: Command) -> Result<ExitCode, Error> {
    command.build();
    let text = command.find_subcommand("run").map(commented).unwrap_or_default();
    let path = &arguments.file;
    create(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|why| match why.kind() {
        ErrorKind::AlreadyExists => Error::output(path, "exists, and is left as it is; name another file"),
        _ => Error::output(path, why.to_string()),
    })?;
    say(&format!("wrote {0}; send it with `tonnage run -c {0}`", path.display()));
    Ok(Exit::Done.into())
}

/// The configuration of `run`.
fn commented(run: &Command) -> String {
    let mut text = BEGIN.to_owned();
    let mut heading = "";
    let is_kept = |argument: &&Arg| {
        let key = argument.get_long().unwrap_or_default();
        !key.is_empty() && !argument.is_hide_set() && row_of(key).kept && !SHOWN.contains(&key)
    };
    for argument in run.get_arguments().filter(is_kept) {
        let own = argument.get_help_heading().unwrap_or("Options");
        if own != heading {
            heading = own;
            // Writing to a string cannot fail.
            _ = write!(text, "\n# --- {heading} ---\n");
        }
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        for line in wrapped(&help, WIDTH, 0).lines() {
            _ = writeln!(text, "# {line}");
        }
        _ = writeln!(text, "# {}: {}\n", argument.get_long().unwrap_or_default(), value_of(argument));
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// The value that stands behind the key: the default, else what the option takes.
fn value_of(argument: &Arg) -> String {
    if matches!(argument.get_action(), ArgAction::SetTrue) {
        return "true".to_owned();
    }
    let default = argument.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
    default.unwrap_or_else(|| {
        argument.get_value_names().and_then(|names| names.first()).map_or_else(String::new, ToString::to_string)
    })
}
