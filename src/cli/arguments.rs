//! Owns the command line as typed: the verbs, their examples and their options.

use clap::{Command, CommandFactory, Parser, Subcommand};

use crate::cli::aggregate::AggregateArguments;
use crate::cli::batch::BatchArguments;
use crate::cli::bench_serve::BenchServeArguments;
use crate::cli::calibrate::CalibrateArguments;
use crate::cli::compare::CompareArguments;
use crate::cli::completions::{CompletionsArguments, ManArguments};
use crate::cli::help::HelpArguments;
use crate::cli::init::InitArguments;
use crate::cli::manifest::ManifestArguments;
use crate::cli::options::TEMPLATE;
use crate::cli::plan::PlanArguments;
use crate::cli::replay::ReplayArguments;
use crate::cli::report::ReportArguments;
use crate::cli::resend::ResendArguments;
use crate::cli::run::RunArguments;
use crate::cli::search::SearchArguments;
use crate::cli::simulate::SimulateArguments;
use crate::cli::size::SizeArguments;
use crate::cli::sweep::{SweepArguments, WARMUP_OF_A_SWEEP};
use crate::cli::table::{Playing, refused_by};
use crate::cli::trace_arguments::TraceArguments;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "tonnage",
    bin_name = "tonnage",
    version = env!("TONNAGE_VERSION"),
    about = "Open-loop traffic generator for LLM inference services: the load is planned, latency counts from the \
        planned instant.",
    before_help = "Examples:
  tonnage run                                  a first look: a simulated server
  tonnage run --target http://127.0.0.1:8000 --rate 50/s --slo 'p99 ttft<=200ms'
  tonnage sweep --target http://127.0.0.1:8000 where it saturates
  tonnage search --slo 'p99 ttft<=200ms'       the highest rate that meets it
  tonnage size results/sweep --demand 50/s     how many replicas that takes
  tonnage replay trace.csv --time-scale 10     a trace, ten times as fast
  tonnage plan --rate 50/s --process gamma:2   what would be sent
  tonnage batch nightly.yaml                   models × lengths × loads
  tonnage compare before after                 differences, with intervals
  tonnage simulate --listen 127.0.0.1:8000     serve the simulated server
  tonnage calibrate                            how accurate the tool is here
  tonnage help metrics                         what every number means
",
    help_template = TEMPLATE,
    max_term_width = 80,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

impl Arguments {
    /// The definition of the command line. `replay`, `search` and `sweep` take the options of `run`. The options that
    /// such a verb sets itself are defined but hidden, so that they can be refused with a reason.
    pub(super) fn definition() -> Command {
        let without = |verb: Command, options: &[(&str, &str)]| {
            options
                .iter()
                .fold(verb, |verb, (key, _)| verb.mut_arg(key.replace('-', "_"), |argument| argument.hide(true)))
        };
        let command = Self::command()
            .mut_subcommand("replay", |replay| without(replay, &refused_by(Playing::Replay)))
            .mut_subcommand("search", |search| without(search, &refused_by(Playing::Search)));
        command.mut_subcommand("sweep", |sweep| {
            without(sweep, &refused_by(Playing::Sweep))
                .mut_arg("warmup", |warmup| warmup.help(WARMUP_OF_A_SWEEP).hide_default_value(true))
                .mut_arg("duration", |duration| {
                    duration.help("Length of the measured window of each load [default: 20s]")
                })
        })
    }
}

/// What tonnage can do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Run(Box<RunArguments>),
    Sweep(Box<SweepArguments>),
    Search(Box<SearchArguments>),
    Size(Box<SizeArguments>),
    Replay(Box<ReplayArguments>),
    Batch(BatchArguments),
    Plan(Box<PlanArguments>),
    Trace(TraceArguments),
    Report(ReportArguments),
    Aggregate(AggregateArguments),
    Compare(CompareArguments),
    Resend(ResendArguments),
    BenchServe(BenchServeArguments),
    Simulate(SimulateArguments),
    Calibrate(CalibrateArguments),
    Init(InitArguments),
    Manifest(ManifestArguments),
    Completions(CompletionsArguments),
    Man(ManArguments),
    Help(HelpArguments),
}
