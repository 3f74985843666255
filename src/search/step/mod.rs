//! Owns the step of the search for the highest load that meets the objectives: from the trials so far to the next
//! probe or the answer.
//!
//! The step is pure and deterministic: the same evidence gives the same step on every machine (`libm` mathematics,
//! no clock, no random draw). So one piece of code searches over closed-form queues, over the simulator in virtual
//! time and against a live server, and a killed search continues where it stopped. The coverage of its intervals is
//! measured in `benches/coverage.rs`.
//!
//! # What is decided, and on what evidence
//!
//! An objective with quantile q and limit T allows a share of misses of at most α = 1 − q. The answer is the
//! highest level at which each objective holds in steady state and the service keeps up. A level is judged by
//! *probes*. A probe first discards requests until the number in flight shows no trend; then it measures a window.
//! The window lasts at least limit ÷ resolution seconds, the time in which an overload by the resolution becomes
//! visible. It holds enough requests to make some misses likely at the answer.
//!
//! * **The curve proposes** (`curve`, `posterior`): share(r) = f + (1 − f) e^−y(r). The answer R, the bend b and the
//!   floor f (misses that load does not cause) are unknown. The next probe runs at a quantile of the posterior of R.
//! * **Overdispersion comes from data** (`cluster`, `overdispersion`). Misses come in episodes, and φ = Σ S² ÷ Σ S over
//!   episodes of S misses. The scatter between probes and the episodes of crowding are used too. A formula is used
//!   only as far as all of these are missing. Fewer than about ten independent episodes near the answer do not support
//!   a claim ([`Doubt::Episodes`]); if the service times have a heavy tail, fewer than forty do not.
//! * **Stability is a demand** (`steady`). The growth of the number in flight over each window, with its standard
//!   error, gives the likelihood of the capacity: the highest rate that the service keeps up with. The throughput of
//!   the saturated service is a vague prior of the capacity.
//! * **Probes are stopped early only if the rest of the window could not change the result** (`alarm`). Their misses
//!   are a lower bound of the misses of the whole window.
//! * **The answer is checked** (`trust`, `drift`, `direct`): isotonic regression against the curve, and earlier against
//!   later probes. If the curve does not fit, the interval is widened to the one that the probes show without it.
//!   Probes above the best estimate must fail. Requests at moderate rates must show that misses which load does not
//!   cause leave room below α ([`Doubt::Floor`]). A service that falls behind below a rate with which it kept up has
//!   more than one answer ([`Doubt::Collapse`]).

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

pub use crate::play::{Growth, Signs};
pub use alarm::{Alarm, alarm};
pub(super) use alarm::{backlog_alarm, miss_alarm};
pub(super) use answer::FAILING;
pub(super) use answer::step_seen;
pub use answer::{Answer, Finding, MOST_PROBES, Order, Step, failing, fits, step};
pub use certify::{Certified, certificate, certificate_price, certified};
pub use cluster::{Calm, Clusters, Episodes, Seen, clusters, clusters_in_rounds, crowding};
pub use direct::Direct;
pub use evidence::{Capacity, Count, End, History, Probe, Saturation, is_plain};
pub use posterior::{Bracket, Picture};
pub use price::{precision_for, price};
pub use question::{Budget, Demand, Question, Spent};
pub use trust::Doubt;
