//! Owns the probes of a search: how each is ordered, and how it is kept as evidence.

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::Ended;
use crate::play::Trial;
use crate::search::capacity::in_window;
use crate::search::maximum::evidence::{planned, probe_of};
use crate::search::maximum::state::{Begun, Ordered, SearchCampaign, lengths};
use crate::search::maximum::watch::rule_of;
use crate::search::maximum::{Certificate, Purpose};
use crate::search::step::{Demand, End, History, Order, Picture, Probe, Spent, certified};
use crate::search::{Kept, Level, NextLoad, Point};

/// How long the requests of a window are followed at most while the load continues: the largest of these multiples
/// of the window, of the longest limit, and of the mean time in the system.
const FOLLOWED: [f64; 3] = [1.0, 4.0, 10.0];
/// A player checks its rule at least this often, in seconds.
const LOOKING_S: f64 = 0.5;

impl SearchCampaign {
    /// The load of `order`, a probe or a certificate, after `known`, which shows `picture`.
    pub(super) fn probing(
        &self,
        purpose: Purpose,
        order: Order,
        known: &History,
        picture: Option<&Picture>,
    ) -> Result<(Order, NextLoad<Purpose>), Error> {
        let order = Order { level: order.level.shortened(), ..order };
        let question = self.journal.question(&self.aim);
        let Some(picture) = picture else {
            return Err(Error::Internal("a probe was ordered before the capacity was known".to_owned()));
        };
        let in_system_s = known.probes.last().map_or(self.journal.unloaded_s, |probe| Some(probe.time_in_system_s));
        let [blocks, limits, times] = FOLLOWED;
        let limit_s = question.demands().iter().filter_map(Demand::limit_s).fold(0.0, f64::max);
        let follow_s = match order.level {
            Level::RatePerS(_) | Level::SessionsPerS(_) => {
                (blocks * order.window_s).max(limits * limit_s).max(times * in_system_s.unwrap_or(0.0))
            }
            // At least twice the time in the system: nearly all requests released inside the window end in it.
            Level::Concurrency(_) => order.discard_s,
            Level::TimeScale(_) => 0.0,
        };
        // Room for extensions of the discard, for following the requests of the window, and for a player that
        // checks its rule only now and then.
        let cooldown_s = 3.0 * order.discard_s + follow_s + LOOKING_S;
        let (discard, lengths) = lengths(order.discard_s, order.window_s, cooldown_s);
        let what = if purpose == Purpose::Certificate { "certificate" } else { "probe" };
        let label = format!("{what} {} {}", self.journal.begun + 1, order.level);
        let aim = self.aim.clone().asking(question);
        // A pass of a trace always runs to its end; it was started because there was time for it.
        let left_s = if aim.question.pass().is_none() {
            aim.question.budget().left(known.spent()).seconds
        } else {
            f64::INFINITY
        };
        let load = NextLoad {
            purpose,
            point: Point { level: order.level, discard },
            lengths,
            label,
            stop: rule_of(&aim, picture, &order, follow_s, left_s),
            rests: self.rests,
            is_alone: purpose == Purpose::Certificate,
        };
        Ok((order, load))
    }

    /// Keeps the trial of a probe as evidence, unless it is spoilt.
    pub(super) fn keep(&mut self, (begun, order): (&Begun, &Order), trial: &Trial, view: &TrialView) -> Kept {
        let seen = begun.seen.as_ref();
        // A pass is over when its plan is: no load follows it during which its requests could be followed.
        // The rule may end a pass in the moment after its last request was issued.
        let is_played = trial.ended != Ended::Interrupted && trial.not_due == 0;
        let is_whole = || (self.aim.question.pass().is_some() && is_played).then_some(End::Full);
        let end = seen.map(|seen| seen.probe.end).or_else(is_whole);
        let until = if end == Some(End::Overloaded) { trial.drain_end } else { trial.summary.frame().load_end };
        let spent = Spent { requests: view.run_totals.planned, seconds: until.as_secs() };
        let is_lost = seen.is_some_and(|seen| seen.is_lost);
        let kept = self.judge(view, trial.ended == Ended::Interrupted || end.is_none(), is_lost);
        match (kept, end, &trial.sequence) {
            (Kept::Evidence, Some(end), Some(sequence)) => {
                let sent = [spent.requests, planned(&self.aim, order)];
                let mut probe = probe_of(&self.aim, order, end, sequence, trial.drain_end, sent);
                probe.growth = seen.and_then(|seen| seen.probe.growth);
                probe.spent = spent;
                probe.completed_per_s = in_window(view).map(|rate| rate.per_s);
                match begun.ordered {
                    Ordered::Certificate(_) => self.certified(probe),
                    _ => self.journal.history.probes.push(probe),
                }
            }
            _ => self.journal.waste(spent),
        }
        kept
    }

    /// Keeps the result of the certificate.
    fn certified(&mut self, run: Probe) {
        let question = self.journal.question(&self.aim);
        let result = Picture::of(&question, &self.journal.history).map(|picture| certified(&question, &picture, &run));
        self.journal.certificate = result.map(|result| Certificate { result, run });
    }
}
