//! Owns the live view: what it is told, its state, its page, and the thread that draws it.

mod chart;
mod curve;
mod curve_of;
mod explained;
mod failures;
mod latencies;
mod load_state;
mod news;
mod page;
mod panels;
mod state;
mod strip;
mod strips;
#[cfg(test)]
mod tests;
mod thread;
mod tone;
mod watcher;

pub(super) use curve::Curve;
pub(super) use curve_of::{of_search, of_sweep};
pub(super) use state::Head;
pub(super) use thread::View;
pub(super) use watcher::Watcher;
