//! Owns the playing of a sweep: one session for all its loads, the next one issued while the cohort of the last is
//! still followed.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Refusal};
use crate::figures::TrialView;
use crate::metrics::Objectives;
use crate::play::{Issued, Play, Segment, StopRule, Trial};
use crate::schedule::{Extent, Process, Quota, Recorded, Timeline};
use crate::search::follow::{alongside, glance};
use crate::search::{Finished, Next, Pending, Point, PointLoad, Sweep};
use crate::seed::Seed;
use crate::workload::{Closed, Load, Plan, Workload};

/// What every load of a sweep, or of a search, has in common.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// What is sent.
    pub workload: Workload,
    /// How open arrivals are spread.
    pub process: Process,
    /// The instants of the trace that `workload` has the requests of, as recorded, where it is replayed.
    pub recorded: Option<Recorded>,
    /// A provider's limit, for open loads.
    pub quota: Option<Quota>,
    /// The seed of the sweep; each load draws from fresh streams of it.
    pub seed: Seed,
    /// The measured window.
    pub window: Duration,
    /// The same load after the window.
    pub cooldown: Duration,
    /// What is asked of the service.
    pub objectives: Arc<Objectives>,
    /// Whether answers are streamed.
    pub streamed: bool,
}

impl Blueprint {
    /// Streamed requests of this workload, sent in a Poisson process and held to `objectives`, for a search, which
    /// chooses the windows itself.
    #[must_use]
    pub fn of_search(workload: Workload, objectives: Objectives, seed: Seed) -> Self {
        Self {
            workload,
            process: Process::Poisson,
            recorded: None,
            quota: None,
            seed,
            window: Duration::ZERO,
            cooldown: Duration::ZERO,
            objectives: Arc::new(objectives),
            streamed: true,
        }
    }

    /// The plan of load number `place` (from 0): its instants, lengths and prompts come from the streams of
    /// `probe/<place>`, so that no two loads send the same prompt and no evidence is counted twice.
    pub fn plan(&self, place: usize, point: &Point) -> Result<Plan, Refusal> {
        let seed = self.seed.derived(&format!("probe/{place}"));
        let extent = Extent::Duration(self.window);
        let load = match point.load {
            PointLoad::Closed(in_flight) => {
                Load::Closed(Closed::concurrent(in_flight, extent, point.discard, self.cooldown)?)
            }
            PointLoad::Open(rate) => {
                Load::Open(Timeline::new(self.process, rate, extent, point.discard, self.cooldown, seed))
            }
            PointLoad::Replay(scale) => {
                let refuse =
                    || Refusal::new("there is no trace to replay", "give one, as in --over time-scale trace.csv");
                Load::Open(Timeline::recorded(self.recorded.as_ref().ok_or_else(refuse)?.faster(scale)))
            }
        };
        let quota = self.quota.filter(|_| matches!(point.load, PointLoad::Open(_)));
        let mut workload = self.workload.clone();
        if self.recorded.is_some() {
            // The text of a trace's prefix blocks is drawn by the salt alone: the same again would be found in the
            // service's cache.
            workload.salt = workload.salt.of(place);
        }
        Ok(Plan::new(load, workload, seed, quota))
    }

    /// Load number `place` as a segment called `label`.
    pub(super) fn segment(&self, place: usize, point: &Point, label: String) -> Result<Segment, Error> {
        let plan = self.plan(place, point).map_err(|refusal| Error::Internal(refusal.to_string()))?;
        Ok(Segment { label, plan: Arc::new(plan), objectives: Arc::clone(&self.objectives), streamed: self.streamed })
    }
}

/// Plays what is left of `sweep` after `trials`, and adds to them. `decided` makes of each trial what is kept, in the
/// order played, as soon as it is final; `goes_on` is asked before each load. `None` where it was that ended the
/// sweep.
pub async fn drive<P: Play>(
    player: &mut P,
    sweep: &Sweep,
    blueprint: &Blueprint,
    trials: &mut Vec<TrialView>,
    mut decided: impl FnMut(usize, &Point, Trial) -> Result<TrialView, Error>,
    goes_on: impl Fn(&[TrialView]) -> bool,
) -> Result<Option<Finished>, Error> {
    let mut pending: Option<Followed<P::Settling>> = None;
    loop {
        let halted = !goes_on(trials);
        let next =
            if halted { Next::Wait } else { sweep.next(trials, pending.as_ref().map(|followed| &followed.pending)) };
        match (next, pending.take()) {
            (Next::Play { point, rest }, before) => {
                let place = trials.len() + usize::from(before.is_some());
                let segment = blueprint.segment(place, &point, point.load.to_string())?;
                if rest {
                    player.rest().await;
                    // That takes a while, in which it may have been asked to end. Nothing else was pending.
                    if !goes_on(trials) {
                        continue;
                    }
                }
                let playing = pin!(player.play(segment, StopRule::Never));
                let before = before.map(|followed| (followed.pending.point, followed.settling));
                let keep = |point: Point, trial: Trial| {
                    trials.push(decided(trials.len(), &point, trial)?);
                    Ok(())
                };
                let Issued { counts, settling, .. } = alongside(playing, before, keep).await?;
                let mut settling = Box::pin(settling);
                // In virtual time it is decided at once, and the decision can use it.
                match glance(settling.as_mut()).await {
                    Some(trial) => trials.push(decided(place, &point, trial?)?),
                    None => pending = Some(Followed { pending: Pending { point, counts }, settling }),
                }
            }
            (Next::Wait | Next::Finish(_), Some(followed)) => {
                let place = trials.len();
                trials.push(decided(place, &followed.pending.point, followed.settling.await?)?);
            }
            (Next::Wait, None) => return Ok(None),
            (Next::Finish(finished), None) => return Ok(Some(finished)),
        }
    }
}

/// A load that was issued and whose cohort is still followed.
struct Followed<S> {
    pending: Pending,
    settling: Pin<Box<S>>,
}
