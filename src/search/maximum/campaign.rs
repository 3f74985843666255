//! Owns the course of a search: each step becomes the next load, and the result of the load becomes evidence for
//! the next step.

use std::time::Duration;

use crate::error::Error;
use crate::figures::TrialView;
use crate::play::{LiveCounts, Trial, Watched};
use crate::search::maximum::state::{Begun, Ordered, SearchCampaign};
use crate::search::maximum::watch::seen_of;
use crate::search::maximum::{Conclusion, Purpose};
use crate::search::step::{Answer, History, Picture, Step, step_seen};
use crate::search::{Campaign, Kept, Next};

impl Campaign for SearchCampaign {
    type Purpose = Purpose;
    type End = Conclusion;

    fn patience(&self) -> Duration {
        self.followed_at_most()
    }

    fn next(&mut self, elapsed_s: f64, is_halted: bool) -> Result<Next<Purpose, Conclusion>, Error> {
        // All stages of a saturation are one step. If the user has asked to stop, the player ends the next stage at
        // once.
        let saturating = self.saturating.filter(|_| !self.has_ended());
        if saturating.is_none() {
            self.account(elapsed_s);
        }
        if self.has_ended() || (is_halted && saturating.is_none()) {
            return Ok(Next::Finish(self.conclusion()));
        }
        let load = if let Some(saturating) = saturating {
            self.stage(saturating)
        } else {
            let Some(history) = self.known() else { return Ok(Next::Wait) };
            let question = self.journal.question(&self.aim);
            let picture = Picture::of(&question, &history);
            match step_seen(&question, &history, picture.as_ref()) {
                Step::Floor { requests } => self.floor(requests),
                Step::Saturate { completions, most_per_s } => self.saturate(completions, most_per_s),
                Step::Probe(order) => {
                    let (order, load) = self.probing(Purpose::Probe, order, &history, picture.as_ref())?;
                    self.ordered = Some(Ordered::Probe(order));
                    load
                }
                Step::Done(answer) => return self.done(answer, &history, picture.as_ref()),
            }
        };
        Ok(Next::Play(Box::new(load)))
    }

    fn begin(&mut self) -> usize {
        let place = self.journal.begun;
        self.journal.begun += 1;
        let Some(ordered) = self.ordered.take() else { return place };
        match ordered {
            Ordered::Probe(_) => {
                self.rests = false;
                self.journal.certificate = None;
                self.saturated_again = false;
                if let Some(saturation) = &mut self.journal.history.saturation {
                    saturation.again_per_s = None;
                }
            }
            Ordered::Certificate(_) => {
                self.rests = false;
                self.uncounted_from_s = Some(self.asked_s);
            }
            Ordered::Again => (self.saturated_again, self.rests) = (true, true),
            Ordered::Floor | Ordered::Most { .. } | Ordered::Stage { .. } => {}
        }
        self.open.push(Begun { place, ordered, reason: None, seen: None });
        place
    }

    fn issued(&mut self, place: usize, counts: LiveCounts, watched: Option<&Watched>) {
        let Some(begun) = self.open.iter_mut().find(|begun| begun.place == place) else { return };
        begun.reason = watched.map(|watched| watched.reason);
        if let Ordered::Probe(order) | Ordered::Certificate(order) = begun.ordered {
            begun.seen = watched.map(|watched| seen_of(&self.aim, &order, &counts, watched));
        }
        if let Ordered::Probe(order) = begun.ordered {
            self.rests = order.level.rate_per_s().is_none()
                || begun.seen.as_ref().is_some_and(|seen| seen.probe.leaves_a_backlog());
        }
    }

    fn learn(&mut self, place: usize, trial: &Trial, view: &TrialView) -> Kept {
        let Some(number) = self.open.iter().position(|begun| begun.place == place) else { return Kept::CutShort };
        let begun = self.open.remove(number);
        match begun.ordered {
            Ordered::Probe(order) | Ordered::Certificate(order) => self.keep((&begun, &order), trial, view),
            Ordered::Floor | Ordered::Most { .. } | Ordered::Stage { .. } | Ordered::Again => {
                self.learn_first(&begun, trial, view)
            }
        }
    }
}

impl SearchCampaign {
    /// The loads that still run before `answer` is given, which follows from `known`; after them, the end.
    fn done(
        &mut self,
        answer: Box<Answer>,
        known: &History,
        picture: Option<&Picture>,
    ) -> Result<Next<Purpose, Conclusion>, Error> {
        if self.saturates_again(&answer)
            && let Some(load) = self.saturate_again()
        {
            return Ok(Next::Play(Box::new(load)));
        }
        let Some(order) = self.certificate_of(&answer) else {
            return Ok(Next::Finish(Conclusion::Answered(answer)));
        };
        let (order, load) = self.probing(Purpose::Certificate, order, known, picture)?;
        self.ordered = Some(Ordered::Certificate(order));
        Ok(Next::Play(Box::new(load)))
    }
}
