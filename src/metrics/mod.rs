//! Owns the meaning: what each metric is, how records fold into a summary, and what it says about the objectives.

mod answers;
mod block;
mod buckets;
mod catalog;
mod counts;
mod decide;
mod dependence;
mod distribution;
mod evidence;
#[cfg(test)]
mod examples;
mod flow;
#[cfg(test)]
mod fold_tests;
mod health;
mod misses;
mod sample;
mod sequence;
mod series;
mod slo;
mod state;
mod steering;
mod summary;
mod tokens;
mod trial;
mod value;
mod verdict;
#[cfg(test)]
mod verdict_tests;
mod view;

pub use answers::AnswersView;
pub use block::Tally;
pub use catalog::{Direction, Metric, OriginOf, Row, Unit, help_metrics};
pub use counts::Counts;
pub use decide::{CONFIDENCE, ObjectiveJudgement};
pub use distribution::{Distribution, Known};
pub use flow::Flow;
pub use health::{Health, examine};
pub use misses::{FailureGroup, Lost};
pub use sample::SamplePoint;
pub use sequence::{Came, Sequence, Toll};
pub use slo::{
    Comparison, DEFAULT_ATTAINMENT_PERCENT, Limit, Objective, Objectives, PRESETS, Preset, Standing, Statistic,
    help_slo,
};
pub use steering::{Course, Steering, StopRule, Watched};
pub use summary::{Frame, Goodness, Summary};
pub use tokens::{TokenCountsView, TokensView};
pub use trial::{Concurrency, Ended, LiveCounts, LoadFacts, LoadKind, LoadOrigin, Merged, Play, Segment, Trial};
pub use value::{Value, input_tokens, output_tokens};
pub use verdict::{Judgement, Verdict, VerdictResult, judge};
pub use view::{
    BlockPoint, ConcurrencyView, MetricView, Origins, Rates, SloView, StatsView, Throughput, TrialView, view,
};
