//! Owns the contract between loads and whoever plays them.

mod observer;
mod player;
mod segment;
mod steering;
mod trial;

pub use observer::{Look, Observer};
pub use player::Play;
pub use segment::Segment;
pub use steering::{LiveCounts, Steering, StopRule, Watched};
pub use trial::Trial;
