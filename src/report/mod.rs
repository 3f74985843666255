//! Owns what a result says and how it is shown: the model, and the console's tables.

mod build;
mod console;
mod layout;
mod model;

pub use build::{Circumstances, build_report, build_trial};
pub use console::render;
pub use layout::Ink;
pub use model::{
    ConcurrencyReport, Figure, HealthReport, Host, Judgement, LoadKind, LoadReport, MetricReport, ObjectiveReport, Rates, Report,
    SCHEMA, SloReport, Statistics, Target, Throughput, Tool, TrialReport, VerdictReport,
};
