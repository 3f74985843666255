//! Owns `Journal`: what a search knows and has begun, as it is kept on disk.

use serde::{Deserialize, Serialize};

use crate::search::Axis;
use crate::search::hunt::Aim;
use crate::search::step::{Capacity, Certified, History, Probe, Question, Spent};

/// What a search knows. A search that was killed goes on from it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Journal {
    /// The evidence so far.
    pub history: History,
    /// Mean time in the system of the unloaded service, in seconds.
    pub unloaded_s: Option<f64>,
    /// Loads begun, those that came to nothing among them: each draws from streams of its own number.
    pub begun: usize,
    /// Loads in a row that the generator spoilt.
    pub spoilt: u32,
    /// The certificate of the answer to this evidence; what is played after it may change the answer, and ends it.
    pub certificate: Option<Certificate>,
}

/// A fresh run at the lower bound of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Whether it passed by itself.
    pub result: Certified,
    /// What it showed; no evidence of the search.
    #[serde(flatten)]
    pub run: Probe,
}

impl Journal {
    /// The question in force: where closed loops could not saturate the service, nothing faster than what they
    /// completed is sent.
    #[must_use]
    pub fn question(&self, aim: &Aim) -> Question {
        let question = &aim.question;
        match self.history.capacity {
            Some(Capacity::Above(per_s)) if question.over() == Axis::Rate && question.most().is_none() => {
                let least = question.least().filter(|least| *least < per_s);
                question.clone().between(least, Some(per_s)).unwrap_or_else(|_| question.clone())
            }
            _ => question.clone(),
        }
    }

    pub(super) fn waste(&mut self, spent: Spent) {
        self.history.overhead.requests += spent.requests;
        self.history.overhead.seconds += spent.seconds;
    }
}

/// What a load is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The unloaded service.
    Floor,
    /// What it completes when given more.
    Saturation,
    /// Whether it meets the objectives at a rate.
    Probe,
    /// Whether it meets them at the lower bound of the answer, by itself.
    Certificate,
}
