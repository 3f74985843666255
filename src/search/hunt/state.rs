//! Owns `SearchCampaign`: a search while it is played, what it has spent, and what becomes of each load.

use std::time::Duration;

use crate::figures::TrialView;
use crate::play::StopReason;
use crate::search::hunt::watch::ProbeSeen;
use crate::search::hunt::{Aim, Conclusion, Journal};
use crate::search::step::{History, Order, Spent};
use crate::search::{Kept, is_unanswered};

/// Loads in a row that the generator may spoil.
const MOST_SPOILT: u32 = 5;
/// Of a budget of time, how long requests are followed once a load is over, and the least and the most of that.
const FOLLOWED_OF_BUDGET: f64 = 0.04;
const LEAST_FOLLOWED_S: f64 = 0.5;
const LONGEST_FOLLOWED_S: f64 = 3_600.0;

/// A search while it is played.
#[derive(Debug)]
pub struct SearchCampaign {
    pub(super) aim: Aim,
    pub(super) journal: Journal,
    /// When it would have begun, by the clock of the player, had all that the journal knows been played in one go.
    pub(super) began_s: Option<f64>,
    /// By the same clock, when it was last asked for a load.
    pub(super) asked_s: f64,
    /// By the same clock, when a load was asked for whose time is none of the search's.
    pub(super) uncounted_from_s: Option<f64>,
    /// The service does not answer any more.
    pub(super) lost: bool,
    /// The user ended a load.
    pub(super) cut_short: bool,
    /// What is in flight must go before the next probe.
    pub(super) rests: bool,
    /// Since the last probe it was tried to measure the saturated service again: once, whatever came of it.
    pub(super) saturated_again: bool,
    /// The load that was asked for last.
    pub(super) ordered: Option<Ordered>,
    /// Loads that have begun and are not decided: one, or two while one is issued beside the last.
    pub(super) open: Vec<Begun>,
    /// How far the service has been saturated.
    pub(super) saturating: Option<Saturating>,
}

/// A load that a search asks for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ordered {
    /// The unloaded service.
    Floor,
    /// The most that may be sent, in requests per second, before the service is saturated by so many completions.
    Most { per_s: f64, completions: u64 },
    /// A closed loop of so many in flight.
    Stage { in_flight: u32, most_s: f64 },
    /// The closed loop that saturated the service, once more.
    Again,
    /// A probe.
    Probe(Order),
    /// A certificate.
    Certificate(Order),
}

/// A load that has begun and is not decided.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) place: usize,
    pub(super) ordered: Ordered,
    /// Why its rule ended it, if it did.
    pub(super) reason: Option<StopReason>,
    /// Of a probe: how it stood when its rule ended it.
    pub(super) seen: Option<ProbeSeen>,
}

/// How far a service has been saturated, stage by stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saturating {
    /// Completions of the last stage.
    pub(super) completions: u64,
    /// Requests that all stages may take.
    pub(super) requests: u64,
    /// What had been spent before the first stage, in requests.
    pub(super) begun_requests: u64,
    /// All stages end when so many seconds are spent.
    pub(super) until_s: f64,
    /// The number of the next stage, from 0.
    pub(super) stage: usize,
    /// What the stage before completed per second, where that is known.
    pub(super) before_per_s: Option<f64>,
}

/// Whether the service refused some: it is there, and takes no more.
fn is_refused(view: &TrialView) -> bool {
    view.run_totals.refused() > 0
}

impl SearchCampaign {
    /// A search for `aim` from its beginning.
    #[must_use]
    pub fn new(aim: Aim) -> Self {
        Self::after(aim, Journal::default())
    }

    /// What is left of a search after `journal`.
    #[must_use]
    pub fn after(aim: Aim, journal: Journal) -> Self {
        Self {
            aim,
            journal,
            began_s: None,
            asked_s: 0.0,
            uncounted_from_s: None,
            lost: false,
            cut_short: false,
            rests: false,
            saturated_again: false,
            ordered: None,
            open: Vec::new(),
            saturating: None,
        }
    }

    /// What it knows.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The same, once it is over.
    #[must_use]
    pub fn into_journal(self) -> Journal {
        self.journal
    }

    /// Whether nothing more is to be played, answer or not.
    pub(super) fn has_ended(&self) -> bool {
        self.lost || self.cut_short || self.journal.spoilt >= MOST_SPOILT
    }

    /// How it ends without an answer.
    pub(super) fn conclusion(&self) -> Conclusion {
        if self.lost {
            Conclusion::Lost
        } else if self.journal.spoilt >= MOST_SPOILT {
            Conclusion::Spoilt
        } else {
            Conclusion::Halted
        }
    }

    /// The evidence with that of a probe whose requests are still followed; none while that has to be waited for.
    pub(super) fn known(&self) -> Option<History> {
        let mut history = self.journal.history.clone();
        for begun in &self.open {
            history.probes.push(begun.seen.as_ref().filter(|seen| !seen.is_lost)?.probe.clone());
        }
        Some(history)
    }

    /// Brings what was spent up to the clock: waiting for a backlog to go is time of the service, too.
    pub(super) fn account(&mut self, elapsed_s: f64) {
        let began_s = self.began_s.unwrap_or_else(|| elapsed_s - self.journal.history.spent().seconds);
        // As the requests of a certificate, its time is none of the search's.
        let uncounted_s = self.uncounted_from_s.take().map(|from_s| elapsed_s - from_s);
        let began_s = uncounted_s.map_or(began_s, |uncounted_s| began_s + uncounted_s);
        (self.began_s, self.asked_s) = (Some(began_s), elapsed_s);
        if let Some(known) = self.known() {
            self.journal.history.overhead.seconds += (elapsed_s - began_s - known.spent().seconds).max(0.0);
        }
    }

    /// What is left of the budget.
    pub(super) fn left(&self) -> Spent {
        self.journal.question(&self.aim).budget().left(self.journal.history.spent())
    }

    /// How long the requests of a load are followed at most when it is over: a budget of time has an end.
    pub(super) fn followed_at_most(&self) -> Duration {
        self.aim.question.budget().seconds.map_or(Duration::MAX, |seconds| {
            Duration::from_secs_f64((FOLLOWED_OF_BUDGET * seconds).clamp(LEAST_FOLLOWED_S, LONGEST_FOLLOWED_S))
        })
    }

    /// What becomes of a load that showed this.
    pub(super) fn judge(&mut self, view: &TrialView, is_cut_short: bool, is_lost: bool) -> Kept {
        if is_cut_short {
            self.cut_short = true;
            return Kept::CutShort;
        }
        // What a budget cut off before its first answer is slow, not lost.
        let totals = &view.run_totals;
        let is_cut = self.aim.question.budget().seconds.is_some()
            && totals.unresolved > 0
            && totals.failed + totals.timed_out == 0;
        if is_lost || (is_unanswered(view) && !is_refused(view) && !is_cut) {
            self.lost = true;
            return Kept::Lost;
        }
        self.journal.spoilt = if view.health.healthy { 0 } else { self.journal.spoilt + 1 };
        if view.health.healthy { Kept::Evidence } else { Kept::Spoilt }
    }
}

/// The parts of a load that are measured and that follow, from seconds; with the discard in front.
pub(super) fn lengths(discard_s: f64, window_s: f64, cooldown_s: f64) -> (Duration, Option<[Duration; 2]>) {
    let [discard, window, cooldown] =
        [discard_s, window_s, cooldown_s].map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    (discard, Some([window, cooldown]))
}
