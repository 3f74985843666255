//! Owns `Punctuality`: how well the generator kept the plan, over the planned requests of a cohort. Released requests
//! are left out, because their instants follow from answers.

use serde::{Deserialize, Serialize};

use crate::metrics::{Distribution, Metric, OriginOf};
use crate::record::{Origin, Outcome, Record};

/// How well the generator kept the plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Punctuality {
    /// Planned requests.
    pub planned: u64,
    /// Those of which the send began.
    pub sent: u64,
    /// Those whose body was built after the planned instant.
    pub bodies_late: u64,
    /// Their send lag.
    pub send_lag: Distribution,
}

impl Default for Punctuality {
    fn default() -> Self {
        Self { planned: 0, sent: 0, bodies_late: 0, send_lag: Distribution::new(Metric::SendLag) }
    }
}

impl Punctuality {
    /// Adds a record of the cohort.
    pub(super) fn add(&mut self, record: &Record) {
        if record.origin == Origin::Planned {
            let exchange = &record.exchange;
            self.planned += 1;
            self.sent += u64::from(exchange.sent.is_some());
            self.bodies_late += u64::from(exchange.built_late.is_some());
            let lag = Metric::SendLag.value(record, OriginOf::Scheduled);
            self.send_lag.add(lag, exchange.outcome == Outcome::Completed);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.bodies_late += other.bodies_late;
        self.send_lag.merge(&other.send_lag);
    }
}
