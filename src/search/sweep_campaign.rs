//! Owns `SweepCampaign`: a sweep while it runs.

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::Ended;
use crate::play::{LiveCounts, StopRule, Trial, Watched};
use crate::search::Point;
use crate::search::campaign::{Campaign, Kept, Next, NextLoad};
use crate::search::sweep::{Finished, Pending, Sweep, SweepStep};

/// A sweep and the trials that it has learnt from, in the order in which they ran.
#[derive(Debug, Clone)]
pub struct SweepCampaign {
    sweep: Sweep,
    trials: Vec<TrialView>,
    /// The load that was requested last.
    ordered: Option<Point>,
    pending: Option<Pending>,
}

impl SweepCampaign {
    /// A campaign at the beginning of `sweep`.
    #[must_use]
    pub const fn new(sweep: Sweep) -> Self {
        Self::after(sweep, Vec::new())
    }

    /// A campaign for the rest of `sweep` after `trials`.
    #[must_use]
    pub const fn after(sweep: Sweep, trials: Vec<TrialView>) -> Self {
        Self { sweep, trials, ordered: None, pending: None }
    }

    /// The trials that it has learnt from, in the order in which they ran.
    #[must_use]
    pub fn trials(&self) -> &[TrialView] {
        &self.trials
    }

    /// The trials, once the campaign is over.
    #[must_use]
    pub fn into_trials(self) -> Vec<TrialView> {
        self.trials
    }
}

impl Campaign for SweepCampaign {
    type Purpose = Point;
    /// Why the sweep ended by itself; `None` if the user ended it.
    type End = Option<Finished>;

    fn next(&mut self, _elapsed_s: f64, is_halted: bool) -> Result<Next<Point, Self::End>, Error> {
        if is_halted || self.trials.last().is_some_and(|trial| trial.ended != Ended::Complete) {
            return Ok(Next::Finish(None));
        }
        Ok(match self.sweep.next(&self.trials, self.pending.as_ref()) {
            SweepStep::Play { point, rest } => {
                self.ordered = Some(point);
                Next::Play(Box::new(NextLoad {
                    purpose: point,
                    point,
                    lengths: None,
                    label: point.level.label(),
                    stop: StopRule::Never,
                    rests: rest,
                    is_alone: false,
                }))
            }
            SweepStep::Wait => Next::Wait,
            SweepStep::Finish(finished) => Next::Finish(Some(finished)),
        })
    }

    fn begin(&mut self) -> usize {
        self.trials.len() + usize::from(self.pending.is_some())
    }

    fn issued(&mut self, _place: usize, counts: LiveCounts, _watched: Option<&Watched>) {
        self.pending = self.ordered.take().map(|point| Pending { point, counts });
    }

    fn learn(&mut self, _place: usize, _trial: &Trial, view: &TrialView) -> Kept {
        self.pending = None;
        self.trials.push(view.clone());
        Kept::Evidence
    }
}
