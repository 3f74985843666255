//! Owns `Counts`, requests by outcome: the outcomes must add up to the planned requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{FailureClass, Outcome, REFUSALS, Record};
use crate::units::is_unsaid;

/// Requests by outcome. planned = completed + failed + timed out + unresolved + shed + cancelled + skipped + abandoned.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// All requests, released ones included.
    pub planned: u64,
    /// Requests of which the send began.
    pub sent: u64,
    /// Requests with outcome [`Outcome::Completed`].
    pub completed: u64,
    /// Requests with outcome [`Outcome::Failed`].
    pub failed: u64,
    /// Requests with outcome [`Outcome::TimedOut`].
    pub timed_out: u64,
    /// Requests with outcome [`Outcome::Unresolved`].
    pub unresolved: u64,
    /// Requests with outcome [`Outcome::Shed`].
    pub shed: u64,
    /// Requests with outcome [`Outcome::Cancelled`].
    pub cancelled: u64,
    /// Requests that the plan cancels unless they end before, whatever their outcome.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub to_cancel: u64,
    /// Requests with outcome [`Outcome::Skipped`].
    pub skipped: u64,
    /// Requests with outcome [`Outcome::Abandoned`].
    pub abandoned: u64,
    /// Requests planned after the instant at which the run was cut short; not part of `planned`.
    pub not_due: u64,
    /// The failed requests by class; a status has its number (`status_429`).
    pub failures: BTreeMap<String, u64>,
    /// Requests that failed or timed out, by target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missed_by_target: BTreeMap<String, u64>,
    /// Number of answers by finish reason, as the server gave it; `[DONE] only` for a completed answer without one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub finish_reasons: BTreeMap<String, u64>,
}

/// The name under which completed answers without a finish reason are counted.
pub(super) const NO_REASON: &str = "[DONE] only";
/// The name under which all finish reasons but the first [`MOST_REASONS`] in alphabetical order are counted.
const OTHER_REASONS: &str = "~ other";
/// The most distinct finish reasons that are kept by name: ten times as many as any server has.
const MOST_REASONS: usize = 64;

/// Adds `number` to the count of `reason`. The first reasons in alphabetical order keep their names, so that the order
/// of adding has no effect.
fn add_reason(reasons: &mut BTreeMap<String, u64>, reason: &str, number: u64) {
    match reasons.get_mut(reason) {
        Some(known) => *known += number,
        None => _ = reasons.insert(reason.to_owned(), number),
    }
    let named = reasons.len() - usize::from(reasons.contains_key(OTHER_REASONS));
    if named > MOST_REASONS {
        let last = reasons.keys().rfind(|name| *name != OTHER_REASONS).cloned();
        let moved = last.and_then(|name| reasons.remove(&name)).unwrap_or(0);
        *reasons.entry(OTHER_REASONS.to_owned()).or_default() += moved;
    }
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
        self.to_cancel += u64::from(record.cancel_after.is_some());
        if matches!(record.exchange.outcome, Outcome::Failed(_) | Outcome::TimedOut) {
            match self.missed_by_target.get_mut(&*record.target) {
                Some(number) => *number += 1,
                None => _ = self.missed_by_target.insert(record.target.to_string(), 1),
            }
        }
        let completed = record.exchange.outcome == Outcome::Completed;
        // An answer without output tokens (embeddings) has no finish reason to give.
        let generated = record.asked_output_tokens > 0
            || record.exchange.events > 0
            || record.exchange.server_output_tokens().is_some();
        let none = (completed && generated).then_some(NO_REASON);
        if let Some(reason) = record.exchange.finish_reason.as_deref().or(none) {
            add_reason(&mut self.finish_reasons, reason, 1);
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
        self.to_cancel += other.to_cancel;
        self.skipped += other.skipped;
        self.abandoned += other.abandoned;
        self.not_due += other.not_due;
        for (class, count) in &other.failures {
            *self.failures.entry(class.clone()).or_default() += count;
        }
        for (reason, count) in &other.finish_reasons {
            add_reason(&mut self.finish_reasons, reason, *count);
        }
        for (target, count) in &other.missed_by_target {
            *self.missed_by_target.entry(target.clone()).or_default() += count;
        }
    }

    /// Requests that a working server refused because of load.
    #[must_use]
    pub fn refused(&self) -> u64 {
        REFUSALS.iter().filter_map(|status| self.failures.get(&format!("status_{status}"))).sum()
    }

    /// Requests that neither completed nor failed.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_without_end_are_bounded_and_no_order_shows() {
        let names: Vec<String> = (0..500).map(|id| format!("reason {:03}", id * 7 % 500)).collect();
        let counted = |names: &mut dyn Iterator<Item = &String>| {
            let mut reasons = BTreeMap::new();
            names.for_each(|name| add_reason(&mut reasons, name, 1));
            reasons
        };
        let (forward, backward) = (counted(&mut names.iter()), counted(&mut names.iter().rev()));
        assert_eq!(forward, backward);
        assert_eq!((forward.len(), forward.values().sum::<u64>()), (MOST_REASONS + 1, 500));
        assert_eq!(forward[OTHER_REASONS], 436);
    }
}
