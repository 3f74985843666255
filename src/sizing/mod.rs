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
pub use capacity::{
    Capacity, CertificateFigures, Evidence, SearchFigures, capacity_of_rows, capacity_of_search, capacity_of_trials,
};
pub use check::{Check, CheckNote, CheckView, MOST_REPLICAS, PolicyView, Stretch, StretchView};
pub use class::Class;
pub use classes::capacity_of_classes;
pub use cost::{HOURS_PER_MONTH, Price, UnitCost};
pub use demand::{Burstiness, Demand, Growth, PeakPoint, demand_of_profile, demand_of_rate, demand_of_rows};
pub use doubt::RateDoubt;
pub use enumerate::{Machine, Mix, cheapest};
pub use fleet::{ChoiceView, Fleet};
pub use foreign::{Foreign, foreign_rows};
pub use interval::RateInterval;
pub use judged::{Measured, Standing};
pub use remark::{Assumption, Backlog, FleetNote, RankedBy, Spread};
pub use size::{Choice, MOST_CHOICES, Terms, replicas_for, size};
pub use split::{Balancing, is_smooth};
pub use stretch::busiest;
