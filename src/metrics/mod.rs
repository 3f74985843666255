//! Owns the meaning: the definition of each metric, the fold of records into a summary, and the judgement of
//! objectives.

mod allowance;
mod answers;
mod block;
mod buckets;
mod by_turn;
mod catalog;
mod counts;
mod course;
mod decide;
mod dependence;
mod distribution;
mod evidence;
#[cfg(test)]
pub(crate) mod examples;
mod flow;
mod frame;
mod health;
mod load;
mod measure;
mod misses;
mod pairs;
mod portions;
mod punctuality;
mod sample;
mod sequence;
mod series;
mod settled_row;
mod slo;
mod standing;
mod state;
mod summary;
mod tokens;
mod value;
mod verdict;
mod warning;

pub use allowance::{Allowance, Ruling};
pub use answers::AnswersView;
pub use block::{BlockPoint, Tally};
pub use by_turn::{ByTurn, OfTurn, SessionCounts, TURNS_APART};
pub use catalog::{CatalogueRow, Direction, Metric, OriginOf, Unit, help_metrics};
pub use counts::Counts;
pub use course::Course;
pub use decide::{CONFIDENCE, ObjectiveJudgement};
pub(crate) use dependence::quantile_intervals95;
pub use distribution::{Distribution, Known, Ranks};
pub use flow::Flow;
pub use frame::Frame;
pub use health::{Health, examine};
pub use load::{Circumstances, Concurrency, Ended, LoadFacts, LoadKind, LoadOrigin, Merged};
pub use measure::{Measure, MeasureUnit};
pub use misses::{FailureGroup, Lost};
pub use portions::{Portions, Withheld};
pub use punctuality::Punctuality;
pub use sample::SamplePoint;
pub use sequence::{Came, Sequence, Toll};
pub use slo::{
    Comparison, DEFAULT_ATTAINMENT_PERCENT, Limit, Objective, Objectives, PRESETS, Preset, Standing, Statistic,
};
pub use standing::Goodness;
pub(crate) use state::State;
pub use summary::Summary;
pub use tokens::{CachedView, TokenCountsView, TokensView};
pub(crate) use value::send_lag;
pub use value::{Value, input_tokens, output_tokens};
pub use verdict::{Judgement, Verdict, VerdictResult, judge};
pub use warning::{Fault, Lateness, Note, Reason, Remedy, VerdictReason};
