//! Owns the search as a campaign: every order of the step turned into loads on one session, live or in virtual time,
//! and what they show turned into the evidence of the next step.

mod aim;
mod campaign;
mod certify;
mod conclusion;
mod facts;
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
pub use figures::Figures;
pub use findings::{Load, SearchFindings, Shortfall};
pub use journal::{Certificate, Journal, Purpose};
pub use outcome::Outcome;
pub use state::SearchCampaign;
