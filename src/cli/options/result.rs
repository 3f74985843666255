//! Owns the options of judgement and of output.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, printed as they stand")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::units::Ratio;

/// The objectives.
#[derive(Debug, Args)]
#[command(next_help_heading = "Judgement")]
pub(in crate::cli) struct JudgementOptions {
    /// Objective (repeatable): 'p99 ttft<=200ms', 'tpot<=50ms', 'error_rate<=0.1%', 'goodput>=5/s'; see `tonnage help
    /// slo`
    #[arg(long, value_name = "OBJECTIVE")]
    pub(in crate::cli) slo: Vec<String>,
    /// Share of requests that must be good when objectives without a statistic are given [default: 99%]
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    pub(in crate::cli) attainment: Option<Ratio>,
    /// Objectives in vLLM's and AIPerf's spelling, milliseconds: 'ttft:200 tpot:50'
    #[arg(long, value_name = "LIST")]
    pub(in crate::cli) goodput: Option<String>,
}

/// Where the result goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct OutputOptions {
    /// Result folder [default: results/<model>/<time>-<verb>]
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Replace the result that --out holds; files that are not part of a result are never touched
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// What to keep of each request: everything, everything but its event gaps, or nothing
    #[arg(long, value_enum, value_name = "DETAIL", default_value_t = RecordsDetail::Jsonl)]
    pub(in crate::cli) records: RecordsDetail,
    /// Print the result as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// No progress and no tables; errors only
    #[arg(long)]
    pub(in crate::cli) quiet: bool,
    /// Read the server's metrics once a second while the load runs (vLLM, SGLang, TGI, llama.cpp, Triton, DCGM):
    /// running and waiting requests, KV cache, preemptions, prefix hits, GPU use, power, joules per output token.
    /// Without a URL: /metrics of each target; several are separated by commas. A page that cannot be read is said, and
    /// the load is sent all the same
    #[arg(long, value_name = "URL", value_delimiter = ',', num_args = 0..=1, default_missing_value = "auto")]
    pub(in crate::cli) server_metrics: Vec<String>,
    /// Read processors, memory and GPUs (nvidia-smi) of this host once a second while the load runs
    #[arg(long)]
    pub(in crate::cli) host_metrics: bool,
    /// A name for this result
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) label: Option<String>,
    /// A key and a value to store with the result (repeatable). gpus=8 has a meaning: pages then show throughput per
    /// GPU
    #[arg(long, value_name = "K=V")]
    pub(in crate::cli) metadata: Vec<String>,
}

/// How much of each record is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RecordsDetail {
    Jsonl,
    Compact,
    Off,
}

/// The configuration file.
#[derive(Debug, Args)]
pub(in crate::cli) struct ConfigOption {
    /// YAML file of options: every option is a key; flags override the file
    #[arg(short = 'c', long, value_name = "FILE.yaml", help_heading = "Output")]
    pub(in crate::cli) config: Option<PathBuf>,
}
