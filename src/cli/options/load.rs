//! Owns the options of every verb that sends requests.

use clap::Args;

use super::{
    JudgementOptions, OutputOptions, PlayOptions, ScheduleOptions, ShardOptions, TargetOptions, WireOptions,
    WorkloadOptions,
};

/// The help template: about, examples, then the rest, because readers of help want a line to copy.
pub(in crate::cli) const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// The options of every verb that sends requests.
#[derive(Debug, Args)]
pub(in crate::cli) struct LoadArguments {
    #[command(flatten)]
    pub(in crate::cli) target: TargetOptions,
    #[command(flatten)]
    pub(in crate::cli) workload: WorkloadOptions,
    #[command(flatten)]
    pub(in crate::cli) wire: WireOptions,
    #[command(flatten)]
    pub(in crate::cli) schedule: ScheduleOptions,
    #[command(flatten)]
    pub(in crate::cli) shard: ShardOptions,
    #[command(flatten)]
    pub(in crate::cli) play: PlayOptions,
    #[command(flatten)]
    pub(in crate::cli) judgement: JudgementOptions,
    #[command(flatten)]
    pub(in crate::cli) output: OutputOptions,
}
