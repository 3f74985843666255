//! Owns campaigns of many loads: which load comes next, how saturation is recognised, and what a sweep has found.

mod axis;
mod blueprint;
mod campaign;
mod capacity;
mod drive;
mod findings;
mod follow;
mod knee;
pub mod maximum;
mod pass;
mod point;
mod point_findings;
mod rates;
mod saturation;
mod signs;
mod steady;
pub mod step;
mod sweep;
mod sweep_campaign;

pub use axis::{Axis, Level};
pub use blueprint::Blueprint;
pub use campaign::{Campaign, Event, Kept, Next, NextLoad};
pub(crate) use capacity::mean_e2e_s;
pub use capacity::{CompletionRate, completion_rate, unloaded_per_s};
pub use drive::drive;
pub use findings::SweepFindings;
pub use knee::Knee;
pub use pass::Pass;
pub use point::Point;
pub use point_findings::PointFindings;
pub use rates::{parse_concurrencies, parse_rates, rates_as_given};
pub use saturation::{Bound, Saturation};
pub use signs::{Reading, Sign, Stability, read_signs, stability_of};
pub use steady::{OVERLOAD, Steadiness, steadiness};
pub use sweep::{Finished, Pending, Sweep, SweepCourse, SweepStep, is_unanswered};
pub use sweep_campaign::SweepCampaign;
