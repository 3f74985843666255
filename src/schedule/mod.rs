//! Owns when: arrival processes and the timeline of planned instants, made on demand.

mod gaps;
mod law;
mod picture;
mod process;
mod quota;
mod replay;
mod shape;
mod timeline;

pub use law::{LawCheck, LawVerdict};
pub use process::{Cv, Process};
pub use quota::{Gate, Period, Quota};
pub use replay::{Recorded, TimeScale};
pub use shape::{Dispersion, GapShape, Observer, Shape};
pub use timeline::{Arrival, Arrivals, Extent, Spans, Timeline};
