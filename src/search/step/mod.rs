//! Owns the step of the search for the highest load that meets the objectives: from the trials so far to the next probe or the answer.
//!
//! Pure and deterministic: the same evidence gives the same step on every machine (`libm` mathematics, no clock, no draw), so that a
//! search over closed-form queues, over the simulator in virtual time and against a live server is one piece of code, and a search that
//! was killed goes on where it stood. How well its intervals cover is measured in `benches/coverage.rs`.

mod alarm;
mod answer;
mod certify;
mod cluster;
mod curve;
mod direct;
mod drift;
mod evidence;
mod overdispersion;
mod posterior;
mod price;
mod question;
mod steady;
mod trust;

pub use alarm::{Alarm, Signs, alarm, is_plain};
pub use answer::{Answer, Finding, Order, Step, failing, step};
pub use certify::{Certified, certificate, certificate_price, certified, fits};
pub use cluster::{Calm, Clusters, Episodes, Seen, clusters, clusters_in_rounds, crowding};
pub use direct::Direct;
pub use evidence::{Capacity, Count, End, Growth, History, Probe, Spent};
pub use posterior::{Bracket, Picture};
pub use price::{precision_for, price};
pub use question::{Budget, Demand, Question};
pub use trust::Doubt;
