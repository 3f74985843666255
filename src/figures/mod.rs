//! Owns a trial in figures, as it stands in `result.json`: what sweeps, sizing and pages read.

mod trial;
mod worded;

pub use trial::{ConcurrencyView, MetricView, Origins, Rates, SloView, StatsView, Throughput, TrialView};
pub use worded::{HealthView, ObjectiveView, VerdictView};
