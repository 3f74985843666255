//! Owns the first two steps of a search: the unloaded service, and the saturated one.

use std::sync::Arc;

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::Ended;
use crate::play::{
    AgainRule, FloorObjective, FloorRule, Issued, Play, Segment, StageRule, StopReason, Trial, WatchRule,
};
use crate::search::capacity::{cv2_of, in_window, mean_e2e_s};
use crate::search::hunt::facts::decided_of;
use crate::search::hunt::load::{Hunt, Lengths};
use crate::search::hunt::watch::LOST;
use crate::search::hunt::{Asked, Event, Journal, Kept, Purpose};
use crate::search::step::{Capacity, Demand, FAILING, Saturation, Spent};
use crate::search::{PointLoad, Stability, read_signs, stability_of};
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

/// Asks the unloaded service, one request at a time: `requests`, or as many as come back in a minute; fewer where it
/// fails for certain.
pub(super) async fn floor<P, T>(hunt: &mut Hunt<'_, T>, player: &mut P, requests: u64) -> Result<(), Error>
where
    P: Play,
    T: FnMut(&Journal, Event) -> Result<(), Error>,
{
    let lengths = Lengths::new(0.0, LONGEST_S, 0.0);
    let (place, segment) = hunt.begin(Purpose::Floor, PointLoad::Closed(1), &lengths, "floor".to_owned())?;
    let aim = hunt.aim;
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
    played(hunt, player, (place, Purpose::Floor), segment, rule, |hunt, trial, view, _| {
        let Some(sequence) = &trial.sequence else { return };
        hunt.journal.history.floor = Some(decided_of(hunt.aim, sequence, trial.drain_end));
        hunt.journal.unloaded_s = mean_e2e_s(view);
        hunt.journal.history.unloaded_cv2 = cv2_of(view);
    })
    .await
}

/// Loads the service beyond what it can do, with 4, 16, 64, 256 and at last 512 requests in flight, until four times
/// as many bring hardly more; then until `completions` are there. No more are in flight than that takes: a service
/// that collapses under more, or takes long to work them off, is spared. Where a most is set, that is offered first,
/// and nothing more if the service keeps up with it. A service that refuses is left alone at once.
pub(super) async fn saturate<P, T>(
    hunt: &mut Hunt<'_, T>,
    player: &mut P,
    completions: u64,
    most_per_s: Option<f64>,
) -> Result<(), Error>
where
    P: Play,
    T: FnMut(&Journal, Event) -> Result<(), Error>,
{
    if let Some(most) = most_per_s.and_then(|per_s| Rate::new(per_s).ok()) {
        let left = hunt.left();
        let requests = (AT_MOST as f64).min(BUDGET_SHARE * left.requests as f64);
        let lengths = Lengths::new(0.0, (requests / most.per_s()).min(BUDGET_SHARE * left.seconds), 0.0);
        let (place, segment) =
            hunt.begin(Purpose::Saturation, PointLoad::Open(most), &lengths, format!("the most, {most}"))?;
        let full = WatchRule::InFlight(u64::from(Closed::THROUGHPUT));
        played(hunt, player, (place, Purpose::Saturation), segment, full, |hunt, trial, view, _| {
            if trial.ended == Ended::Complete && stability_of(&read_signs(view)) != Stability::Saturated {
                hunt.journal.history.capacity = Some(Capacity::Above(most.per_s()));
            }
        })
        .await?;
        if hunt.journal.history.capacity.is_some() || hunt.has_ended() {
            return Ok(());
        }
    }
    // A first step must leave something for the probes.
    let (left, begun) = (hunt.left(), hunt.journal.history.spent());
    let requests = (BUDGET_SHARE * left.requests as f64) as u64;
    let completions = completions.min(requests.max(LEAST_COMPLETIONS));
    let until_s = begun.seconds + (BUDGET_SHARE * left.seconds).min(LONGEST_S);
    let mut before = None;
    for in_flight in STAGES {
        let spent = hunt.journal.history.spent();
        // A stage asks for a few rounds of all that are in flight.
        let affordable = spent.requests - begun.requests + (STAGE_ROUNDS + 1) * u64::from(in_flight) <= requests;
        let most_s = if affordable || before.is_none() { (until_s - spent.seconds).max(0.0) } else { 0.0 };
        before = stage(hunt, player, (in_flight, completions, most_s), before).await?;
        if hunt.journal.history.capacity.is_some() || hunt.has_ended() {
            break;
        }
    }
    Ok(())
}

/// Plays a closed loop of `in_flight`, for `completions` where more in flight no longer bring much beside the
/// `before` completed per second by the stage before, or where there is no next stage; else only until that is known.
/// Gives what it completed per second.
async fn stage<P, T>(
    hunt: &mut Hunt<'_, T>,
    player: &mut P,
    (in_flight, completions, most_s): (u32, u64, f64),
    before: Option<f64>,
) -> Result<Option<f64>, Error>
where
    P: Play,
    T: FnMut(&Journal, Event) -> Result<(), Error>,
{
    let is_last = in_flight == Closed::THROUGHPUT;
    let filling_s = FILLING * hunt.journal.unloaded_s.unwrap_or(0.0);
    let lengths = Lengths::new(filling_s, LONGEST_S, 0.0);
    let label = format!("saturation, {in_flight} in flight");
    let (place, segment) = hunt.begin(Purpose::Saturation, PointLoad::Closed(in_flight), &lengths, label)?;
    let rule = WatchRule::Stage(StageRule {
        filled_s: filling_s,
        most_s,
        first_look: STAGE_ROUNDS * u64::from(in_flight),
        least_per_s: before.map(|before| GAIN * before),
        is_last,
        completions,
        refused: u64::from(LOST),
    });
    let mut completed = None;
    played(hunt, player, (place, Purpose::Saturation), segment, rule, |hunt, _, view, reason| {
        completed = in_window(view).map(|rate| rate.per_s);
        if reason == Some(StopReason::Refused) {
            // One after the other it was answered.
            let lone_per_s = hunt.journal.unloaded_s.map_or(1.0, |lone_s| 1.0 / lone_s);
            hunt.journal.history.capacity = Some(Capacity::Refuses(lone_per_s));
            return;
        }
        let is_saturated =
            mean_e2e_s(view).zip(hunt.journal.unloaded_s).is_none_or(|(loaded, lone)| loaded >= SATURATED * lone);
        // Answers that take the same time come in waves, of which a window may hold one more than its share; all of
        // them together do not.
        let least = view.run_totals.completed as f64 / view.drain_end_s;
        let found = completed.unwrap_or(least);
        let late = view.drain_end_s >= most_s;
        if reason.map_or(is_last, |reason| reason == StopReason::Saturated) && is_saturated {
            hunt.journal.history.capacity = Some(Capacity::Reached(found));
            let completions = in_window(view).map_or(0, |_| view.requests.completed);
            hunt.journal.history.saturation = Some(Saturation { in_flight, completions, again_per_s: None });
        } else if is_last || late {
            // At least it completes what it does one after the other. Where time is short the window may be too short
            // to hold any.
            let lone_per_s =
                hunt.journal.unloaded_s.filter(|lone_s| *lone_s > 0.0).map_or(LEAST_PER_S, |lone_s| 1.0 / lone_s);
            let carried = if late { least } else { found.min(least) };
            hunt.journal.history.capacity = Some(Capacity::Above(carried.max(lone_per_s)));
        }
    })
    .await?;
    Ok(completed)
}

/// Loads the service once more as it was saturated first, from rest, and keeps what it completes.
pub(super) async fn saturate_again<P, T>(
    hunt: &mut Hunt<'_, T>,
    player: &mut P,
    goes_on: impl Fn() -> bool,
) -> Result<(), Error>
where
    P: Play,
    T: FnMut(&Journal, Event) -> Result<(), Error>,
{
    let Some((in_flight, completions)) = hunt.journal.history.saturate_again() else { return Ok(()) };
    hunt.saturated_again = true;
    player.rest().await;
    hunt.rest = true;
    if !goes_on() {
        return Ok(());
    }
    let filling_s = FILLING * hunt.journal.unloaded_s.unwrap_or(0.0);
    let lengths = Lengths::new(filling_s, LONGEST_S, 0.0);
    let label = format!("saturation again, {in_flight} in flight");
    let (place, segment) = hunt.begin(Purpose::Saturation, PointLoad::Closed(in_flight), &lengths, label)?;
    let rule = WatchRule::Again(AgainRule { filled_s: filling_s, completions, lost_in_a_row: LOST });
    played(hunt, player, (place, Purpose::Saturation), segment, rule, |hunt, _, view, _| {
        if let Some(rate) = in_window(view) {
            hunt.journal.history.saturated_again(rate.per_s);
        }
    })
    .await
}

/// Plays a load to the end of all its requests; what is evidence is learnt from, before anyone is told.
async fn played<'a, P, T>(
    hunt: &mut Hunt<'a, T>,
    player: &mut P,
    (place, purpose): (usize, Purpose),
    segment: Segment,
    rule: WatchRule,
    learn: impl FnOnce(&mut Hunt<'a, T>, &Trial, &TrialView, Option<StopReason>),
) -> Result<(), Error>
where
    P: Play,
    T: FnMut(&Journal, Event) -> Result<(), Error>,
{
    let plan = Arc::clone(&segment.plan);
    let Issued { watched, settling, .. } = player.play(segment, rule.into()).await?;
    let reason = watched.map(|watched| watched.reason);
    let trial = settling.await?;
    let view = trial.view();
    let by_itself = trial.ended == Ended::Complete || (trial.ended == Ended::Stopped && reason.is_some());
    let lost = trial.sequence.as_ref().is_some_and(|sequence| sequence.lost_in_a_row() >= LOST);
    let kept = hunt.judge(&view, !by_itself, lost);
    hunt.journal.waste(Spent { requests: view.run_totals.planned, seconds: trial.drain_end.as_secs() });
    if kept == Kept::Evidence {
        learn(hunt, &trial, &view, reason);
    }
    hunt.end(place, purpose, kept, view, plan)
}
