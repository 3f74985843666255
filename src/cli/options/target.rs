//! Owns the options that say whom to ask.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::client::Endpoint;
use crate::sim::Profile;
use crate::units::parse_duration;

/// Whom to ask.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
pub(in crate::cli) struct TargetOptions {
    /// Base URL, with or without /v1; several are used in turn [default: the embedded simulated server]
    #[arg(long, value_name = "URL[,URL…]", value_delimiter = ',')]
    pub(in crate::cli) target: Vec<String>,
    /// What the embedded simulated server behaves like: small, 8b-h100, 70b-4xh100:max_seqs=64,
    /// delay:ttft=20ms,itl=5ms, mmc:servers=4,service=100ms (`tonnage help sim` lists all) [default: small]
    #[arg(long, value_name = "PROFILE")]
    pub(in crate::cli) sim: Option<Profile>,
    /// Model to ask for; several are used in turn [default: the first of /v1/models]
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',')]
    pub(in crate::cli) model: Vec<String>,
    /// Endpoint to ask: chat (/v1/chat/completions) or completions (/v1/completions: a bare prompt, no chat template)
    #[arg(long, value_name = "KIND", default_value_t = Endpoint::default())]
    pub(in crate::cli) endpoint: Endpoint,
    /// Sent as a bearer token; never stored
    #[arg(long, value_name = "KEY", env = "OPENAI_API_KEY", hide_env_values = true)]
    pub(in crate::cli) api_key: Option<String>,
    /// File that holds the key, alone on one line
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) api_key_file: Option<PathBuf>,
    /// Further header (repeatable); a value under a name of a credential (key, token, secret, auth, cookie, …) is
    /// never stored
    #[arg(long, value_name = "'K: V'")]
    pub(in crate::cli) header: Vec<String>,
    /// The same, its value never stored whatever its name (repeatable); or the name of one of --header
    #[arg(long, value_name = "'K: V'|K")]
    pub(in crate::cli) secret_header: Vec<String>,
    /// Further keys of the request body, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub(in crate::cli) extra_body: Option<String>,
    /// Ask for whole answers instead of streams (TTFT and what follows from it are then undefined)
    #[arg(long)]
    pub(in crate::cli) no_stream: bool,
    /// From the send to giving up: a user's patience
    #[arg(long, value_name = "TIME", default_value = "600s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) timeout: Duration,
    /// The same for opening a connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) connect_timeout: Duration,
    /// Certificate authorities to trust for https, in PEM, beside those of this machine
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ca_cert: Option<PathBuf>,
    /// Take any certificate for https; the result says so
    #[arg(long)]
    pub(in crate::cli) insecure: bool,
    /// Wait this long for the target to become ready
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) wait_ready: Duration,
}
