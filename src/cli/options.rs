//! Owns the options that verbs share, in groups, each with its help text. What they mean together is `job`'s business.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, printed as they stand")]

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use crate::cli::shard::parse_start;
use crate::client::Endpoint;
use crate::error::Refusal;
use crate::results::yaml_words;
use crate::schedule::{Overlay, Process, Quota, TimeScale};
use crate::sim::Profile;
use crate::sizing::{Balancing, Growth, Price};
use crate::trace::{
    Columns, Format, OnEmpty, RateScale, Reading, Reshape, Sample, Spread, Think, TimeUnit, parse_delimiter,
    parse_window,
};
use crate::units::{Rate, Ratio, Shard, Window, parse_duration};

/// Reads a whole number.
pub(super) fn whole(text: &str) -> Result<u64, Refusal> {
    text.trim()
        .parse()
        .map_err(|_| Refusal::new(format!("`{text}` is not a whole number"), "accepted is 0 to 18446744073709551615"))
}

/// Reads a count of at least one.
fn from_one(text: &str) -> Result<u64, Refusal> {
    match text.trim().parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(Refusal::new(format!("`{text}` is not a count"), "accepted is a whole number from 1")),
    }
}

/// The most where nothing else bounds a number.
const MOST: u64 = u32::MAX as u64;

/// Reads a whole number within `range`.
pub(super) fn within<N: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<N, Refusal> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text
            .trim()
            .parse()
            .ok()
            .filter(|number| range.contains(number))
            .and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| {
            let up_to = if *range.end() < MOST { format!(" to {}", range.end()) } else { String::new() };
            Refusal::new(
                format!("`{text}` is out of range"),
                format!("accepted is a whole number from {}{up_to}", range.start()),
            )
        })
    }
}

/// Reads an address to listen on; without a host it is this machine's own.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, Refusal> {
    let text = text.trim();
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let whole = match host {
        "" | "localhost" => format!("127.0.0.1:{port}"),
        "*" => format!("0.0.0.0:{port}"),
        _ => text.to_owned(),
    };
    whole.parse().map_err(|_| {
        Refusal::new(
            format!("`{text}` is no address to listen on"),
            "accepted is 127.0.0.1:8000, :8000 or 0.0.0.0:8000",
        )
    })
}

/// Reads an overlay in its text form, or as the mapping of a configuration file.
fn overlay(text: &str) -> Result<Overlay, Refusal> {
    if !text.trim_start().starts_with('{') {
        return text.parse();
    }
    serde_saphyr::from_str(text)
        .map_err(|why| Refusal::new(yaml_words(&why), "see `tonnage help profiles` for the keys of each overlay"))
}

/// Whom to ask.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
pub(super) struct TargetOptions {
    /// Base URL, with or without /v1; several are used in turn [default: the embedded simulated server]
    #[arg(long, value_name = "URL[,URL…]", value_delimiter = ',')]
    pub(super) target: Vec<String>,
    /// What the embedded simulated server behaves like: small, 8b-h100, 70b-4xh100:max_seqs=64,
    /// delay:ttft=20ms,itl=5ms, mmc:servers=4,service=100ms (`tonnage help sim` lists all) [default: small]
    #[arg(long, value_name = "PROFILE")]
    pub(super) sim: Option<Profile>,
    /// Model to ask for; several are used in turn [default: the first of /v1/models]
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',')]
    pub(super) model: Vec<String>,
    /// Endpoint to ask: chat (/v1/chat/completions) or completions (/v1/completions: a bare prompt, no chat template)
    #[arg(long, value_name = "KIND", default_value_t = Endpoint::default())]
    pub(super) endpoint: Endpoint,
    /// Sent as a bearer token; never stored
    #[arg(long, value_name = "KEY", env = "OPENAI_API_KEY", hide_env_values = true)]
    pub(super) api_key: Option<String>,
    /// File that holds the key, alone on one line
    #[arg(long, value_name = "FILE")]
    pub(super) api_key_file: Option<PathBuf>,
    /// Further header (repeatable); a value under a name of a credential (key, token, secret, auth, cookie, …) is
    /// never stored
    #[arg(long, value_name = "'K: V'")]
    pub(super) header: Vec<String>,
    /// The same, its value never stored whatever its name (repeatable); or the name of one of --header
    #[arg(long, value_name = "'K: V'|K")]
    pub(super) secret_header: Vec<String>,
    /// Further keys of the request body, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub(super) extra_body: Option<String>,
    /// Ask for whole answers instead of streams (TTFT and what follows from it are then undefined)
    #[arg(long)]
    pub(super) no_stream: bool,
    /// From the send to giving up: a user's patience
    #[arg(long, value_name = "TIME", default_value = "600s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(super) timeout: Duration,
    /// The same for opening a connection
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(super) connect_timeout: Duration,
    /// Certificate authorities to trust for https, in PEM, beside those of this machine
    #[arg(long, value_name = "FILE")]
    pub(super) ca_cert: Option<PathBuf>,
    /// Take any certificate for https; the result says so
    #[arg(long)]
    pub(super) insecure: bool,
    /// Wait this long for the target to become ready
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(super) wait_ready: Duration,
}

/// What is asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Workload")]
pub(super) struct WorkloadOptions {
    /// Input tokens: 512, 128..1024, normal:512,64, lognormal:512,1.2 or file:PATH
    #[arg(long, value_name = "SPEC", default_value = "128", allow_hyphen_values = true)]
    pub(super) input_tokens: String,
    /// Output tokens, the same way
    #[arg(long, value_name = "SPEC", default_value = "64", allow_hyphen_values = true)]
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
    /// Ask for the token count in every event (vLLM), which gives tbt, the time between tokens
    #[arg(long)]
    pub(super) continuous_usage: bool,
    /// Body field that asks for the output length [default: max_completion_tokens; for completions max_tokens]
    #[arg(long, value_enum, value_name = "FIELD")]
    pub(super) output_field: Option<OutputField>,
    /// tokenizer.json of the model, or a folder that holds one: prompts have exactly the length asked for, answers
    /// are counted after the run, and both stand beside what the server counts [default: words]
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
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(super) rate: Option<Rate>,
    /// How arrivals are spread: even, poisson, gamma:CV or weibull:CV [default: poisson]
    #[arg(long, value_name = "LAW", allow_hyphen_values = true)]
    pub(super) process: Option<Process>,
    /// Rate over time, instead of --rate: 'ramp 1/s..100/s 60s; hold 120s; ramp 100/s..1/s 60s', or a file: .csv
    /// (t_s,rate) or .yaml (`tonnage help profiles` lists all shapes)
    #[arg(long, value_name = "PROFILE")]
    pub(super) profile: Option<String>,
    /// What varies the rate around itself, its mean kept (repeatable): 'sine amp=50% period=300s', 'ou sd=30%
    /// tau=20s', 'bursts height=400% burst=5s calm=20s'; see `tonnage help profiles`
    #[arg(long, value_name = "OVERLAY", value_parser = overlay)]
    pub(super) overlay: Vec<Overlay>,
    /// Length of the measured window [default: the profile's, else 20s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(super) duration: Option<Duration>,
    /// Requests in the measured window, instead of its length
    #[arg(long, value_name = "N", value_parser = from_one, allow_hyphen_values = true)]
    pub(super) requests: Option<u64>,
    /// The same load before the measured window
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(super) warmup: Duration,
    /// The same load after the measured window
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(super) cooldown: Duration,
    /// Seed of every random draw: the same seed is the same plan on every machine. The default is a typical draw: its
    /// number of arrivals is within one standard deviation of the asked one over every usual length
    #[arg(long, value_name = "N", default_value = "17", value_parser = whole, allow_hyphen_values = true)]
    pub(super) seed: u64,
    /// A provider's limit (500/min): requests over it are taken out of the plan beforehand, and counted
    #[arg(long, value_name = "LIMIT", allow_hyphen_values = true)]
    pub(super) quota: Option<Quota>,
}

/// Which part of the load, and from when.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(super) struct ShardOptions {
    /// Send part I of N of the plan, every N-th request, where each of N machines sends one; `tonnage report` merges
    /// their folders
    #[arg(long, value_name = "I/N")]
    pub(super) shard: Option<Shard>,
    /// Origin of the load on the system's clock, the same for all shards: 2026-01-02T03:04:05Z [default: at once]
    #[arg(long, value_name = "RFC3339", value_parser = parse_start)]
    pub(super) start_at: Option<Timestamp>,
}

/// How a trace is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Trace")]
pub(super) struct ReadingOptions {
    /// Format of the trace: azure, burstgpt, mooncake, bailian, ragpulse, weka, aibrix, vidur, otel, litellm, csv or
    /// jsonl, each compressed (gzip) or not [default: what its first line says]
    #[arg(long, value_name = "FORMAT", allow_hyphen_values = true)]
    pub(super) format: Option<Format>,
    /// Columns of a CSV or keys of JSON lines (a.b: b inside a): time=NAME,input=NAME,output=NAME[,session=NAME]
    #[arg(long, value_name = "NAMES", allow_hyphen_values = true)]
    pub(super) columns: Option<Columns>,
    /// Unit of the times in those columns: s, ms, us, ns or date; never guessed
    #[arg(long, value_name = "UNIT", allow_hyphen_values = true)]
    pub(super) time_unit: Option<TimeUnit>,
    /// What separates the fields of a CSV: `,`, `;`, `|` or tab [default: what its first line has]
    #[arg(long, value_name = "CHAR", value_parser = parse_delimiter, allow_hyphen_values = true)]
    pub(super) delimiter: Option<char>,
    /// Which of several recordings in one file to take, from 1: where its clock jumps back by more than 5 minutes,
    /// another begins
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=MOST), allow_hyphen_values = true)]
    pub(super) segment: Option<u32>,
}

impl ReadingOptions {
    pub(super) fn reading(&self) -> Reading {
        Reading {
            format: self.format,
            columns: self.columns.clone(),
            time_unit: self.time_unit,
            delimiter: self.delimiter,
            segment: self.segment,
        }
    }
}

/// What is taken from a trace, and what is done to it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trace")]
pub(super) struct ReplayOptions {
    #[command(flatten)]
    pub(super) reading: ReadingOptions,
    /// How many times as fast as recorded: offsets are divided by K
    #[arg(long, value_name = "K", default_value = "1", allow_hyphen_values = true)]
    pub(super) time_scale: TimeScale,
    /// How many times the rate, over the same time: below 1 rows are left out by chance, above 1 copies are laid over
    /// them
    #[arg(long, value_name = "R", default_value = "1", allow_hyphen_values = true)]
    pub(super) rate_scale: RateScale,
    /// Span of trace time, before scaling: 0s..300s (the end outside; instants count from its start) [default: all of
    /// it]
    #[arg(long, value_name = "START..END", value_parser = parse_window, allow_hyphen_values = true)]
    pub(super) window: Option<Window>,
    /// Rows of 0 input or output tokens: skip them, min1 (send 1 token for 0) or fail
    #[arg(long, value_name = "POLICY", default_value = "skip", allow_hyphen_values = true)]
    pub(super) on_empty: OnEmpty,
    /// Leave out, and count, rows of more than N input tokens
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=MOST), allow_hyphen_values = true)]
    pub(super) max_input: Option<u32>,
    /// Cut gaps between rows, and think times between turns, to at most this, in trace time
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(super) gap_cap: Option<Duration>,
    /// Move rows that share an instant, because the recorder's clock ticks, into their tick: even or random
    #[arg(long, value_name = "HOW", allow_hyphen_values = true)]
    pub(super) spread: Option<Spread>,
    /// Take a share (0.1, 10%) or a number (500) of the rows by chance, of whole sessions where there are sessions
    #[arg(long, value_name = "SAMPLE", allow_hyphen_values = true)]
    pub(super) sample: Option<Sample>,
    /// Play the trace N times, one behind the other, its span and one mean gap apart
    #[arg(long = "loop", value_name = "N", default_value = "1", value_parser = within::<u16>(1..=65_535),
        allow_hyphen_values = true)]
    pub(super) loops: u16,
    /// How many sessions begin in a second, minute or hour, by chance, where the trace does not say when (weka)
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(super) session_rate: Option<Rate>,
    /// When later turns of a session are sent: recorded (at their instants, open loop) or after-completion (released
    /// when the turn before has completed and its think time has passed, as long as --drain lasts; turns after a lost
    /// one are skipped)
    #[arg(long, value_name = "WHEN", default_value = "recorded", allow_hyphen_values = true)]
    pub(super) think: Think,
    /// Print, draw and check the timeline; send nothing
    #[arg(long)]
    pub(super) plan_only: bool,
}

impl ReplayOptions {
    pub(super) fn reshape(&self) -> Reshape {
        Reshape {
            gap_cap: self.gap_cap,
            spread: self.spread,
            sample: self.sample,
            loops: self.loops,
            rate_scale: self.rate_scale,
        }
    }
}

/// Which loads a sweep plays.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sweep")]
pub(super) struct SweepOptions {
    /// Rates between synchronous and throughput, the last of them around the knee
    #[arg(long, value_name = "N", default_value = "8", value_parser = within::<u32>(1..=1_000))]
    pub(super) points: u32,
    /// These rates instead, ascending, up to the first that saturates: 1,2,4.5 or 1..10:0.5
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(super) rates: Option<String>,
    /// Offer no higher rate
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(super) max_rate: Option<Rate>,
    /// Closed loops of so many requests in flight instead, in this order: 1,50,100
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub(super) concurrency: Option<String>,
    /// Go on with the sweep whose result folder this is, as it was begun; what it has finished is not repeated
    #[arg(long, value_name = "DIR")]
    pub(super) resume: Option<PathBuf>,
}

/// How the load is played.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(super) struct PlayOptions {
    /// Closed loop instead of a rate: synchronous, concurrent:N or throughput (a reference, no measurement of an open
    /// load)
    #[arg(long, value_name = "LOOP")]
    pub(super) load: Option<String>,
    /// How long requests are followed after the load; extended to what the objectives need
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(super) drain: Duration,
    /// Shed, and count, what would put more than N requests in flight
    #[arg(long, value_name = "N", value_parser = from_one, allow_hyphen_values = true)]
    pub(super) max_in_flight: Option<u64>,
    /// Sending threads [default: one for each core; one fewer with the embedded server]
    #[arg(long, value_name = "N", value_parser = within::<u16>(1..=1024), allow_hyphen_values = true)]
    pub(super) workers: Option<u16>,
}

/// What is demanded of a fleet, and of what it may be made.
#[derive(Debug, Args)]
pub(super) struct SizeOptions {
    /// The rate that the fleet has to carry; with commas, one for each RESULT or rate of a replica: classes of
    /// requests that share the replicas
    #[arg(long, value_name = "RATE[,RATE…]", value_delimiter = ',', help_heading = "Demand")]
    pub(super) demand: Vec<Rate>,
    /// Its peak instead: of a rate over time, as in `run`, text or file (`tonnage help profiles`)
    #[arg(long, value_name = "PROFILE", help_heading = "Demand")]
    pub(super) profile: Option<String>,
    /// Its peak instead: of a recorded trace
    #[arg(long, value_name = "FILE", help_heading = "Demand")]
    pub(super) demand_trace: Option<PathBuf>,
    /// The peak is the highest mean rate over so long; shorter bursts are named, and not covered [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "Demand")]
    pub(super) peak_window: Option<Duration>,
    /// So many times as much as today is planned for: 1.5 [default: 1]
    #[arg(long, value_name = "FACTOR", help_heading = "Demand")]
    pub(super) growth: Option<Growth>,
    /// How much more than that may come
    #[arg(long, value_name = "SHARE", default_value = "0%", allow_hyphen_values = true, help_heading = "Demand")]
    pub(super) headroom: Ratio,
    /// How much more than its share the busiest replica gets, as when requests are routed by prefix
    #[arg(long, value_name = "SHARE", default_value = "0%", allow_hyphen_values = true, help_heading = "Demand")]
    pub(super) imbalance: Ratio,
    /// How requests are split: random (each replica then sees nearly Poisson arrivals, whatever comes to the fleet),
    /// or round-robin
    #[arg(long, value_name = "HOW", default_value = "random", help_heading = "Demand")]
    pub(super) balancing: Balancing,
    /// How many replicas, the largest, may be lost
    #[arg(long, value_name = "N", default_value = "0", value_parser = within::<u32>(0..=1000), help_heading = "Demand")]
    pub(super) redundancy: u32,
    /// What one replica carries, instead of a RESULT; several are hardware choices
    #[arg(
        long,
        value_name = "RATE[,RATE…]",
        value_delimiter = ',',
        help_heading = "Replicas (one value for all, or one for each RESULT)"
    )]
    pub(super) replica_rate: Vec<Rate>,
    /// Objectives (repeatable) that the rate has to meet: then the largest rate measured that met them counts
    /// [default: those that the result was judged by]
    #[arg(long, value_name = "OBJECTIVE", help_heading = "Replicas (one value for all, or one for each RESULT)")]
    pub(super) slo: Vec<String>,
    /// What it is called [default: the result's label, else its place]
    #[arg(
        long,
        value_name = "NAME[,NAME…]",
        value_delimiter = ',',
        help_heading = "Replicas (one value for all, or one for each RESULT)"
    )]
    pub(super) name: Vec<String>,
    /// GPUs of one replica [default: 1]
    #[arg(
        long,
        value_name = "N[,N…]",
        value_delimiter = ',',
        value_parser = within::<u32>(1..=100_000),
        help_heading = "Replicas (one value for all, or one for each RESULT)"
    )]
    pub(super) gpus_per_replica: Vec<u32>,
    /// What one GPU costs in an hour, in any currency: 2.5/h. Without it the fleet has the fewest GPUs
    #[arg(
        long,
        value_name = "PRICE[,PRICE…]",
        value_delimiter = ',',
        help_heading = "Replicas (one value for all, or one for each RESULT)"
    )]
    pub(super) price: Vec<Price>,
    /// The most replicas there are [default: no limit]
    #[arg(
        long,
        value_name = "N[,N…]",
        value_delimiter = ',',
        help_heading = "Replicas (one value for all, or one for each RESULT)"
    )]
    pub(super) stock: Vec<u64>,
    /// Mean output tokens of a request, for the cost of a token [default: as measured]
    #[arg(
        long,
        value_name = "N[,N…]",
        value_delimiter = ',',
        value_parser = within::<u32>(1..=MOST),
        help_heading = "Replicas (one value for all, or one for each RESULT)"
    )]
    pub(super) output_tokens: Vec<u32>,
    /// Plays the demand as it comes (the trace, the profile) against as many simulated replicas, by routing policy,
    /// and finds the fewest that meet the objectives: a simulated server (`tonnage help sim`), not the one measured
    #[arg(long, value_name = "PROFILE", help_heading = "Check by simulation")]
    pub(super) check: Option<Profile>,
    /// Tokens of its requests [default: those of the trace, else of the RESULT, else 128]
    #[arg(long, value_name = "SPEC", help_heading = "Check by simulation")]
    pub(super) check_input: Option<String>,
    /// Tokens of its answers [default: those of the trace, else of the RESULT, else 64]
    #[arg(long, value_name = "SPEC", help_heading = "Check by simulation")]
    pub(super) check_output: Option<String>,
}

/// What is good enough.
#[derive(Debug, Args)]
#[command(next_help_heading = "Judgement")]
pub(super) struct JudgementOptions {
    /// Objective (repeatable): 'p99 ttft<=200ms', 'tpot<=50ms', 'error_rate<=0.1%', 'goodput>=5/s'; see `tonnage help
    /// slo`
    #[arg(long, value_name = "OBJECTIVE")]
    pub(super) slo: Vec<String>,
    /// Share of requests that must be good when objectives without a statistic are given [default: 99%]
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    pub(super) attainment: Option<Ratio>,
    /// Objectives in vLLM's and AIPerf's spelling, milliseconds: 'ttft:200 tpot:50'
    #[arg(long, value_name = "LIST")]
    pub(super) goodput: Option<String>,
}

/// Where the result goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputOptions {
    /// Result folder [default: results/<model>/<time>-<verb>]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Replace the result that --out holds; files that are not of a result are never touched
    #[arg(long)]
    pub(super) force: bool,
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
