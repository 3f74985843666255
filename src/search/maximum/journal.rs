//! Owns `Journal`: what a search knows and has begun, as stored on disk.

use serde::{Deserialize, Serialize};

use crate::search::maximum::Aim;
use crate::search::step::{Capacity, Certified, History, Probe, Question, Spent};

/// What a search knows. A killed search continues from it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Journal {
    /// The evidence so far.
    pub history: History,
    /// Mean time in the system of the unloaded service, in seconds.
    pub unloaded_s: Option<f64>,
    /// Number of loads begun, including those without a result. Each load draws from the random streams of its own
    /// number.
    pub begun: usize,
    /// Number of loads in a row that the generator spoilt.
    pub spoilt: u32,
    /// The certificate of the answer to this evidence. A later probe may change the answer, and removes the
    /// certificate.
    pub certificate: Option<Certificate>,
}

/// A fresh run at the lower bound of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Whether the run passed by itself.
    pub result: Certified,
    /// The result of the run; it is not evidence of the search.
    #[serde(flatten)]
    pub run: Probe,
}

impl Journal {
    /// The question in force: if closed loops could not saturate the service, no rate above their throughput is
    /// sent.
    #[must_use]
    pub fn question(&self, aim: &Aim) -> Question {
        let question = &aim.question;
        match self.history.capacity {
            Some(Capacity::Above(per_s)) if question.over().is_open() && question.most().is_none() => {
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

/// The purpose of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Measures the unloaded service.
    Floor,
    /// Measures the throughput of the saturated service.
    Saturation,
    /// Measures whether the service meets the objectives at one level.
    Probe,
    /// Measures whether the lower bound of the answer meets the objectives by itself.
    Certificate,
}
