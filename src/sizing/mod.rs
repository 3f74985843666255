//! Owns many servers: what one replica carries, what is demanded, and the fleet that follows, with its cost. All of
//! it is pure.

mod bursts;
mod capacity;
mod check;
mod classes;
mod cost;
mod demand;
mod enumerate;
mod explain;
mod fleet;
mod foreign;
mod judged;
mod split;
mod stretch;

pub use bursts::Burst;
pub use capacity::{
    Capacity, CertificateFigures, Evidence, RateInterval, SearchFigures, capacity_of_rows, capacity_of_search,
    capacity_of_trials,
};
pub use check::{Check, CheckView, MOST_REPLICAS, PolicyView, Stretch, StretchView};
pub use classes::{Class, capacity_of_classes};
pub use cost::{HOURS_PER_MONTH, Price, UnitCost};
pub use demand::{Burstiness, Demand, Growth, PeakPoint, demand_of_profile, demand_of_rate, demand_of_rows};
pub use enumerate::{Machine, Mix, cheapest};
pub use fleet::{Choice, ChoiceView, Fleet, MOST_CHOICES, Terms, replicas_for, size};
pub use foreign::{Foreign, foreign_rows};
pub use judged::{Measured, Standing};
pub use split::{Balancing, is_smooth};
pub use stretch::busiest;
