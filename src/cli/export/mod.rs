//! Owns the export of figures while loads run: what is counted, and the listener that serves it.

#[cfg(feature = "otlp")]
mod collector;
mod exporter;
mod figures;
mod listener;
#[cfg(test)]
mod tests;
mod text;
#[cfg(feature = "otlp")]
mod traces;

#[cfg(feature = "otlp")]
pub(super) use collector::Collector;
pub(super) use exporter::Exporter;
pub(super) use listener::Export;
#[cfg(feature = "otlp")]
pub(super) use traces::Traces;
