//! Owns the options of `size`, with their help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::options::{MOST, within};
use crate::sim::Profile;
use crate::sizing::{Balancing, Growth, Price};
use crate::units::{Rate, Ratio, parse_duration};

const DEMAND: &str = "Demand";
const REPLICAS: &str = "Replicas (one value for all, or one for each RESULT)";
const CHECK: &str = "Check by simulation";

/// What is demanded of a fleet, and of what it may be made.
#[derive(Debug, Args)]
pub(super) struct SizeOptions {
    /// The rate that the fleet has to carry; with commas, one for each RESULT or rate of a replica: classes of
    /// requests that share the replicas
    #[arg(long, value_name = "RATE[,RATE…]", value_delimiter = ',', help_heading = DEMAND)]
    pub(super) demand: Vec<Rate>,
    /// Its peak instead: of a rate over time, as in `run`, text or file (`tonnage help profiles`)
    #[arg(long, value_name = "PROFILE", help_heading = DEMAND)]
    pub(super) profile: Option<String>,
    /// Its peak instead: of a recorded trace
    #[arg(long, value_name = "FILE", help_heading = DEMAND)]
    pub(super) demand_trace: Option<PathBuf>,
    /// The peak is the highest mean rate over so long; shorter bursts are named, and not covered [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = DEMAND)]
    pub(super) peak_window: Option<Duration>,
    /// So many times as much as today is planned for: 1.5 [default: 1]
    #[arg(long, value_name = "FACTOR", help_heading = DEMAND)]
    pub(super) growth: Option<Growth>,
    /// How much more than that may come
    #[arg(long, value_name = "SHARE", default_value = "0%", allow_hyphen_values = true, help_heading = DEMAND)]
    pub(super) headroom: Ratio,
    /// How much more than its share the busiest replica gets, as when requests are routed by prefix
    #[arg(long, value_name = "SHARE", default_value = "0%", allow_hyphen_values = true, help_heading = DEMAND)]
    pub(super) imbalance: Ratio,
    /// How requests are split: random (each replica then sees nearly Poisson arrivals, whatever comes to the fleet),
    /// or round-robin
    #[arg(long, value_name = "HOW", default_value = "random", help_heading = DEMAND)]
    pub(super) balancing: Balancing,
    /// How many replicas, the largest, may be lost
    #[arg(long, value_name = "N", default_value = "0", value_parser = within::<u32>(0..=1000), help_heading = DEMAND)]
    pub(super) redundancy: u32,
    /// What one replica carries, instead of a RESULT; several are hardware choices
    #[arg(long, value_name = "RATE[,RATE…]", value_delimiter = ',', help_heading = REPLICAS)]
    pub(super) replica_rate: Vec<Rate>,
    /// Objectives (repeatable) that the rate has to meet: then the largest rate measured that met them counts
    /// [default: those that the result was judged by]
    #[arg(long, value_name = "OBJECTIVE", help_heading = REPLICAS)]
    pub(super) slo: Vec<String>,
    /// What it is called [default: the result's label, else its place]
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',', help_heading = REPLICAS)]
    pub(super) name: Vec<String>,
    /// GPUs of one replica [default: 1]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', value_parser = within::<u32>(1..=100_000),
        help_heading = REPLICAS)]
    pub(super) gpus_per_replica: Vec<u32>,
    /// What one GPU costs in an hour, in any currency: 2.5/h. Without it the fleet has the fewest GPUs
    #[arg(long, value_name = "PRICE[,PRICE…]", value_delimiter = ',', help_heading = REPLICAS)]
    pub(super) price: Vec<Price>,
    /// The most replicas there are [default: no limit]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', help_heading = REPLICAS)]
    pub(super) stock: Vec<u64>,
    /// Mean output tokens of a request, for the cost of a token [default: as measured]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', value_parser = within::<u32>(1..=MOST),
        help_heading = REPLICAS)]
    pub(super) output_tokens: Vec<u32>,
    /// Plays the demand as it comes (the trace, the profile) against as many simulated replicas, by routing policy,
    /// and finds the fewest that meet the objectives: a simulated server (`tonnage help sim`), not the one measured
    #[arg(long, value_name = "PROFILE", help_heading = CHECK)]
    pub(super) check: Option<Profile>,
    /// Tokens of its requests [default: those of the trace, else of the RESULT, else 128]
    #[arg(long, value_name = "SPEC", help_heading = CHECK)]
    pub(super) check_input: Option<String>,
    /// Tokens of its answers [default: those of the trace, else of the RESULT, else 64]
    #[arg(long, value_name = "SPEC", help_heading = CHECK)]
    pub(super) check_output: Option<String>,
}
