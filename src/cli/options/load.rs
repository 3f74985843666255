//! Owns what every verb that sends takes.

use clap::Args;

use super::{
    JudgementOptions, OutputOptions, PlayOptions, ScheduleOptions, ShardOptions, TargetOptions, WireOptions,
    WorkloadOptions,
};

/// About, examples, then the rest: who reads help wants a line to copy.
pub(in crate::cli) const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// What every verb that sends takes.
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
