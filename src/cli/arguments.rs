//! Owns the command line as typed: the verbs, their examples and their options.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, Parser, Subcommand};

use crate::cli::options::{
    JudgementOptions, OutputOptions, PlayOptions, ReadingOptions, ReplayOptions, ScheduleOptions, ShardOptions,
    SizeOptions, SweepOptions, TargetOptions, WireOptions, WorkloadOptions, parse_listen, whole, within,
};
use crate::cli::replay::NOT_OF_A_REPLAY;
use crate::cli::search::NOT_OF_A_SEARCH;
use crate::cli::search_options::SearchOptions;
use crate::cli::sweep::NOT_OF_A_SWEEP;
use crate::cli::trace_arguments::TraceArguments;
use crate::sim::{Fault, Profile};

/// About, examples, then the rest: who reads help wants a line to copy.
pub(super) const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "tonnage",
    bin_name = "tonnage",
    version,
    about = "Open-loop traffic generator for LLM inference services: the load is planned, latency counts from the \
        planned instant.",
    before_help = "Examples:
  tonnage run                                  show me, with a simulated server
  tonnage run --target http://127.0.0.1:8000 --rate 50/s --slo 'p99 ttft<=200ms'
  tonnage sweep --target http://127.0.0.1:8000 where it saturates
  tonnage search --slo 'p99 ttft<=200ms'       the highest rate that meets it
  tonnage size results/sweep --demand 50/s     how many replicas that takes
  tonnage replay trace.csv --time-scale 10     a trace, ten times as fast
  tonnage plan --rate 50/s --process gamma:2   what would be sent
  tonnage simulate --listen 127.0.0.1:8000     serve the simulated server
  tonnage calibrate                            how far to trust all that here
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
    /// The command line's definition. A replay and a sweep take the options of a run, but those that they answer
    /// themselves: these are known, so that they can be refused with the reason, and not shown.
    pub(super) fn definition() -> Command {
        let without = |verb: Command, options: &[(&str, &str)]| {
            options
                .iter()
                .fold(verb, |verb, (key, _)| verb.mut_arg(key.replace('-', "_"), |argument| argument.hide(true)))
        };
        let command = Self::command()
            .mut_subcommand("replay", |replay| without(replay, NOT_OF_A_REPLAY))
            .mut_subcommand("search", |search| without(search, NOT_OF_A_SEARCH));
        command.mut_subcommand("sweep", |sweep| {
            without(sweep, NOT_OF_A_SWEEP)
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
    Plan(PlanArguments),
    Trace(TraceArguments),
    Report(ReportArguments),
    Simulate(SimulateArguments),
    Calibrate(CalibrateArguments),
    Help(HelpArguments),
}

/// One load, one result
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage run                           10/s for 20 s against a simulated server
  tonnage run --target http://127.0.0.1:8000 --rate 50/s --duration 60s
  tonnage run --target http://h1:8000,http://h2:8000 --process gamma:2
  tonnage run --target http://127.0.0.1:8000 --slo 'p99 ttft<=200ms'
  tonnage run --target http://h:8000 --profile 'ramp 1/s..50/s 60s; hold 60s'
  tonnage run --target http://127.0.0.1:8000 --load concurrent:32 --requests 500
  tonnage run -c test.yaml --rate 80/s  flags win over the file
  tonnage run --target http://h:8000 --shard 1/2 --start-at 2026-01-02T03:04:05Z
",
    after_help = "Exit code:
  0    done: objectives met, or none given
  1    an objective failed
  2    wrong usage or input, or the result could not be written
  3    no request completed, or the target cannot be used
  4    inconclusive
  130  interrupted; the partial result is written",
    help_template = TEMPLATE
)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) load: LoadArguments,
    #[command(flatten)]
    pub(super) config: ConfigOption,
}

/// Where a service saturates: synchronous, throughput, and rates between them
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage sweep --target http://127.0.0.1:8000 --duration 30s
  tonnage sweep --rates 1..10:0.5 --slo 'p99 ttft<=200ms'
  tonnage sweep --concurrency 1,50,100,200,300   closed loops
  tonnage sweep --resume results/m/20260102T030405Z-sweep   go on after a crash
",
    after_help = "Exit code:
  0    done
  2    wrong usage or input, or the result could not be written
  3    no request completed, or the target cannot be used
  130  interrupted; what was measured is written, --resume goes on",
    help_template = TEMPLATE
)]
pub(super) struct SweepArguments {
    #[command(flatten)]
    pub(super) sweep: SweepOptions,
    #[command(flatten)]
    pub(super) load: LoadArguments,
    #[command(flatten)]
    pub(super) config: ConfigOption,
}

/// The highest rate that meets the objectives, or the most users, or how many times last Tuesday
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage search --target http://127.0.0.1:8000 --slo 'p99 ttft<=200ms' --slo 'p99 tpot<=50ms'
  tonnage search --slo 'p99 ttft<=500ms' --precision 20% --budget 10m
  tonnage search --slo 'error_rate<=1%, p95 e2e<=10s' --process gamma:2 --max-rate 100/s
  tonnage search --over concurrency --slo 'p99 ttft<=2s'   users that wait, instead of a rate
  tonnage search --over time-scale tuesday.csv --window 9h..10h --slo 'p99 ttft<=2s'
  tonnage search --resume results/m/20260102T030405Z-search   go on after a crash
",
    after_help = "Exit code:
  0    answered: found, or the most that may be sent (--max-rate) meets the objectives
  1    infeasible: the unloaded service, or the least of interest (--min-rate), misses an objective
  2    wrong usage or input, or the result could not be written
  3    the service stopped answering, or cannot be used; --resume goes on
  4    inconclusive: the budget is spent, or the checks disagree
  130  interrupted; what was measured is written, --resume goes on",
    help_template = TEMPLATE
)]
pub(super) struct SearchArguments {
    /// With --over time-scale: the trace, in any format of --format
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) search: SearchOptions,
    #[command(flatten)]
    pub(super) replay: ReplayOptions,
    #[command(flatten)]
    pub(super) load: LoadArguments,
    #[command(flatten)]
    pub(super) config: ConfigOption,
}

/// What `--warmup` is in a sweep.
const WARMUP_OF_A_SWEEP: &str = "Sent before each window, and discarded [default: 0.3 of the window (0.7 after an \
    overload), at least twice \
     the time in the system]";

/// What every verb that sends takes.
#[derive(Debug, Args)]
pub(super) struct LoadArguments {
    #[command(flatten)]
    pub(super) target: TargetOptions,
    #[command(flatten)]
    pub(super) workload: WorkloadOptions,
    #[command(flatten)]
    pub(super) wire: WireOptions,
    #[command(flatten)]
    pub(super) schedule: ScheduleOptions,
    #[command(flatten)]
    pub(super) shard: ShardOptions,
    #[command(flatten)]
    pub(super) play: PlayOptions,
    #[command(flatten)]
    pub(super) judgement: JudgementOptions,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// Replicas, GPUs and cost for a demand
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage size results/m/sweep --demand 50/s --slo 'p99 ttft<80ms'
  tonnage size --replica-rate 4.43/s --demand 50/s --headroom 20% --redundancy 1
  tonnage size results/m/sweep --demand-trace trace.csv --peak-window 60s
  tonnage size h100 l40s --demand 50/s --price 2.5/h,0.9/h --stock 8,40
  tonnage size vllm-results/ --demand 50/s --slo 'p99 ttft<80ms'
  tonnage size chat rag --demand 30/s,5/s                classes that share replicas
  tonnage size --replica-rate 6/s --demand 40/s --check small --slo 'p99 ttft<=1s'
",
    help_template = TEMPLATE
)]
pub(super) struct SizeArguments {
    /// What one replica carries: a result folder or result.json of `run` or `sweep`, a GuideLLM report, a file or
    /// folder of vLLM `bench serve` results. Several are hardware choices, at most 4
    #[arg(value_name = "RESULT")]
    pub(super) results: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) size: SizeOptions,
    #[command(flatten)]
    pub(super) reading: ReadingOptions,
    /// Print the fleet as JSON, and nothing else, on standard output
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,
}

/// A recorded trace as the load: its instants, lengths and prefixes
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage replay trace.csv                               at the pace it was recorded
  tonnage replay trace.csv --plan-only                   what would be sent
  tonnage replay trace.csv --window 0s..600s --time-scale 10 --target http://h:8000
  tonnage replay trace.csv --overlay 'bursts height=400% burst=5s calm=60s'   its time bent
  tonnage replay conversation.jsonl --max-input 32000 --slo 'p99 ttft<=2s'
  tonnage replay monday.csv.gz --rate-scale 1.5          half as much again, over the same time
  tonnage replay log.csv --columns time=ts,input=prompt,output=completion --time-unit ms
",
    help_template = TEMPLATE
)]
pub(super) struct ReplayArguments {
    /// The trace, in any format of --format
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) replay: ReplayOptions,
    #[command(flatten)]
    pub(super) load: LoadArguments,
    /// With --plan-only: write one row for each planned request; to `-`, standard output, nothing else goes then
    #[arg(long, value_name = "FILE", help_heading = "Output", requires = "plan_only")]
    pub(super) export: Option<PathBuf>,
    #[command(flatten)]
    pub(super) config: ConfigOption,
}

/// Print, draw and check a timeline; send nothing
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage plan --rate 50/s --duration 60s   counts, gaps, picture, law
  tonnage plan --rate 200/s --process even --requests 2000 --export timeline.csv
  tonnage plan --profile 'ramp 1/s..100/s 60s; hold 120s' --overlay 'ou sd=30% tau=20s'
  tonnage plan -c test.yaml --json
",
    help_template = TEMPLATE
)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    pub(super) schedule: ScheduleOptions,
    #[command(flatten)]
    pub(super) shard: ShardOptions,
    #[command(flatten)]
    pub(super) workload: WorkloadOptions,
    /// Write one row for each planned request, warm-up included; to `-`, standard output, nothing else goes then
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) export: Option<PathBuf>,
    /// Print the figures as JSON, and nothing else, on standard output
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) config: ConfigOption,
}

/// Render a saved result again, with the same numbers; or merge the shards of one plan
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage report results/tonnage-sim/20260102T030405Z-run
  tonnage report results/tonnage-sim/20260102T030405Z-run/result.json --json
  tonnage report one two three                              all shards of a plan
",
    help_template = TEMPLATE
)]
pub(super) struct ReportArguments {
    /// A result folder, or the result.json of one. Records beside it are folded again; without them the saved figures
    /// are shown. Several must be all shards of one plan, with their records: they are merged into the result of the
    /// whole
    #[arg(value_name = "DIR|FILE", required = true)]
    pub(super) results: Vec<PathBuf>,
    /// Print the result as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(super) json: bool,
}

/// Serve the simulated server
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage simulate                              `small` on 127.0.0.1:8000
  tonnage simulate --sim 8b-h100 --listen 127.0.0.1:0
  tonnage simulate --fault status:503@10% --fault stall:10s,2s --truth truth.jsonl
",
    help_template = TEMPLATE
)]
pub(super) struct SimulateArguments {
    /// Address to listen on; :8000 is of this machine alone (127.0.0.1), 0.0.0.0:8000 of every network; port 0 takes
    /// any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000", value_parser = parse_listen)]
    pub(super) listen: std::net::SocketAddr,
    /// What it behaves like: small, 8b-h100, 70b-4xh100:max_seqs=64, delay:ttft=20ms,itl=5ms,
    /// mmc:servers=4,service=100ms (`tonnage help sim` lists all)
    #[arg(long, value_name = "PROFILE", default_value = "small")]
    pub(super) sim: Profile,
    /// What it does wrong on purpose (repeatable; a wrong one lists them all), for a share of requests with @10%
    #[arg(long, value_name = "FAULT")]
    pub(super) fault: Vec<Fault>,
    /// Seed of its random draws
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole, allow_hyphen_values = true)]
    pub(super) seed: u64,
    /// Write what it really did, one JSON line for each request
    #[arg(long, value_name = "FILE")]
    pub(super) truth: Option<PathBuf>,
    /// Ask for this key, and answer 401 without it
    #[arg(long, value_name = "KEY")]
    pub(super) api_key: Option<String>,
}

/// The tool's own error and capacity on this machine, against the embedded simulated server (about 25 s)
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage calibrate              send lag, added TTFT, ITL error, capacity
  tonnage calibrate --workers 2 --json
",
    help_template = TEMPLATE
)]
pub(super) struct CalibrateArguments {
    /// Sending threads [default: one fewer than cores, which the simulated server takes]
    #[arg(long, value_name = "N", value_parser = within::<u16>(1..=1024))]
    pub(super) workers: Option<u16>,
    /// Print the figures as JSON, and nothing else, on standard output
    #[arg(long)]
    pub(super) json: bool,
}

/// Definitions, printed from the catalogue
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:
  tonnage help metrics    what every number means
  tonnage help slo        how objectives are written and decided
  tonnage help profiles   how a rate over time is written
  tonnage help sim        what the simulated servers are
  tonnage help run        the options of a verb
",
    help_template = TEMPLATE
)]
pub(super) struct HelpArguments {
    /// metrics, slo, profiles, sim, or a verb
    #[arg(value_name = "TOPIC")]
    pub(super) topic: Option<String>,
}

/// Where options come from beside the command line.
#[derive(Debug, Args)]
pub(super) struct ConfigOption {
    /// YAML file: every option is also a key of it; flags win
    #[arg(short = 'c', long, value_name = "FILE.yaml", help_heading = "Output")]
    pub(super) config: Option<PathBuf>,
}
