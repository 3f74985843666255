//! Owns the first two steps of a search: the measurement of the unloaded service and of the saturated service.

use crate::figures::TrialView;
use crate::metrics::{Ended, Sequence};
use crate::play::{AgainRule, FloorObjective, FloorRule, StageRule, StopReason, Trial, WatchRule};
use crate::search::capacity::{cv2_of, in_window, mean_e2e_s};
use crate::search::maximum::evidence::decided_of;
use crate::search::maximum::state::{Begun, Ordered, Saturating, SearchCampaign, lengths};
use crate::search::maximum::watch::LOST;
use crate::search::maximum::{Asked, Purpose};
use crate::search::step::{Capacity, Demand, FAILING, Saturation, Spent};
use crate::search::{Kept, Level, NextLoad, Point, Stability, read_signs, stability_of};
use crate::units::Rate;
use crate::workload::Closed;

/// Longest duration of a first step, in seconds. Its rule ends it long before.
const LONGEST_S: f64 = 24.0 * 3_600.0;
/// The measurement of the unloaded service ends after this many seconds, once `FLOOR_LEAST` requests have settled.
/// Slow requests, sent one at a time, take long.
const FLOOR_S: f64 = 60.0;
const FLOOR_LEAST: u64 = 30;
/// The share of a budget that the measurement of the unloaded service may take, and the factor on its time limit if
/// the responses are slow.
const FLOOR_SHARE: f64 = 0.15;
const FLOOR_OVER: f64 = 2.0;
/// Factor on the number of requests if the share of misses is close to the allowed one.
const CLOSE_TIMES: u64 = 10;
/// A share of misses is close to the allowed share if it exceeds this part of it.
const CLOSE: f64 = 0.25;
/// Numbers of requests after which it is tested whether the unloaded service fails, apart from the test at the end.
/// A test after every request would sooner or later reject a share of misses just below the allowed one.
const LOOKS: [u64; 2] = [5, 30];
/// Requests in flight of each stage.
const STAGES: [u32; 5] = [4, 16, 64, 256, Closed::THROUGHPUT];
/// Completions of a stage for each request in flight, after which its throughput is compared with that of the stage
/// before.
const STAGE_ROUNDS: u64 = 4;
/// The service is not saturated if four times as many requests in flight raise its throughput at least by this
/// factor.
const GAIN: f64 = 1.3;
/// Time that a closed loop is given to fill the service, in mean times in the system of a lone request.
const FILLING: f64 = 3.0;
/// The service is not saturated if a request under load takes less than this many times the time of a lone request.
const SATURATED: f64 = 2.0;
/// Requests that decide whether the service keeps up with the highest rate that may be sent.
const AT_MOST: u64 = 600;
/// Assumed completions per second of a service that has not yet answered.
const LEAST_PER_S: f64 = 1e-3;
/// The share of a budget that the saturation may take, and the completions that it gets in any case.
const BUDGET_SHARE: f64 = 0.25;
const LEAST_COMPLETIONS: u64 = 100;

impl SearchCampaign {
    /// Measures the unloaded service, one request at a time, with `requests` requests, or as many as settle in a
    /// minute. Fewer are sent if the service certainly fails.
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

    /// Overloads the service with 4, 16, 64, 256 and at last 512 requests in flight, until four times as many give
    /// hardly more throughput. Then the loop runs until `completions` requests have completed. No higher
    /// concurrency is used than this takes, to spare a service that collapses under more, or that takes long to
    /// work off the backlog. If a highest rate is set, it is offered first; if the service keeps up with it,
    /// nothing more is sent. If the service refuses requests, the saturation ends at once.
    pub(super) fn saturate(&mut self, completions: u64, most_per_s: Option<f64>) -> NextLoad<Purpose> {
        let Some(most) = most_per_s.filter(|per_s| Rate::new(*per_s).is_ok()) else {
            let saturating = self.stages(completions);
            return self.stage(saturating);
        };
        let left = self.left();
        let question = &self.aim.question;
        let level = question.over().level(most);
        let requests = (AT_MOST as f64).min(BUDGET_SHARE * left.requests as f64);
        let discard_s = question.settles_s(self.journal.unloaded_s.unwrap_or(0.0));
        let window_s = (requests / question.requests_per_s(level)).min(BUDGET_SHARE * left.seconds);
        let full = WatchRule::InFlight(u64::from(Closed::THROUGHPUT));
        self.ordered = Some(Ordered::Most { per_s: most, completions });
        first(Purpose::Saturation, level, [discard_s, window_s], format!("the most, {level}"), full)
    }

    /// The stages of a saturation, before the first of them. The budget share leaves room for the probes.
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

    /// A closed loop. It runs until all completions are there if a higher concurrency gives hardly more throughput
    /// than the stage before, or if there is no next stage. Otherwise it runs only until this is known.
    pub(super) fn stage(&mut self, saturating: Saturating) -> NextLoad<Purpose> {
        self.saturating = Some(saturating);
        let in_flight = STAGES[saturating.stage.min(STAGES.len() - 1)];
        let (spent, before) = (self.journal.history.spent(), saturating.before_per_s);
        // A stage needs a few rounds of all requests in flight.
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

    /// Repeats the closed loop that saturated the service, from an empty service; `None` if this is already done.
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

    /// Learns from a load of the first steps, if it is evidence.
    pub(super) fn learn_first(&mut self, begun: &Begun, trial: &Trial, view: &TrialView) -> Kept {
        let by_itself = trial.ended == Ended::Complete || (trial.ended == Ended::Stopped && begun.reason.is_some());
        let lost = trial
            .sequence
            .as_ref()
            .is_some_and(|sequence| sequence.lost_in_a_row() >= LOST && !still_answers(sequence, trial));
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
                    self.journal.history.saturated_again(rate.per_s / self.aim.question.requests_each());
                }
            }
            Ordered::Floor | Ordered::Probe(_) | Ordered::Certificate(_) => {}
        }
        kept
    }

    /// Ends the saturation if the capacity is known, nothing more is to be sent, or the last stage has run.
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
        // A capacity is compared with levels, in their unit.
        let each = self.aim.question.requests_each();
        if reason == Some(StopReason::Refused) {
            // The service answered requests that were sent one at a time.
            history.capacity = Some(Capacity::Refuses(lone_s.map_or(1.0, |lone_s| 1.0 / lone_s) / each));
            return;
        }
        let is_loaded = mean_e2e_s(view).zip(lone_s).is_none_or(|(loaded, lone)| loaded >= SATURATED * lone);
        // Responses that take equal times come in waves, and a window may hold one wave too many. The whole load
        // does not have this error.
        let least = view.run_totals.completed as f64 / view.drain_end_s;
        let found = in_window(view).map_or(least, |rate| rate.per_s);
        let late = view.drain_end_s >= most_s;
        if reason.map_or(is_last, |reason| reason == StopReason::Saturated) && is_loaded {
            history.capacity = Some(Capacity::Reached(found / each));
            let completions = in_window(view).map_or(0, |_| view.requests.completed);
            history.saturation = Some(Saturation { in_flight, completions, again_per_s: None });
        } else if is_last || late {
            // The service completes at least its rate with one request at a time. If time is short, the window may
            // be too short to hold a completion.
            let lone_per_s = lone_s.filter(|lone_s| *lone_s > 0.0).map_or(LEAST_PER_S, |lone_s| 1.0 / lone_s);
            let carried = if late { least } else { found.min(least) };
            history.capacity = Some(Capacity::Above(carried.max(lone_per_s) / each));
        }
    }
}

/// A load of the first steps, which runs alone: its discard and its window in seconds, without a cool-down.
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

/// Whether the service still answered in the second half of the time for which requests were followed after the load.
/// Requests that were cut off then are slow, not lost.
fn still_answers(sequence: &Sequence, trial: &Trial) -> bool {
    let load_end = trial.summary.frame().load_end.as_secs();
    let middle = load_end.midpoint(trial.drain_end.as_secs().max(load_end));
    sequence.last_answer().is_some_and(|at| at.as_secs() > middle)
}
