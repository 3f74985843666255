//! Owns the exit codes.

use std::process::ExitCode;

use crate::error::Error;
use crate::metrics::{Ended, VerdictResult};
use crate::results::Report;
use crate::search::Finished;
use crate::search::maximum::Outcome;
use crate::search::step::Certified;

/// How the process ends; each case has an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Objectives met, or none given.
    Done,
    /// An objective failed.
    Failed,
    /// The command line, the configuration or a file is at fault.
    Usage,
    /// The result, or a part of it, could not be written; it was printed.
    Output,
    /// No request completed, or the target cannot be used.
    TargetLost,
    /// The objectives are neither met nor refuted.
    Inconclusive,
    /// Stopped by a signal; the partial result is written.
    Interrupted,
}

impl Exit {
    /// The exit code of the process.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage | Self::Output => 2,
            Self::TargetLost => 3,
            Self::Inconclusive => 4,
            Self::Interrupted => 130,
        }
    }

    /// How a run ends. An interruption counts first, then the loss of the target, then the verdict.
    pub(super) fn of_report(report: &Report) -> Self {
        if let Some(search) = &report.search {
            return match search.finished {
                // No signal came, so the search was not interrupted: it has no answer yet.
                None if report.trials.iter().all(|trial| trial.ended != Ended::Interrupted) => Self::Inconclusive,
                None => Self::Interrupted,
                Some(Outcome::TargetLost) => Self::TargetLost,
                // All requests were refused, which says nothing about a rate.
                Some(Outcome::Infeasible) if report.trials.iter().all(|trial| trial.run_totals.completed == 0) => {
                    Self::TargetLost
                }
                _ if !search.doubts.is_empty() => Self::Inconclusive,
                Some(Outcome::Infeasible) => Self::Failed,
                Some(Outcome::BudgetSpent | Outcome::Unsettled | Outcome::GeneratorUnfit) => Self::Inconclusive,
                _ if search.certificate.as_ref().is_some_and(|certificate| certificate.result != Certified::Pass) => {
                    Self::Inconclusive
                }
                Some(Outcome::Found | Outcome::MostReached(_)) => Self::Done,
            };
        }
        let cut_short = report.sweep.as_ref().is_some_and(|findings| findings.finished.is_none());
        if cut_short || report.trials.iter().any(|trial| trial.ended == Ended::Interrupted) {
            return Self::Interrupted;
        }
        let unanswered = report.sweep.as_ref().is_some_and(|findings| findings.finished == Some(Finished::NoAnswer));
        let is_lost = report.trials.last().is_some_and(|trial| trial.lost.is_some());
        if unanswered || is_lost || report.trials.iter().all(|trial| trial.run_totals.completed == 0) {
            return Self::TargetLost;
        }
        // A sweep deliberately continues to rates at which objectives fail.
        if report.sweep.is_some() {
            return Self::Done;
        }
        let judged = |result| report.trials.iter().any(|trial| trial.verdict.result == result);
        if judged(VerdictResult::Fail) {
            Self::Failed
        } else if judged(VerdictResult::Inconclusive) {
            Self::Inconclusive
        } else {
            Self::Done
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        match error {
            Error::Usage { .. } | Error::Input { .. } => Self::Usage,
            Error::Output { .. } => Self::Output,
            Error::Target { .. } | Error::Internal(_) => Self::TargetLost,
        }
    }
}
