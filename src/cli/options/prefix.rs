//! Owns the options of what prompts share, so that a prefix cache can hold it.

use clap::Args;

use super::numbers::within;
use crate::units::Ratio;
use crate::workload::Popularity;

/// What prompts share.
#[derive(Debug, Args)]
#[command(next_help_heading = "Workload")]
pub(in crate::cli) struct PrefixOptions {
    /// Tokens of a system prompt that all requests share: a system message, or the head of the prompt where the
    /// endpoint takes no messages; a part of --input-tokens (added to the rows of --dataset)
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=10_000_000), allow_hyphen_values = true)]
    pub(in crate::cli) system_tokens: Option<u32>,
    /// Groups of requests, each with a prefix of its own, drawn for each request (`tonnage help prefixes`) [default: 1]
    #[arg(long, value_name = "N", value_parser = within::<u32>(1..=1_000_000), allow_hyphen_values = true)]
    pub(in crate::cli) prefix_groups: Option<u32>,
    /// Tokens of the prefix of each group, in the forms of --input-tokens and a part of them
    #[arg(long, value_name = "SPEC", allow_hyphen_values = true)]
    pub(in crate::cli) prefix_tokens: Option<String>,
    /// How often each group is drawn: uniform, or zipf:S (group k in proportion to 1/k^S) [default: uniform]
    #[arg(long, value_name = "LAW", allow_hyphen_values = true)]
    pub(in crate::cli) prefix_popularity: Option<Popularity>,
    /// Share of prompt tokens that a prefix cache should hold, instead of --prefix-tokens: prefixes in blocks of 16
    /// tokens give it
    #[arg(long, value_name = "SHARE", allow_hyphen_values = true)]
    pub(in crate::cli) cache_hit: Option<Ratio>,
    /// Send each prefix once before the load, outside all figures [default: with --cache-hit, in a sweep and a search]
    #[arg(long)]
    pub(in crate::cli) prime: bool,
    /// Do not prime: the load begins with what the cache holds
    #[arg(long)]
    pub(in crate::cli) no_prime: bool,
}
