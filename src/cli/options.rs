//! Owns the options that verbs share, in groups, each with its help text. What they mean together is `job`'s business.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, printed as they stand")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::schedule::{Process, Quota};
use crate::sim::Profile;
use crate::units::{Rate, Ratio, parse_duration};

/// Whom to ask.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
pub(super) struct TargetOptions {
    /// Base URL, with or without /v1; several are used in turn [default: the embedded simulated server]
    #[arg(long, value_name = "URL[,URL…]", value_delimiter = ',')]
    pub(super) target: Vec<String>,
    /// What the embedded simulated server behaves like: small, delay:ttft=20ms,itl=5ms, mmc:servers=4,service=100ms,
    /// mdc:servers=2,service=50ms [default: small]
    #[arg(long, value_name = "PROFILE")]
    pub(super) sim: Option<Profile>,
    /// Model to ask for; several are used in turn [default: the first of /v1/models]
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',')]
    pub(super) model: Vec<String>,
    /// Sent as a bearer token; never stored
    #[arg(long, value_name = "KEY", env = "OPENAI_API_KEY", hide_env_values = true)]
    pub(super) api_key: Option<String>,
    /// Further header (repeatable)
    #[arg(long, value_name = "'K: V'")]
    pub(super) header: Vec<String>,
    /// Further keys of the request body, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub(super) extra_body: Option<String>,
    /// Ask for whole answers instead of streams (TTFT and what follows from it are then undefined)
    #[arg(long)]
    pub(super) no_stream: bool,
    /// From the send to giving up: a user's patience
    #[arg(long, value_name = "TIME", default_value = "600s", value_parser = parse_duration)]
    pub(super) timeout: Duration,
    /// The same for opening a connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub(super) connect_timeout: Duration,
    /// Wait this long for the target to become ready
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    pub(super) wait_ready: Duration,
}

/// What is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Workload")]
pub(super) struct WorkloadOptions {
    /// Input tokens: 512, 128..1024, normal:512,64, lognormal:512,1.2 or file:PATH
    #[arg(long, value_name = "SPEC", default_value = "128")]
    pub(super) input_tokens: String,
    /// Output tokens, the same way
    #[arg(long, value_name = "SPEC", default_value = "64")]
    pub(super) output_tokens: String,
}

/// How the request is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Workload")]
pub(super) struct WireOptions {
    /// Send ignore_eos (vLLM, SGLang), so that answers have the length asked for
    #[arg(long)]
    pub(super) ignore_eos: bool,
    /// Send min_tokens equal to the length asked for (vLLM)
    #[arg(long)]
    pub(super) min_tokens: bool,
    /// Body field that asks for the output length
    #[arg(long, value_enum, value_name = "FIELD", default_value_t = OutputField::MaxCompletionTokens)]
    pub(super) output_field: OutputField,
    /// tokenizer.json of the model, or a folder that holds one: prompts have exactly the length asked for, answers are counted after
    /// the run, and both stand beside what the server counts [default: words]
    #[arg(long, value_name = "PATH")]
    pub(super) tokenizer: Option<PathBuf>,
    /// What makes prompts differ from those of other runs: random, off or a text
    #[arg(long, value_name = "TEXT", default_value = "random")]
    pub(super) salt: String,
}

/// The body field that asks for the output length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum OutputField {
    // What OpenAI, vLLM and SGLang read today.
    MaxCompletionTokens,
    // For older servers.
    MaxTokens,
}

/// When requests leave.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(super) struct ScheduleOptions {
    /// Requests per second, minute or hour: 50/s, 90/min [default: 10/s]
    #[arg(long, value_name = "RATE")]
    pub(super) rate: Option<Rate>,
    /// How arrivals are spread: even, poisson or gamma:CV [default: poisson]
    #[arg(long, value_name = "LAW")]
    pub(super) process: Option<Process>,
    /// Length of the measured window [default: 20s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) duration: Option<Duration>,
    /// Requests in the measured window, instead of its length
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) requests: Option<u64>,
    /// The same load before the measured window
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    pub(super) warmup: Duration,
    /// The same load after the measured window
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration)]
    pub(super) cooldown: Duration,
    /// Seed of every random draw: the same seed is the same plan on every machine
    #[arg(long, value_name = "N", default_value = "1")]
    pub(super) seed: u64,
    /// A provider's limit (500/min): requests over it are taken out of the plan beforehand, and counted
    #[arg(long, value_name = "LIMIT")]
    pub(super) quota: Option<Quota>,
}

/// How the load is played.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(super) struct PlayOptions {
    /// Closed loop instead of a rate: synchronous, concurrent:N or throughput (a reference, no measurement of an open load)
    #[arg(long, value_name = "LOOP")]
    pub(super) load: Option<String>,
    /// How long requests are followed after the load; extended to what the objectives need
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    pub(super) drain: Duration,
    /// Shed, and count, what would put more than N requests in flight
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_in_flight: Option<u64>,
    /// Sending threads [default: one for each core; one fewer with the embedded server]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) workers: Option<u16>,
}

/// What is good enough.
#[derive(Debug, Args)]
#[command(next_help_heading = "Judgement")]
pub(super) struct JudgementOptions {
    /// Objective (repeatable): 'p99 ttft<=200ms', 'tpot<=50ms', 'error_rate<=0.1%', 'goodput>=5/s'; see `tonnage help slo`
    #[arg(long, value_name = "OBJECTIVE")]
    pub(super) slo: Vec<String>,
    /// Share of requests that must be good when objectives without a statistic are given [default: 99%]
    #[arg(long, value_name = "SHARE")]
    pub(super) attainment: Option<Ratio>,
    /// Objectives in vLLM's and AIPerf's spelling, milliseconds: 'ttft:200 tpot:50'
    #[arg(long, value_name = "LIST")]
    pub(super) goodput: Option<String>,
}

/// Where the result goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputOptions {
    /// Result folder [default: results/<model>/<time>-run]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// What is kept of each request: everything, all but its event gaps, or nothing
    #[arg(long, value_enum, value_name = "DETAIL", default_value_t = RecordsDetail::Jsonl)]
    pub(super) records: RecordsDetail,
    /// Print the result as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(super) json: bool,
    /// No progress and no tables; errors only
    #[arg(long)]
    pub(super) quiet: bool,
    /// A name for this result
    #[arg(long, value_name = "TEXT")]
    pub(super) label: Option<String>,
    /// A fact to keep with the result (repeatable)
    #[arg(long, value_name = "K=V")]
    pub(super) metadata: Vec<String>,
}

/// How much of each record is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RecordsDetail {
    Jsonl,
    Compact,
    Off,
}
