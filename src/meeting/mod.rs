//! Owns the meeting of the shards of one plan: in a folder that all of them see, they find each other, refuse what does
//! not fit, agree on a start, and leave their results.

mod announcement;
mod place;
mod shared_clock;
mod together;

pub(crate) use announcement::Announcement;
pub use shared_clock::SharedClock;
pub(crate) use together::{Meeting, is_meeting_place, results_in};
