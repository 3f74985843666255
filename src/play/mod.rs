//! Owns the contract between loads and the player that runs them.

mod alarm;
mod counts;
mod first_rules;
mod growth;
mod observer;
mod player;
mod probe;
mod segment;
mod steering;
mod stop;
mod trial;
mod watched;

pub use alarm::{BacklogAlarm, MissAlarm};
pub use counts::LiveCounts;
pub use first_rules::{AgainRule, FloorObjective, FloorRule, StageRule};
pub use growth::{Growth, Signs};
pub use observer::{Look, Observer};
pub use player::{Issued, Play};
pub use probe::{Looks, ProbeKind, ProbeRule};
pub use segment::Segment;
pub(crate) use steering::Steering;
pub use stop::{StopRule, WatchRule};
pub use trial::Trial;
pub use watched::{StopReason, Watched};
