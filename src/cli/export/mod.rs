//! Owns the export of figures while loads run: what is counted, and the listener that serves it.

mod exporter;
mod figures;
mod listener;
#[cfg(test)]
mod tests;
mod text;

pub(super) use exporter::Exporter;
pub(super) use listener::Export;
