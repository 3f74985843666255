//! Owns the options that verbs share, in groups, each with its help text.

mod address;
mod load;
mod numbers;
mod page;
mod prefix;
mod result;
mod schedule;
mod target;
mod trace;
mod workload;

pub(super) use address::whole_address;
pub(super) use load::{LoadArguments, TEMPLATE};
pub(super) use numbers::{MOST, whole, within};
pub(super) use page::LanguageOption;
pub(super) use prefix::PrefixOptions;
pub(super) use result::{ConfigOption, JudgementOptions, OutputOptions, RecordsDetail};
pub(super) use schedule::{PlayOptions, ScheduleOptions, ShardOptions};
pub(super) use target::TargetOptions;
pub(super) use trace::{ReadingOptions, ReplayOptions};
pub(super) use workload::{OutputField, WireOptions, WorkloadOptions};
