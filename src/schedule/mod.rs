//! Owns the schedule: the rate over time, arrival processes, and the timeline of planned instants, made on demand.

mod clause;
mod curve;
mod extent;
mod gaps;
mod help;
mod law;
mod overlay;
mod pattern;
mod picture;
mod piece;
mod process;
mod profile;
mod quota;
mod replay;
mod shape;
mod superposed;
mod timeline;
mod warp;

pub use curve::{Curve, RateStep};
pub use extent::Extent;
pub(crate) use gaps::{UnitArrivals, gamma};
pub(crate) use help::{overlay_forms, profile_forms};
pub use law::{LawCheck, LawVerdict};
pub use overlay::Overlay;
pub use pattern::Pattern;
pub(crate) use picture::draw_rate;
pub use process::{Cv, Process};
pub use profile::Profile;
pub use quota::{Gate, Period, Quota};
pub use replay::{Recorded, TimeScale};
pub(crate) use shape::Observer;
pub use shape::{Dispersion, GapShape};
pub use superposed::ArrivalStream;
pub use timeline::{Arrival, Arrivals, Spans, Timeline};
