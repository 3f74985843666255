//! Owns the sizing of fleets: the rate that one replica carries, the demand, and the fleet for it, with its cost. All
//! functions are pure.

mod bursts;
mod capacity;
mod check;
mod class;
mod classes;
mod cost;
mod demand;
mod doubt;
mod enumerate;
mod explain;
mod fleet;
mod foreign;
mod interval;
mod judged;
mod remark;
mod size;
mod split;
mod stretch;

pub use bursts::Burst;
pub(crate) use capacity::{
    Capacity, Evidence, SearchFigures, capacity_of_rows, capacity_of_search, capacity_of_trials,
};
pub use check::{Check, CheckNote, CheckView, PolicyView, Stretch, StretchView};
pub(crate) use class::Class;
pub(crate) use classes::capacity_of_classes;
pub(crate) use cost::{HOURS_PER_MONTH, Price, UnitCost};
pub use demand::{Burstiness, Demand, Growth, PeakPoint, demand_of_rows};
pub(crate) use demand::{demand_of_profile, demand_of_rate};
pub(crate) use doubt::RateDoubt;
pub(crate) use fleet::{ChoiceView, Fleet};
pub(crate) use foreign::foreign_rows;
pub(crate) use interval::RateInterval;
pub(crate) use judged::{Measured, Standing};
pub(crate) use remark::{Assumption, Backlog, FleetNote, RankedBy, Spread};
pub(crate) use size::{Choice, MOST_CHOICES, size};
pub use size::{Terms, replicas_for};
pub(crate) use split::{Balancing, is_smooth};
pub(crate) use stretch::busiest;
