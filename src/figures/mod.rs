//! Owns a trial in figures, as it stands in `result.json`: what sweeps, sizing and pages read.

mod trial;

pub use trial::{ConcurrencyView, MetricView, Origins, Rates, SloView, StatsView, Throughput, TrialView};
