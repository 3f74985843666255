//! Owns the first two steps of a search: the unloaded service, and the saturated one.

use crate::figures::TrialView;
use crate::metrics::Ended;
use crate::play::{AgainRule, FloorObjective, FloorRule, StageRule, StopReason, Trial, WatchRule};
use crate::search::capacity::{cv2_of, in_window, mean_e2e_s};
use crate::search::hunt::facts::decided_of;
use crate::search::hunt::state::{Begun, Ordered, Saturating, SearchCampaign, lengths};
use crate::search::hunt::watch::LOST;
use crate::search::hunt::{Asked, Purpose};
use crate::search::step::{Capacity, Demand, FAILING, Saturation, Spent};
use crate::search::{Kept, Level, NextLoad, Point, Stability, read_signs, stability_of};
use crate::units::Rate;
use crate::workload::Closed;

/// A first step ends by its rule, long before this.
const LONGEST_S: f64 = 24.0 * 3_600.0;
/// The unloaded service is asked for so long at most, once so many requests have come back: slow answers, one after
/// the other, take their time.
const FLOOR_S: f64 = 60.0;
const FLOOR_LEAST: u64 = 30;
/// Of a budget, what the unloaded service may take, and so many times that where its answers are slow.
const FLOOR_SHARE: f64 = 0.15;
const FLOOR_OVER: f64 = 2.0;
/// So many times as many are asked where misses are close to what is allowed.
const CLOSE_TIMES: u64 = 10;
/// A share of misses is close to the allowed one from this part of it on.
const CLOSE: f64 = 0.25;
/// Requests after which it is looked whether the floor fails, beside the end of each stage: looks at every request
/// would find a share of misses just below the allowed one guilty sooner or later.
const LOOKS: [u64; 2] = [5, 30];
/// Requests in flight, stage by stage.
const STAGES: [u32; 5] = [4, 16, 64, 256, Closed::THROUGHPUT];
/// Completions of a stage, for each in flight, by which it is seen whether it brings more than the one before.
const STAGE_ROUNDS: u64 = 4;
/// Fourfold requests in flight complete at least this many times as much per second while the service is not saturated.
const GAIN: f64 = 1.3;
/// Mean times of a lone request that a closed loop is given to fill the service.
const FILLING: f64 = 3.0;
/// A service on which a loaded request takes less than so many times a lone one is not saturated.
const SATURATED: f64 = 2.0;
/// Requests by which it is told whether the service keeps up with the most that may be sent.
const AT_MOST: u64 = 600;
/// What a service is taken to complete per second of which no answer was seen.
const LEAST_PER_S: f64 = 1e-3;
/// Of a budget, what the saturation may take, once so many have completed.
const BUDGET_SHARE: f64 = 0.25;
const LEAST_COMPLETIONS: u64 = 100;

impl SearchCampaign {
    /// Asks the unloaded service, one request at a time: `requests`, or as many as come back in a minute; fewer where
    /// it fails for certain.
    pub(super) fn floor(&mut self, requests: u64) -> NextLoad<Purpose> {
        let aim = &self.aim;
        let budget = aim.question.budget();
        let most_requests = budget.requests.map(|requests| ((FLOOR_SHARE * requests as f64) as u64).max(FLOOR_LEAST));
        let most_s = budget.seconds.map_or(FLOOR_S, |seconds| (FLOOR_SHARE * seconds).min(FLOOR_S));
        let objective = |(demand, asked): (&Demand, &Asked)| FloorObjective {
            place: asked.place,
            allowed: demand.allowed(),
            close: CLOSE * demand.allowed(),
        };
        let rule = WatchRule::Floor(FloorRule {
            requests,
            close_requests: CLOSE_TIMES * requests,
            most_requests,
            least_requests: FLOOR_LEAST,
            most_s,
            longest_s: (most_s < FLOOR_S).then_some(FLOOR_OVER * most_s),
            looks: LOOKS.to_vec(),
            certainty: FAILING,
            lost_in_a_row: LOST,
            objectives: aim.question.demands().iter().zip(aim.asked()).map(objective).collect(),
        });
        self.ordered = Some(Ordered::Floor);
        first(Purpose::Floor, Level::Concurrency(1), [0.0, LONGEST_S], "floor".to_owned(), rule)
    }

    /// Loads the service beyond what it can do, with 4, 16, 64, 256 and at last 512 requests in flight, until four
    /// times as many bring hardly more; then until `completions` are there. No more are in flight than that takes: a
    /// service that collapses under more, or takes long to work them off, is spared. Where a most is set, that is
    /// offered first, and nothing more if the service keeps up with it. A service that refuses is left alone at once.
    pub(super) fn saturate(&mut self, completions: u64, most_per_s: Option<f64>) -> NextLoad<Purpose> {
        let Some(most) = most_per_s.and_then(|per_s| Rate::new(per_s).ok()) else {
            let saturating = self.stages(completions);
            return self.stage(saturating);
        };
        let left = self.left();
        let requests = (AT_MOST as f64).min(BUDGET_SHARE * left.requests as f64);
        let window_s = (requests / most.per_s()).min(BUDGET_SHARE * left.seconds);
        let full = WatchRule::InFlight(u64::from(Closed::THROUGHPUT));
        self.ordered = Some(Ordered::Most { per_s: most.per_s(), completions });
        first(Purpose::Saturation, most.into(), [0.0, window_s], format!("the most, {most}"), full)
    }

    /// The stages of a saturation, before the first of them. A first step must leave something for the probes.
    fn stages(&self, completions: u64) -> Saturating {
        let (left, begun) = (self.left(), self.journal.history.spent());
        let requests = (BUDGET_SHARE * left.requests as f64) as u64;
        Saturating {
            completions: completions.min(requests.max(LEAST_COMPLETIONS)),
            requests,
            begun_requests: begun.requests,
            until_s: begun.seconds + (BUDGET_SHARE * left.seconds).min(LONGEST_S),
            stage: 0,
            before_per_s: None,
        }
    }

    /// A closed loop, for all completions where more in flight no longer bring much beside what the stage before
    /// completed per second, or where there is no next stage; else only until that is known.
    pub(super) fn stage(&mut self, saturating: Saturating) -> NextLoad<Purpose> {
        self.saturating = Some(saturating);
        let in_flight = STAGES[saturating.stage.min(STAGES.len() - 1)];
        let (spent, before) = (self.journal.history.spent(), saturating.before_per_s);
        // A stage asks for a few rounds of all that are in flight.
        let taken = spent.requests - saturating.begun_requests + (STAGE_ROUNDS + 1) * u64::from(in_flight);
        let is_affordable = taken <= saturating.requests;
        let most_s =
            if is_affordable || before.is_none() { (saturating.until_s - spent.seconds).max(0.0) } else { 0.0 };
        let filled_s = self.filled_s();
        let rule = WatchRule::Stage(StageRule {
            filled_s,
            most_s,
            first_look: STAGE_ROUNDS * u64::from(in_flight),
            least_per_s: before.map(|before| GAIN * before),
            is_last: in_flight == Closed::THROUGHPUT,
            completions: saturating.completions,
            refused: u64::from(LOST),
        });
        self.ordered = Some(Ordered::Stage { in_flight, most_s });
        let label = format!("saturation, {in_flight} in flight");
        first(Purpose::Saturation, Level::Concurrency(in_flight), [filled_s, LONGEST_S], label, rule)
    }

    /// Loads the service once more as it was saturated first, from rest; none where that is done.
    pub(super) fn saturate_again(&mut self) -> Option<NextLoad<Purpose>> {
        let (in_flight, completions) = self.journal.history.saturate_again()?;
        let filled_s = self.filled_s();
        let rule = WatchRule::Again(AgainRule { filled_s, completions, lost_in_a_row: LOST });
        self.ordered = Some(Ordered::Again);
        let label = format!("saturation again, {in_flight} in flight");
        let load = first(Purpose::Saturation, Level::Concurrency(in_flight), [filled_s, LONGEST_S], label, rule);
        Some(NextLoad { rests: true, ..load })
    }

    /// Seconds that a closed loop is given to fill the service.
    fn filled_s(&self) -> f64 {
        FILLING * self.journal.unloaded_s.unwrap_or(0.0)
    }

    /// Learns from a load of the first steps, where it is evidence.
    pub(super) fn learn_first(&mut self, begun: &Begun, trial: &Trial, view: &TrialView) -> Kept {
        let by_itself = trial.ended == Ended::Complete || (trial.ended == Ended::Stopped && begun.reason.is_some());
        let lost = trial.sequence.as_ref().is_some_and(|sequence| sequence.lost_in_a_row() >= LOST);
        let kept = self.judge(view, !by_itself, lost);
        self.journal.waste(Spent { requests: view.run_totals.planned, seconds: trial.drain_end.as_secs() });
        let is_evidence = kept == Kept::Evidence;
        match begun.ordered {
            Ordered::Floor if is_evidence => {
                if let Some(sequence) = &trial.sequence {
                    self.journal.history.floor = Some(decided_of(&self.aim, sequence, trial.drain_end));
                    self.journal.unloaded_s = mean_e2e_s(view);
                    self.journal.history.unloaded_cv2 = cv2_of(view);
                }
            }
            Ordered::Most { per_s, completions } => {
                let is_kept_up =
                    trial.ended == Ended::Complete && stability_of(&read_signs(view)) != Stability::Saturated;
                if is_evidence && is_kept_up {
                    self.journal.history.capacity = Some(Capacity::Above(per_s));
                }
                self.saturating = Some(self.stages(completions));
                self.end_saturation_if_known();
            }
            Ordered::Stage { in_flight, most_s } => {
                if is_evidence {
                    self.learn_stage((in_flight, most_s), begun.reason, view);
                }
                if let Some(saturating) = &mut self.saturating {
                    saturating.stage += 1;
                    saturating.before_per_s = in_window(view).filter(|_| is_evidence).map(|rate| rate.per_s);
                }
                self.end_saturation_if_known();
            }
            Ordered::Again => {
                if let Some(rate) = in_window(view).filter(|_| is_evidence) {
                    self.journal.history.saturated_again(rate.per_s);
                }
            }
            Ordered::Floor | Ordered::Probe(_) | Ordered::Certificate(_) => {}
        }
        kept
    }

    /// Ends the saturation where the capacity is known, nothing more is to be played, or the last stage was.
    fn end_saturation_if_known(&mut self) {
        let is_over = self.saturating.is_some_and(|saturating| saturating.stage >= STAGES.len());
        if self.journal.history.capacity.is_some() || self.has_ended() || is_over {
            self.saturating = None;
            self.rests = true;
        }
    }

    fn learn_stage(&mut self, (in_flight, most_s): (u32, f64), reason: Option<StopReason>, view: &TrialView) {
        let is_last = in_flight == Closed::THROUGHPUT;
        let (lone_s, history) = (self.journal.unloaded_s, &mut self.journal.history);
        if reason == Some(StopReason::Refused) {
            // One after the other it was answered.
            history.capacity = Some(Capacity::Refuses(lone_s.map_or(1.0, |lone_s| 1.0 / lone_s)));
            return;
        }
        let is_loaded = mean_e2e_s(view).zip(lone_s).is_none_or(|(loaded, lone)| loaded >= SATURATED * lone);
        // Answers that take the same time come in waves, of which a window may hold one more than its share; all of
        // them together do not.
        let least = view.run_totals.completed as f64 / view.drain_end_s;
        let found = in_window(view).map_or(least, |rate| rate.per_s);
        let late = view.drain_end_s >= most_s;
        if reason.map_or(is_last, |reason| reason == StopReason::Saturated) && is_loaded {
            history.capacity = Some(Capacity::Reached(found));
            let completions = in_window(view).map_or(0, |_| view.requests.completed);
            history.saturation = Some(Saturation { in_flight, completions, again_per_s: None });
        } else if is_last || late {
            // At least it completes what it does one after the other. Where time is short the window may be too short
            // to hold any.
            let lone_per_s = lone_s.filter(|lone_s| *lone_s > 0.0).map_or(LEAST_PER_S, |lone_s| 1.0 / lone_s);
            let carried = if late { least } else { found.min(least) };
            history.capacity = Some(Capacity::Above(carried.max(lone_per_s)));
        }
    }
}

/// A load of the first steps, played by itself: its discard and its window in seconds, and nothing behind them.
fn first(
    purpose: Purpose,
    level: Level,
    [discard_s, window_s]: [f64; 2],
    label: String,
    rule: WatchRule,
) -> NextLoad<Purpose> {
    let (discard, lengths) = lengths(discard_s, window_s, 0.0);
    let point = Point { level, discard };
    NextLoad { purpose, point, lengths, label, stop: rule.into(), rests: false, is_alone: true }
}
