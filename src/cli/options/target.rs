//! Owns the options of the target.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::client::Endpoint;
use crate::sim::ServiceProfile;
use crate::units::parse_duration;
use crate::workload::Cancel;

/// The target, and how to connect to it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
#[expect(clippy::doc_markdown, reason = "the help shows a target as it is typed")]
pub(in crate::cli) struct TargetOptions {
    /// Base URL, with or without /v1, or the full URL of an endpoint; unix:/path, or unix:/path:/v1, is a socket of
    /// this machine; several are used in turn [default: the embedded simulated server]
    #[arg(long, value_name = "URL[,URL…]", value_delimiter = ',')]
    pub(in crate::cli) target: Vec<String>,
    /// Behaviour of the embedded simulated server: small, 8b-h100, 70b-4xh100:max_seqs=64, delay:ttft=20ms,itl=5ms,
    /// mmc:servers=4,service=100ms (`tonnage help sim` lists all) [default: small]
    #[arg(long, value_name = "PROFILE")]
    pub(in crate::cli) sim: Option<ServiceProfile>,
    /// Send all turns of a session to one of several targets
    #[arg(long)]
    pub(in crate::cli) sticky: bool,
    /// Header that carries the id of the session, the same for all its turns: X-Session-ID [default: none]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) session_header: Option<String>,
    /// Model to request; several are used in turn [default: the first of /v1/models]
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',')]
    pub(in crate::cli) model: Vec<String>,
    /// API to ask, such as completions, messages, embeddings or raw (`tonnage help endpoints` lists all)
    #[arg(long, value_name = "KIND", default_value_t = Endpoint::default())]
    pub(in crate::cli) endpoint: Endpoint,
    /// For --endpoint raw: YAML file with the body of a request and the places of an answer's parts
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) raw: Option<PathBuf>,
    /// API key, sent as a bearer token (for messages in x-api-key); never stored
    #[arg(long, value_name = "KEY", env = "OPENAI_API_KEY", hide_env_values = true)]
    pub(in crate::cli) api_key: Option<String>,
    /// File that holds the key, alone on one line
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) api_key_file: Option<PathBuf>,
    /// Shell command that prints the key; it runs before the load, every --api-key-age, and after a 401
    #[arg(long, value_name = "COMMAND")]
    pub(in crate::cli) api_key_command: Option<String>,
    /// Age at which --api-key-command renews the key
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) api_key_age: Duration,
    /// Header that carries the key: authorization (as a bearer token), api-key, x-api-key or another name [default:
    /// authorization; for messages x-api-key]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) auth_header: Option<String>,
    /// Additional header (repeatable); its value is never stored if its name is that of a credential (key, token,
    /// secret, auth, cookie, …)
    #[arg(long, value_name = "'K: V'")]
    pub(in crate::cli) header: Vec<String>,
    /// Additional header whose value is never stored, whatever its name (repeatable); or the name of a header given by
    /// --header
    #[arg(long, value_name = "'K: V'|K")]
    pub(in crate::cli) secret_header: Vec<String>,
    /// Additional keys of the request body, as a JSON object; null leaves a key out
    #[arg(long, value_name = "JSON")]
    pub(in crate::cli) extra_body: Option<String>,
    /// Ask for whole answers instead of streams (TTFT, TPOT and other times inside an answer are then undefined)
    #[arg(long)]
    pub(in crate::cli) no_stream: bool,
    /// Longest time from the send to the end of the answer; a request that takes longer counts as timed out
    #[arg(long, value_name = "TIME", default_value = "600s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) timeout: Duration,
    /// Cancel a share of the requests some time after their send unless they have ended, as users do who leave:
    /// 2%:1s, 2%:500ms..3s or 10%:exp:5s. They are load; latencies and objectives leave them out
    #[arg(long, value_name = "SHARE:TIME", allow_hyphen_values = true)]
    pub(in crate::cli) cancel: Option<Cancel>,
    /// Longest time to open a connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) connect_timeout: Duration,
    /// Longest time that a connection stays idle before it is dropped
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) idle_timeout: Duration,
    /// Open a new connection for each request
    #[arg(long)]
    pub(in crate::cli) no_reuse: bool,
    /// Ask for HTTP/2 alone, over http without asking first. Many requests share a connection, each in a stream of its
    /// own; when every connection has as many streams as the server allows, a further one is opened [default: over
    /// https HTTP/2 if the server offers it, over http HTTP/1.1]
    #[arg(long)]
    pub(in crate::cli) http2: bool,
    /// Ask for HTTP/1.1 alone
    #[arg(long)]
    pub(in crate::cli) http1: bool,
    /// Certificate authorities to trust for https, in PEM, in addition to those of this machine
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ca_cert: Option<PathBuf>,
    /// Certificate chain, in PEM, to show to a server that asks for one (mutual TLS)
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) client_cert: Option<PathBuf>,
    /// Private key of --client-cert, in PEM; it is never stored
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) client_key: Option<PathBuf>,
    /// Accept any certificate for https; the result records this
    #[arg(long)]
    pub(in crate::cli) insecure: bool,
    /// Send the load without trying the target first. Otherwise one small request with the options of the run is sent
    /// before the load: if it fails, the load is not sent; it is in no figure and no record
    #[arg(long)]
    pub(in crate::cli) no_preflight: bool,
    /// Empty the prefix cache of each target before the load (POST /reset_prefix_cache of vLLM, /flush_cache of
    /// SGLang); a server that has neither is said, and the load is sent all the same
    #[arg(long)]
    pub(in crate::cli) reset_cache: bool,
    /// Print one prompt and its answer: those of the small request before the load
    #[arg(long)]
    pub(in crate::cli) show_sample: bool,
    /// Wait this long for the target to become ready: until it answers a small request
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) wait_ready: Duration,
}
