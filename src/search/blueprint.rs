//! Owns `Blueprint`: what all loads of a sweep or a search have in common, and the plan of each load.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Refusal};
use crate::metrics::Objectives;
use crate::play::Segment;
use crate::schedule::{Extent, Process, Quota, Recorded, TimeScale, Timeline};
use crate::search::campaign::NextLoad;
use crate::search::{Level, Point};
use crate::seed::Seed;
use crate::units::Rate;
use crate::workload::{Closed, Load, Plan, SourceSpec, Workload};

/// What all loads of a sweep or a search have in common.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// The workload that is sent.
    pub workload: Workload,
    /// The arrival process of open loads.
    pub process: Process,
    /// The recorded instants of the trace whose requests are in `workload`, if a trace is replayed.
    pub recorded: Option<Recorded>,
    /// A provider's quota, for open loads.
    pub quota: Option<Quota>,
    /// The seed of the sweep or search; each load draws from its own streams derived from it.
    pub seed: Seed,
    /// The measured window.
    pub window: Duration,
    /// The time for which the load continues after the window.
    pub cooldown: Duration,
    /// The objectives for the service.
    pub objectives: Arc<Objectives>,
    /// Whether responses are streamed.
    pub streamed: bool,
}

impl Blueprint {
    /// The blueprint of a search: streamed requests of this workload, sent as a Poisson process and judged by
    /// `objectives`. The search chooses the windows itself.
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

    /// The plan of load number `place` (from 0). Its instants, lengths and prompts come from the streams of
    /// `probe/<place>`, so that no two loads send the same prompt and no evidence is counted twice.
    pub fn plan(&self, place: usize, point: &Point) -> Result<Plan, Refusal> {
        let seed = self.seed.derived(&format!("probe/{place}"));
        let extent = Extent::Duration(self.window);
        let load = match point.level {
            Level::Concurrency(in_flight) => {
                Load::Closed(Closed::concurrent(in_flight, extent, point.discard, self.cooldown)?)
            }
            Level::RatePerS(per_s) | Level::SessionsPerS(per_s) => {
                let rate = Rate::new(per_s)?;
                Load::Open(Timeline::new(self.process, rate, extent, point.discard, self.cooldown, seed))
            }
            Level::TimeScale(scale) => {
                let refuse = || {
                    Refusal::new("there is no trace to replay", "give one, as in the option over time-scale trace.csv")
                };
                let recorded = self.recorded.as_ref().ok_or_else(refuse)?;
                Load::Open(Timeline::recorded(recorded.faster(TimeScale::new(scale)?)))
            }
        };
        let quota = self.quota.filter(|_| point.level.rate_per_s().is_some());
        let mut workload = self.workload.clone();
        if self.recorded.is_some() {
            // The text of a trace's prefix blocks depends on the salt alone. The same text in two loads would be
            // found in the service's cache.
            workload.salt = workload.salt.of(place);
        }
        if let SourceSpec::Listed(listed) = workload.source {
            workload.source = SourceSpec::Listed(listed.of_load(place));
        }
        Ok(Plan::new(load, workload, seed, quota))
    }

    /// The segment of `load` as load number `place`.
    pub(super) fn segment<P>(&self, place: usize, load: &NextLoad<P>) -> Result<Segment, Error> {
        let [window, cooldown] = load.lengths.unwrap_or([self.window, self.cooldown]);
        let plan = Self { window, cooldown, ..self.clone() }.plan(place, &load.point);
        let plan = plan.map_err(|refusal| Error::Internal(refusal.to_string()))?;
        Ok(Segment {
            label: load.label.clone(),
            plan: Arc::new(plan),
            objectives: Arc::clone(&self.objectives),
            streamed: self.streamed,
        })
    }
}
