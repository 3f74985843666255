//! Owns the figures of a trial as they stand in `result.json`, read by sweeps, sizing and pages.

mod trial;
mod worded;

pub use trial::{ConcurrencyView, MetricView, Origins, Rates, SloView, StatsView, Throughput, TrialView};
pub use worded::{HealthView, ObjectiveView, VerdictView};
