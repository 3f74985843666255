//! Owns the loads of a search while it runs: how each is begun, judged, and kept as evidence.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::Ended;
use crate::play::{LiveCounts, Segment, StopRule, Trial, Watched};
use crate::schedule::TimeScale;
use crate::search::capacity::in_window;
use crate::search::hunt::facts::{planned, probe_of};
use crate::search::hunt::watch::{ProbeSeen, rule_of, seen_of};
use crate::search::hunt::{Aim, Certificate, Event, Journal, Kept, Purpose};
use crate::search::step::{Demand, End, History, Order, Picture, Probe, Spent, certified};
use crate::search::{Blueprint, Level, Point, PointLoad, is_unanswered};
use crate::units::Rate;
use crate::workload::Plan;

/// Loads in a row that the generator may spoil.
pub(super) const MOST_SPOILT: u32 = 5;
/// Of a window, of the longest limit and of the mean time in the system: how long the requests of a window are
/// followed at most, the load going on.
const FOLLOWED: [f64; 3] = [1.0, 4.0, 10.0];

/// Of a budget of time, how long requests are followed once a load is over, and the least and the most of that.
const FOLLOWED_OF_BUDGET: f64 = 0.04;
const LEAST_FOLLOWED_S: f64 = 0.5;
const LONGEST_FOLLOWED_S: f64 = 3_600.0;

/// Within this a player has looked.
const LOOKING_S: f64 = 0.5;

/// A search being played.
pub(super) struct Hunt<'a, T> {
    pub(super) aim: &'a Aim,
    pub(super) blueprint: &'a Blueprint,
    pub(super) journal: &'a mut Journal,
    pub(super) told: T,
    /// The service does not answer any more.
    pub(super) lost: bool,
    /// The user ended a load.
    pub(super) cut_short: bool,
    /// What is in flight must go before the next probe.
    pub(super) rest: bool,
    /// Since the last probe it was tried to measure the saturated service again: once, whatever came of it.
    pub(super) saturated_again: bool,
}

/// A probe that was ordered, and how it stood when its issuing ended.
pub(super) struct Probing {
    pub(super) place: usize,
    pub(super) purpose: Purpose,
    pub(super) order: Order,
    pub(super) plan: Arc<Plan>,
    pub(super) seen: Option<ProbeSeen>,
}

/// Whether the service refused some: it is there, and takes no more.
fn is_refused(view: &TrialView) -> bool {
    view.run_totals.refused() > 0
}

/// How long the parts of a load are.
pub(super) struct Lengths {
    discard: Duration,
    window: Duration,
    cooldown: Duration,
}

impl Lengths {
    /// From seconds.
    pub(super) fn new(discard_s: f64, window_s: f64, cooldown_s: f64) -> Self {
        let [discard, window, cooldown] =
            [discard_s, window_s, cooldown_s].map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
        Self { discard, window, cooldown }
    }
}

impl Probing {
    /// The same once its issuing has ended.
    pub(super) fn issued(self, aim: &Aim, counts: &LiveCounts, watched: Option<&Watched>) -> Self {
        let seen = watched.map(|watched| seen_of(aim, &self.order, counts, watched));
        Self { seen, ..self }
    }
}

impl<T: FnMut(&Journal, Event) -> Result<(), Error>> Hunt<'_, T> {
    /// Whether nothing more is to be played, answer or not.
    pub(super) fn has_ended(&self) -> bool {
        self.lost || self.cut_short || self.journal.spoilt >= MOST_SPOILT
    }

    /// The evidence with that of a probe whose requests are still followed; none while that has to be waited for.
    pub(super) fn known(&self, followed: Option<&Probing>) -> Option<History> {
        let mut history = self.journal.history.clone();
        if let Some(probing) = followed {
            history.probes.push(probing.seen.as_ref().filter(|seen| !seen.is_lost)?.probe.clone());
        }
        Some(history)
    }

    /// Brings what was spent up to the clock: waiting for a backlog to go is time of the service, too.
    pub(super) fn account(&mut self, elapsed_s: f64, followed: Option<&Probing>) {
        if let Some(known) = self.known(followed) {
            self.journal.history.overhead.seconds += (elapsed_s - known.spent().seconds).max(0.0);
        }
    }

    /// What is left of the budget.
    pub(super) fn left(&self) -> Spent {
        self.journal.question(self.aim).budget().left(self.journal.history.spent())
    }

    /// How long the requests of a load are followed at most when it is over: a budget of time has an end.
    pub(super) fn patience(&self) -> Duration {
        self.aim.question.budget().seconds.map_or(Duration::MAX, |seconds| {
            Duration::from_secs_f64((FOLLOWED_OF_BUDGET * seconds).clamp(LEAST_FOLLOWED_S, LONGEST_FOLLOWED_S))
        })
    }

    /// The next load: its number and its segment.
    pub(super) fn begin(
        &mut self,
        purpose: Purpose,
        load: PointLoad,
        lengths: &Lengths,
        label: String,
    ) -> Result<(usize, Segment), Error> {
        let place = self.journal.begun;
        let blueprint = Blueprint { window: lengths.window, cooldown: lengths.cooldown, ..self.blueprint.clone() };
        let segment = blueprint.segment(place, &Point { load, discard: lengths.discard }, label)?;
        self.journal.begun += 1;
        (self.told)(self.journal, Event::Begins { place, purpose })?;
        Ok((place, segment))
    }

    pub(super) fn probing(
        &mut self,
        purpose: Purpose,
        order: Order,
        before: Option<&Probing>,
    ) -> Result<(Probing, Segment, StopRule), Error> {
        let order = Order { level: order.level.shortened(), ..order };
        let known = self.known(before).unwrap_or_default();
        let question = self.journal.question(self.aim);
        let Some(picture) = Picture::of(&question, &known) else {
            return Err(Error::Internal("a probe was ordered before the capacity was known".to_owned()));
        };
        let in_system_s = known.probes.last().map_or(self.journal.unloaded_s, |probe| Some(probe.time_in_system_s));
        let [blocks, limits, times] = FOLLOWED;
        let limit_s = question.demands().iter().filter_map(Demand::limit_s).fold(0.0, f64::max);
        let (load, follow_s) = match order.level {
            Level::RatePerS(per_s) => {
                let rate = Rate::new(per_s).map_err(|refusal| Error::Internal(refusal.to_string()))?;
                (
                    PointLoad::Open(rate),
                    (blocks * order.window_s).max(limits * limit_s).max(times * in_system_s.unwrap_or(0.0)),
                )
            }
            // Twice the time in the system at least: all but a few of those that were released inside the window.
            Level::Concurrency(in_flight) => (PointLoad::Closed(in_flight), order.discard_s),
            Level::TimeScale(scale) => {
                (PointLoad::Replay(TimeScale::new(scale).map_err(|refusal| Error::Internal(refusal.to_string()))?), 0.0)
            }
        };
        // Room for a discard that is extended, for following what came inside the window, and for a player that looks
        // only now and then.
        let cooldown_s = 3.0 * order.discard_s + follow_s + LOOKING_S;
        let lengths = Lengths::new(order.discard_s, order.window_s, cooldown_s);
        let what = if purpose == Purpose::Certificate { "certificate" } else { "probe" };
        let label = format!("{what} {} {}", self.journal.begun + 1, order.level);
        let (place, segment) = self.begin(purpose, load, &lengths, label)?;
        let aim = self.aim.clone().asking(question);
        // A pass of a trace ends when it ends; it has begun because there was time for it.
        let left_s = if aim.question.pass().is_none() {
            aim.question.budget().left(known.spent()).seconds
        } else {
            f64::INFINITY
        };
        let rule = rule_of(&aim, &picture, &order, follow_s, left_s);
        Ok((Probing { place, purpose, order, plan: Arc::clone(&segment.plan), seen: None }, segment, rule))
    }

    /// Takes the trial of a probe as evidence, unless it is none.
    pub(super) fn keep(&mut self, probing: &Probing, trial: &Trial) -> Result<(), Error> {
        let view = trial.view();
        // A pass is over when its plan is: nothing comes behind it, in which its requests could be followed.
        let is_whole = || (self.aim.question.pass().is_some() && trial.ended == Ended::Complete).then_some(End::Full);
        let end = probing.seen.as_ref().map(|seen| seen.probe.end).or_else(is_whole);
        let until = if end == Some(End::Overloaded) { trial.drain_end } else { trial.summary.frame().load_end };
        let spent = Spent { requests: view.run_totals.planned, seconds: until.as_secs() };
        let is_lost = probing.seen.as_ref().is_some_and(|seen| seen.is_lost);
        let kept = self.judge(&view, trial.ended == Ended::Interrupted || end.is_none(), is_lost);
        match (kept, end, &trial.sequence) {
            (Kept::Evidence, Some(end), Some(sequence)) => {
                let sent = [spent.requests, planned(self.aim, &probing.order)];
                let mut probe = probe_of(self.aim, &probing.order, end, sequence, trial.drain_end, sent);
                probe.growth = probing.seen.as_ref().and_then(|seen| seen.probe.growth);
                probe.spent = spent;
                probe.completed_per_s = in_window(&view).map(|rate| rate.per_s);
                match probing.purpose {
                    Purpose::Certificate => self.certified(probe),
                    _ => self.journal.history.probes.push(probe),
                }
            }
            _ => self.journal.waste(spent),
        }
        self.end(probing.place, probing.purpose, kept, view, Arc::clone(&probing.plan))
    }

    /// Keeps what the certificate showed.
    fn certified(&mut self, run: Probe) {
        let question = self.journal.question(self.aim);
        let result = Picture::of(&question, &self.journal.history).map(|picture| certified(&question, &picture, &run));
        self.journal.certificate = result.map(|result| Certificate { result, run });
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

    pub(super) fn end(
        &mut self,
        place: usize,
        purpose: Purpose,
        kept: Kept,
        view: TrialView,
        plan: Arc<Plan>,
    ) -> Result<(), Error> {
        let event = Event::Ends { place, purpose, kept, trial: Box::new(view), plan };
        (self.told)(self.journal, event)
    }
}
