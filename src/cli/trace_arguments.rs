//! Owns the command line of the verbs under `trace`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::options::{ReadingOptions, TEMPLATE, whole, within};
use crate::trace::{Format, OnEmpty};

/// Inspect a recorded trace, write it in another format, or fit laws to it
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage trace inspect trace.csv   rows, rate, peaks, anomalies
  tonnage trace convert trace.csv --to mooncake -o trace.jsonl
  tonnage trace fit trace.csv       laws that `run` and `plan` use instead of it
",
    help_template = TEMPLATE,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(super) struct TraceArguments {
    #[command(subcommand)]
    pub(super) verb: TraceVerb,
}

/// What can be done with a trace.
#[derive(Debug, Subcommand)]
pub(super) enum TraceVerb {
    Inspect(InspectArguments),
    Convert(ConvertArguments),
    Fit(FitArguments),
    Sample(SampleArguments),
}

/// Rows, span, rate, peaks, variation, token quantiles, and anomalies
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage trace inspect trace.csv
  tonnage trace inspect conversation.jsonl --json
",
    help_template = TEMPLATE
)]
pub(super) struct InspectArguments {
    /// The trace, in any format of --format
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) reading: ReadingOptions,
    /// What to do with rows that have 0 input or output tokens: skip, min1 or fail [default: leave them as they are]
    #[arg(long, value_name = "POLICY")]
    pub(super) on_empty: Option<OnEmpty>,
    /// Print the figures as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(super) json: bool,
}

/// Write a trace in another format, and say what that format cannot hold
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage trace convert trace.csv --to mooncake -o trace.jsonl
  tonnage trace convert log.jsonl --columns time=ts,input=in,output=out --time-unit s --to azure -o trace.csv.gz
",
    help_template = TEMPLATE
)]
pub(super) struct ConvertArguments {
    /// The trace, in any format of --format
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) reading: ReadingOptions,
    /// Format to write: any of --format
    #[arg(long, value_name = "FORMAT")]
    pub(super) to: Format,
    /// File to write; compressed (gzip) where its name ends in .gz
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(super) out: PathBuf,
}

/// Fit laws to a trace: rate over time, arrivals, lengths, each with its error
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage trace fit trace.csv
  tonnage trace fit trace.csv --out fit    and: tonnage run -c fit/fit.yaml
",
    help_template = TEMPLATE
)]
pub(super) struct FitArguments {
    /// The trace, in any format of --format
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) reading: ReadingOptions,
    /// Folder to write: fit.yaml for `run -c` and `plan -c`, profile.csv (the rate over time, for --profile),
    /// input.txt and output.txt (the lengths)
    #[arg(short = 'o', long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Replace files of these names that --out holds
    #[arg(long, requires = "out")]
    pub(super) force: bool,
    /// Print the figures as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(super) json: bool,
}

/// Write a small made-up trace: conversations with growing contexts and shared prefixes, to see what a format looks
/// like
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage trace sample --to mooncake -o sample.jsonl
",
    help_template = TEMPLATE
)]
pub(super) struct SampleArguments {
    /// Format to write: azure, burstgpt, mooncake, bailian, ragpulse, weka, aibrix, vidur, otel, litellm, bodies,
    /// csv or jsonl
    #[arg(long, value_name = "FORMAT")]
    pub(super) to: Format,
    /// File to write; compressed (gzip) where its name ends in .gz
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// Number of requests
    #[arg(long, value_name = "N", default_value = "40", value_parser = within::<u32>(1..=1_000_000))]
    pub(super) requests: u32,
    /// Seed of its random draws
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole, allow_hyphen_values = true)]
    pub(super) seed: u64,
}
