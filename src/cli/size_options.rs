//! Owns the options of `size`, with their help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::options::{MOST, within};
use crate::sim::ServiceProfile;
use crate::sizing::{Balancing, Growth, Price};
use crate::units::{Rate, Ratio, parse_duration};

const DEMAND: &str = "Demand";
const REPLICAS: &str = "Replicas (one value for all, or one for each RESULT)";
const CHECK: &str = "Check by simulation";

/// The demand on a fleet, and the replicas that it may be made of.
#[derive(Debug, Args)]
pub(super) struct SizeOptions {
    /// The rate that the fleet must carry; several, with commas, are classes of requests that share the replicas: one
    /// for each RESULT or --replica-rate
    #[arg(long, value_name = "RATE[,RATE…]", value_delimiter = ',', help_heading = DEMAND)]
    pub(super) demand: Vec<Rate>,
    /// Use the peak of a rate over time instead: text or file, as in `run` (`tonnage help profiles`)
    #[arg(long, value_name = "PROFILE", help_heading = DEMAND)]
    pub(super) profile: Option<String>,
    /// Use the peak of a recorded trace instead
    #[arg(long, value_name = "FILE", help_heading = DEMAND)]
    pub(super) demand_trace: Option<PathBuf>,
    /// The peak is the highest mean rate over this time; shorter bursts are reported, but not covered [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = DEMAND)]
    pub(super) peak_window: Option<Duration>,
    /// Plan for this many times the demand of today: 1.5 [default: 1]
    #[arg(long, value_name = "FACTOR", help_heading = DEMAND)]
    pub(super) growth: Option<Growth>,
    /// How much more than the planned demand the fleet must carry
    #[arg(long, value_name = "SHARE", default_value = "0%", allow_hyphen_values = true, help_heading = DEMAND)]
    pub(super) headroom: Ratio,
    /// How much more than its equal share the busiest replica gets, for example when requests are routed by prefix
    #[arg(long, value_name = "SHARE", default_value = "0%", allow_hyphen_values = true, help_heading = DEMAND)]
    pub(super) imbalance: Ratio,
    /// How requests are split: random (each replica then sees nearly Poisson arrivals, whatever the arrivals of the
    /// fleet), or round-robin
    #[arg(long, value_name = "HOW", default_value = "random", help_heading = DEMAND)]
    pub(super) balancing: Balancing,
    /// How many of the largest replicas may fail
    #[arg(long, value_name = "N", default_value = "0", value_parser = within::<u32>(0..=1000), help_heading = DEMAND)]
    pub(super) redundancy: u32,
    /// The rate that one replica carries, instead of a RESULT; several are hardware choices
    #[arg(long, value_name = "RATE[,RATE…]", value_delimiter = ',', help_heading = REPLICAS)]
    pub(super) replica_rate: Vec<Rate>,
    /// Objectives (repeatable) that the rate must meet: the largest measured rate that met them counts [default: the
    /// objectives of the result]
    #[arg(long, value_name = "OBJECTIVE", help_heading = REPLICAS)]
    pub(super) slo: Vec<String>,
    /// Name of the replica [default: the label of the result, else its file name]
    #[arg(long, value_name = "NAME[,NAME…]", value_delimiter = ',', help_heading = REPLICAS)]
    pub(super) name: Vec<String>,
    /// GPUs of one replica [default: 1]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', value_parser = within::<u32>(1..=100_000),
        help_heading = REPLICAS)]
    pub(super) gpus_per_replica: Vec<u32>,
    /// What one GPU costs in an hour, in any currency: 2.5/h. Without it the fleet has the fewest GPUs
    #[arg(long, value_name = "PRICE[,PRICE…]", value_delimiter = ',', help_heading = REPLICAS)]
    pub(super) price: Vec<Price>,
    /// Most replicas available [default: no limit]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', help_heading = REPLICAS)]
    pub(super) stock: Vec<u64>,
    /// Mean output tokens per request, for the cost per token [default: as measured]
    #[arg(long, value_name = "N[,N…]", value_delimiter = ',', value_parser = within::<u32>(1..=MOST),
        help_heading = REPLICAS)]
    pub(super) output_tokens: Vec<u32>,
    /// Run the demand as it comes (the trace, the profile) against the same number of simulated replicas, under each
    /// routing policy, and find the fewest that meet the objectives: a simulated server (`tonnage help sim`), not the
    /// one measured
    #[arg(long, value_name = "PROFILE", help_heading = CHECK)]
    pub(super) check: Option<ServiceProfile>,
    /// Input tokens of the simulated requests [default: those of the trace, else of the RESULT, else 128]
    #[arg(long, value_name = "SPEC", help_heading = CHECK)]
    pub(super) check_input: Option<String>,
    /// Output tokens of the simulated requests [default: those of the trace, else of the RESULT, else 64]
    #[arg(long, value_name = "SPEC", help_heading = CHECK)]
    pub(super) check_output: Option<String>,
}
