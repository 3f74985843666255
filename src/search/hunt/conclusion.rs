//! Owns `Conclusion`: how a search ends.

use crate::search::step::Answer;

/// How a search ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Conclusion {
    /// With an answer.
    Answered(Box<Answer>),
    /// The user ended it.
    Halted,
    /// The service stopped answering.
    Lost,
    /// The generator could not do what was planned, again and again.
    Spoilt,
}
