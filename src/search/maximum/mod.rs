//! Owns the search as a campaign: each order of the step becomes a load of one session, live or in virtual time,
//! and the result of the load becomes evidence for the next step.

mod aim;
mod campaign;
mod certify;
mod conclusion;
mod course;
mod evidence;
mod figures;
mod findings;
mod first;
mod journal;
mod load;
mod outcome;
mod state;
mod watch;

pub use aim::{Aim, Asked, Wanted};
pub use conclusion::Conclusion;
pub use course::{BracketAfter, SearchCourse};
pub use figures::Figures;
pub use findings::{Load, SearchFindings, Shortfall};
pub use journal::{Certificate, Journal, Purpose};
pub use outcome::Outcome;
pub use state::SearchCampaign;
