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
    /// The generator repeatedly failed to follow the plan.
    Spoilt,
}
