//! Owns `SearchCampaign`: a search while it runs, what it has spent, and whether each load is kept.

use std::time::Duration;

use crate::figures::TrialView;
use crate::play::StopReason;
use crate::search::maximum::watch::ProbeSeen;
use crate::search::maximum::{Aim, Conclusion, Journal};
use crate::search::step::{History, Order, Spent};
use crate::search::{Kept, is_unanswered};

/// Number of loads in a row that the generator may spoil before the search ends.
const MOST_SPOILT: u32 = 5;
/// How long requests are followed after the end of a load: a share of the budget of time, and the bounds in
/// seconds.
const FOLLOWED_OF_BUDGET: f64 = 0.04;
const LEAST_FOLLOWED_S: f64 = 0.5;
const LONGEST_FOLLOWED_S: f64 = 3_600.0;

/// A search while it runs.
#[derive(Debug)]
pub struct SearchCampaign {
    pub(super) aim: Aim,
    pub(super) journal: Journal,
    /// Start of the search by the clock of the player, as if everything in the journal had run without a pause.
    pub(super) began_s: Option<f64>,
    /// Time by the clock of the player at which the last load was requested.
    pub(super) asked_s: f64,
    /// Time by the clock of the player at which a load was requested whose time does not count for the search.
    pub(super) uncounted_from_s: Option<f64>,
    /// The service has stopped answering.
    pub(super) lost: bool,
    /// The user ended a load.
    pub(super) cut_short: bool,
    /// No request may be in flight when the next probe begins.
    pub(super) rests: bool,
    /// Whether the saturated service was measured again since the last probe. This is tried once, whatever the
    /// result.
    pub(super) saturated_again: bool,
    /// The load that was requested last.
    pub(super) ordered: Option<Ordered>,
    /// Loads that have begun and are not final: one, or two while a load is issued beside the last.
    pub(super) open: Vec<Begun>,
    /// Progress of the saturation.
    pub(super) saturating: Option<Saturating>,
}

/// A load that a search requests.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ordered {
    /// The measurement of the unloaded service.
    Floor,
    /// The highest rate that may be sent, in requests per second. It runs before the service is saturated with
    /// `completions` completions.
    Most { per_s: f64, completions: u64 },
    /// A closed loop with this many requests in flight.
    Stage { in_flight: u32, most_s: f64 },
    /// The closed loop that saturated the service, repeated.
    Again,
    /// A probe.
    Probe(Order),
    /// A certificate.
    Certificate(Order),
}

/// A load that has begun and is not final.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) place: usize,
    pub(super) ordered: Ordered,
    /// Why the rule ended the load, if it did.
    pub(super) reason: Option<StopReason>,
    /// For a probe: its state when its rule ended it.
    pub(super) seen: Option<ProbeSeen>,
}

/// Progress of the saturation, stage by stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saturating {
    /// Completions of the last stage.
    pub(super) completions: u64,
    /// Requests that all stages may take.
    pub(super) requests: u64,
    /// Requests spent before the first stage.
    pub(super) begun_requests: u64,
    /// All stages end when the search has spent this many seconds.
    pub(super) until_s: f64,
    /// The number of the next stage, from 0.
    pub(super) stage: usize,
    /// Completions per second of the stage before, if known.
    pub(super) before_per_s: Option<f64>,
}

/// Whether the service refused some requests: it is alive, and accepts no more.
fn is_refused(view: &TrialView) -> bool {
    view.run_totals.refused() > 0
}

impl SearchCampaign {
    /// A search for `aim`, from its beginning.
    #[must_use]
    pub fn new(aim: Aim) -> Self {
        Self::after(aim, Journal::default())
    }

    /// The rest of a search after `journal`.
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

    /// The journal of the search.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The journal, once the search is over.
    #[must_use]
    pub fn into_journal(self) -> Journal {
        self.journal
    }

    /// Whether nothing more is to be sent, with or without an answer.
    pub(super) fn has_ended(&self) -> bool {
        self.lost || self.cut_short || self.journal.spoilt >= MOST_SPOILT
    }

    /// The conclusion without an answer.
    pub(super) fn conclusion(&self) -> Conclusion {
        if self.lost {
            Conclusion::Lost
        } else if self.journal.spoilt >= MOST_SPOILT {
            Conclusion::Spoilt
        } else {
            Conclusion::Halted
        }
    }

    /// The evidence, including that of probes whose requests are still followed; `None` while such a probe must be
    /// awaited.
    pub(super) fn known(&self) -> Option<History> {
        let mut history = self.journal.history.clone();
        for begun in &self.open {
            history.probes.push(begun.seen.as_ref().filter(|seen| !seen.is_lost)?.probe.clone());
        }
        Some(history)
    }

    /// Updates the time spent to the clock: waiting until a backlog is gone is time of the service, too.
    pub(super) fn account(&mut self, elapsed_s: f64) {
        let began_s = self.began_s.unwrap_or_else(|| elapsed_s - self.journal.history.spent().seconds);
        // Like its requests, the time of a certificate does not count for the search.
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

    /// The longest time for which requests are followed after the end of their load; limited if there is a budget
    /// of time.
    pub(super) fn followed_at_most(&self) -> Duration {
        self.aim.question.budget().seconds.map_or(Duration::MAX, |seconds| {
            Duration::from_secs_f64((FOLLOWED_OF_BUDGET * seconds).clamp(LEAST_FOLLOWED_S, LONGEST_FOLLOWED_S))
        })
    }

    /// Whether a load with this result is kept.
    pub(super) fn judge(&mut self, view: &TrialView, is_cut_short: bool, is_lost: bool) -> Kept {
        if is_cut_short {
            self.cut_short = true;
            return Kept::CutShort;
        }
        // A service whose first response was cut off by the budget is slow, not lost.
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

/// The durations of a load from seconds: the discard, then the window and the cool-down.
pub(super) fn lengths(discard_s: f64, window_s: f64, cooldown_s: f64) -> (Duration, Option<[Duration; 2]>) {
    let [discard, window, cooldown] =
        [discard_s, window_s, cooldown_s].map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    (discard, Some([window, cooldown]))
}
