//! Owns the figures of a trial as they stand in `result.json`, read by sweeps, sizing and pages.

#[cfg(test)]
mod answers_tests;
#[cfg(test)]
mod classes_tests;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod fold_tests;
mod shares;
mod trial;
mod turns;
#[cfg(test)]
mod verdict_tests;
mod worded;

pub use shares::Bars;
pub use trial::{ClassView, ConcurrencyView, MetricView, Origins, Rates, SloView, StatsView, Throughput, TrialView};
pub use turns::{SessionsView, TurnView};
pub use worded::{HealthView, ObjectiveView, VerdictView};
