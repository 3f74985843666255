//! Owns the service under test: finds it, starts it if it is embedded, tries it with a small request, and makes room
//! for its connections.

mod find;
mod preflight;
mod preparation;
mod priming;
mod resending;
mod room;
mod sounding;

pub(crate) use find::{Service, Wanted, Whom};
pub use preflight::{Preflight, PreflightAnswer, PreflightFinding, Sample};
pub use preparation::{Preparation, Primers, TargetReset};
pub(crate) use resending::Resending;
pub(crate) use room::make_room;
pub(crate) use sounding::{Patience, Unready};
