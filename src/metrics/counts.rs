//! Owns `Counts`, requests by how they ended: the books that must balance.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{FailureClass, Outcome, REFUSALS, Record};

/// Requests by outcome. planned = completed + failed + timed out + unresolved + shed + cancelled + skipped + abandoned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// All of them, released ones included.
    pub planned: u64,
    /// Sends begun.
    pub sent: u64,
    /// See [`Outcome`].
    pub completed: u64,
    /// See [`Outcome`].
    pub failed: u64,
    /// See [`Outcome`].
    pub timed_out: u64,
    /// See [`Outcome`].
    pub unresolved: u64,
    /// See [`Outcome`].
    pub shed: u64,
    /// See [`Outcome`].
    pub cancelled: u64,
    /// See [`Outcome`].
    pub skipped: u64,
    /// See [`Outcome`].
    pub abandoned: u64,
    /// Planned after the instant at which the run was cut short; outside `planned`.
    pub not_due: u64,
    /// The failed ones by class; a status has its number (`status_429`).
    pub failures: BTreeMap<String, u64>,
    /// Those that failed or timed out, by target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missed_by_target: BTreeMap<String, u64>,
}

impl Counts {
    /// The name under which a failure is counted.
    pub(super) fn kind_of(class: FailureClass, status: Option<u16>) -> String {
        match (class, status) {
            (FailureClass::Status, Some(status)) => format!("status_{status}"),
            (class, _) => class.name().to_owned(),
        }
    }

    /// Counts one request.
    pub fn add(&mut self, record: &Record) {
        self.planned += 1;
        self.sent += u64::from(record.exchange.sent.is_some());
        if matches!(record.exchange.outcome, Outcome::Failed(_) | Outcome::TimedOut) {
            match self.missed_by_target.get_mut(&*record.target) {
                Some(number) => *number += 1,
                None => _ = self.missed_by_target.insert(record.target.to_string(), 1),
            }
        }
        match &record.exchange.outcome {
            Outcome::Completed => self.completed += 1,
            Outcome::Failed(failure) => {
                self.failed += 1;
                *self.failures.entry(Self::kind_of(failure.class, record.exchange.status)).or_default() += 1;
            }
            Outcome::TimedOut => self.timed_out += 1,
            Outcome::Unresolved => self.unresolved += 1,
            Outcome::Shed => self.shed += 1,
            Outcome::Cancelled => self.cancelled += 1,
            Outcome::Skipped => self.skipped += 1,
            Outcome::Abandoned => self.abandoned += 1,
        }
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.completed += other.completed;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.unresolved += other.unresolved;
        self.shed += other.shed;
        self.cancelled += other.cancelled;
        self.skipped += other.skipped;
        self.abandoned += other.abandoned;
        self.not_due += other.not_due;
        for (class, count) in &other.failures {
            *self.failures.entry(class.clone()).or_default() += count;
        }
        for (target, count) in &other.missed_by_target {
            *self.missed_by_target.entry(target.clone()).or_default() += count;
        }
    }

    /// Those that a server that works refused for load.
    #[must_use]
    pub fn refused(&self) -> u64 {
        REFUSALS.iter().filter_map(|status| self.failures.get(&format!("status_{status}"))).sum()
    }

    /// Those that neither completed nor failed.
    #[must_use]
    pub fn rest(&self) -> u64 {
        self.planned.saturating_sub(self.completed + self.failed)
    }

    /// Whether every planned request has exactly one outcome.
    #[must_use]
    pub fn balance(&self) -> bool {
        let ended = self.completed + self.failed + self.timed_out + self.unresolved + self.shed + self.cancelled;
        self.planned == ended + self.skipped + self.abandoned
    }
}
