//! Owns when: arrival processes and the timeline of planned instants, made on demand.

mod process;
mod timeline;

pub use process::Process;
pub use timeline::{Arrival, Arrivals, Extent, Spans, Timeline};
