//! Owns the options that say when requests are sent, and how the load is run.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, printed as they stand")]

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::numbers::{from_one, whole, within};
use crate::error::Refusal;
use crate::schedule::{Overlay, Process, Quota};
use crate::units::{Rate, Shard, parse_duration};

/// Reads an instant in RFC 3339.
pub(in crate::cli) fn parse_start(text: &str) -> Result<Timestamp, Refusal> {
    let accepted = "accepted is RFC 3339 with its zone, as in 2026-01-02T03:04:05Z or 2026-01-02T04:04:05+01:00";
    text.trim().parse().map_err(|_| Refusal::new(format!("`{text}` is not an instant"), accepted))
}

/// When requests are sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(in crate::cli) struct ScheduleOptions {
    /// Requests per second, minute or hour: 50/s, 90/min [default: 10/s]
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(in crate::cli) rate: Option<Rate>,
    /// Law of the arrivals: even, poisson, gamma:CV or weibull:CV [default: poisson]
    #[arg(long, value_name = "LAW", allow_hyphen_values = true)]
    pub(in crate::cli) process: Option<Process>,
    /// Rate over time, instead of --rate: 'ramp 1/s..100/s 60s; hold 120s; ramp 100/s..1/s 60s', or a file: .csv
    /// (t_s,rate) or .yaml (`tonnage help profiles` lists all shapes)
    #[arg(long, value_name = "PROFILE")]
    pub(in crate::cli) profile: Option<String>,
    /// Variation of the rate that keeps its mean (repeatable): 'sine amp=50% period=300s', 'ou sd=30% tau=20s', 'bursts
    /// height=400% burst=5s calm=20s'; see `tonnage help profiles`
    #[arg(long, value_name = "OVERLAY")]
    pub(in crate::cli) overlay: Vec<Overlay>,
    /// Length of the measured window [default: the profile's, else 20s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) duration: Option<Duration>,
    /// Requests in the measured window, instead of its length
    #[arg(long, value_name = "N", value_parser = from_one, allow_hyphen_values = true)]
    pub(in crate::cli) requests: Option<u64>,
    /// Time for which the same load runs before the measured window
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) warmup: Duration,
    /// Time for which the same load runs after the measured window
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) cooldown: Duration,
    /// Seed of every random draw: the same seed gives the same plan on every machine. The default seed is typical: over
    /// every usual length, its number of arrivals is within one standard deviation of the expected number
    #[arg(long, value_name = "N", default_value = "17", value_parser = whole, allow_hyphen_values = true)]
    pub(in crate::cli) seed: u64,
    /// A provider's rate limit (500/min): requests above it are removed from the plan before the run, and counted
    #[arg(long, value_name = "LIMIT", allow_hyphen_values = true)]
    pub(in crate::cli) quota: Option<Quota>,
}

/// Which part of the load is sent, and from which instant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(in crate::cli) struct ShardOptions {
    /// Send part I of N of the plan (every N-th request): each of N machines sends one part, and `tonnage report`
    /// merges their folders. auto: the part that Kubernetes (Indexed Job), Slurm, Open MPI or PMI gives to this process
    #[arg(long, value_name = "I/N|auto")]
    pub(in crate::cli) shard: Option<Shard>,
    /// With --shard auto: how many shards there are, where the scheduler does not say it [default: TONNAGE_SHARDS]
    #[arg(long, value_name = "N", requires = "shard")]
    pub(in crate::cli) shards: Option<u32>,
    /// Folder that all shards see (NFS, Lustre, a shared volume): there they wait for each other, refuse what does not
    /// fit, agree on a start and leave their results; the first shard merges them, and its exit code is the verdict
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) meet: Option<PathBuf>,
    /// How long a shard waits at --meet for the others
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) meet_timeout: Duration,
    /// Origin of the load on the system's clock, the same for all shards: 2026-01-02T03:04:05Z [default: at once]
    #[arg(long, value_name = "RFC3339", value_parser = parse_start)]
    pub(in crate::cli) start_at: Option<Timestamp>,
}

/// How the load is run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
pub(in crate::cli) struct PlayOptions {
    /// Closed loop instead of a rate: synchronous, concurrent:N or throughput (a reference, not a measurement of an
    /// open load)
    #[arg(long, value_name = "LOOP")]
    pub(in crate::cli) load: Option<String>,
    /// How long to follow requests after the load; extended if the objectives need more time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub(in crate::cli) drain: Duration,
    /// Shed, and count, requests that would exceed N in flight
    #[arg(long, value_name = "N", value_parser = from_one, allow_hyphen_values = true)]
    pub(in crate::cli) max_in_flight: Option<u64>,
    /// Sending threads [default: one for each core; one fewer with the embedded server]
    #[arg(long, value_name = "N", value_parser = within::<u16>(1..=1024), allow_hyphen_values = true)]
    pub(in crate::cli) workers: Option<u16>,
}
