//! Owns the first two steps of a search: the unloaded service, and the saturated one.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::metrics::{Course, Ended, LiveCounts, Play, Segment, Sequence, StopRule, Trial, TrialView};
use crate::search::capacity::{in_window, mean_e2e_s};
use crate::search::hunt::facts::counts_of;
use crate::search::hunt::watch::LOST;
use crate::search::hunt::{Aim, Event, Hunt, Journal, Kept, Lengths, Purpose};
use crate::search::step::{Capacity, Spent, failing};
use crate::search::{PointLoad, Stability, read_signs, stability_of};
use crate::units::{Offset, Rate};
use crate::workload::Closed;

/// A first step ends by its rule, long before this.
const LONGEST_S: f64 = 24.0 * 3_600.0;
/// The unloaded service is asked for so long at most, once so many requests have come back: slow answers, one after the other, take their time.
const FLOOR_S: f64 = 60.0;
const FLOOR_LEAST: u64 = 30;
/// So many times as many are asked where misses are close to what is allowed.
const CLOSE_TIMES: u64 = 10;
/// Requests after which a floor that fails for certain ends it.
const FAILS_AFTER: u64 = 5;
/// Mean times of a lone request that a closed loop is given to fill the service.
const FILLING: f64 = 3.0;
/// A service on which a loaded request takes less than so many times a lone one is not saturated.
const SATURATED: f64 = 2.0;
/// Requests by which it is told whether the service keeps up with the most that may be sent.
const AT_MOST: u64 = 600;
/// Of a budget, what the saturation may take, once so many have completed.
const BUDGET_SHARE: f64 = 0.25;
const LEAST_COMPLETIONS: u64 = 300;

/// Asks the unloaded service, one request at a time: `requests`, or as many as come back in a minute; fewer where it fails for certain.
pub(super) async fn floor<P, T>(hunt: &mut Hunt<'_, T>, player: &mut P, requests: u64) -> Result<(), Error>
where
    P: Play,
    T: FnMut(&Journal, Event) -> Result<(), Error>,
{
    let lengths = Lengths::new(0.0, LONGEST_S, 0.0);
    let (place, segment) = hunt.begin(Purpose::Floor, PointLoad::Closed(1), &lengths, "floor".to_owned())?;
    let aim: Aim = hunt.aim.clone();
    let enough = Enough::default();
    let rule = enough.watching(move |counts, sequence| {
        let settled = sequence.settled();
        let counts_now = || counts_of(&aim, sequence, counts.elapsed);
        // Close to a limit more are asked: a share of failures that no rate changes is best refuted here.
        let is_close = || aim.question.demands().iter().zip(counts_now()).any(|(demand, counted)| counted.share() > demand.allowed() / 2.0);
        (settled >= requests && (settled >= CLOSE_TIMES * requests || !is_close()))
            || (settled >= FLOOR_LEAST && counts.elapsed.as_secs() >= FLOOR_S)
            || (settled >= FAILS_AFTER && failing(&aim.question, &counts_now()).is_some())
            || sequence.lost_in_a_row() >= LOST
    });
    played(hunt, player, (place, Purpose::Floor), segment, (rule, enough), |hunt, trial, view| {
        let Some(sequence) = &trial.sequence else { return };
        hunt.journal.history.floor = Some(counts_of(hunt.aim, sequence, trial.drain_end));
        hunt.journal.unloaded_s = mean_e2e_s(view);
    })
    .await
}

/// Loads the service beyond what it can do, with 512 requests in flight, until `completions` are there; where a most is set, that is offered first, and
/// nothing more if the service keeps up with it.
pub(super) async fn saturate<P, T>(hunt: &mut Hunt<'_, T>, player: &mut P, completions: u64, most_per_s: Option<f64>) -> Result<(), Error>
where
    P: Play,
    T: FnMut(&Journal, Event) -> Result<(), Error>,
{
    if let Some(most) = most_per_s.and_then(|per_s| Rate::new(per_s).ok()) {
        let lengths = Lengths::new(0.0, AT_MOST as f64 / most.per_s(), 0.0);
        let (place, segment) = hunt.begin(Purpose::Saturation, PointLoad::Open(most), &lengths, format!("the most, {most}"))?;
        let enough = Enough::default();
        let full = enough.watching(|counts, _| counts.in_flight >= u64::from(Closed::THROUGHPUT));
        played(hunt, player, (place, Purpose::Saturation), segment, (full, enough), |hunt, trial, view| {
            if trial.ended == Ended::Complete && stability_of(&read_signs(view)) != Stability::Saturated {
                hunt.journal.history.capacity = Some(Capacity::Above(most.per_s()));
            }
        })
        .await?;
        if hunt.journal.history.capacity.is_some() || hunt.has_ended() {
            return Ok(());
        }
    }
    let filling_s = FILLING * hunt.journal.unloaded_s.unwrap_or(0.0);
    let lengths = Lengths::new(filling_s, LONGEST_S, 0.0);
    let (place, segment) = hunt.begin(Purpose::Saturation, PointLoad::Closed(Closed::THROUGHPUT), &lengths, "saturation".to_owned())?;
    // A first step must leave something for the probes.
    let left = hunt.aim.question.budget().requests.map(|most| most.saturating_sub(hunt.journal.history.spent().requests));
    let completions = left.map_or(completions, |left| completions.min((BUDGET_SHARE * left as f64) as u64).max(LEAST_COMPLETIONS));
    let longest_s = hunt.aim.question.budget().seconds.map_or(LONGEST_S, |seconds| BUDGET_SHARE * seconds);
    let filled: Mutex<Option<u64>> = Mutex::default();
    let enough = Enough::default();
    let rule = enough.watching(move |counts, _| {
        let mut filled = filled.lock().unwrap_or_else(PoisonError::into_inner);
        let dead = counts.missed >= u64::from(Closed::THROUGHPUT + LOST);
        if counts.elapsed < Offset::from_secs(filling_s) {
            return counts.completed == 0 && dead;
        }
        let since = counts.completed - *filled.get_or_insert(counts.completed);
        let late = since >= LEAST_COMPLETIONS && counts.elapsed.as_secs() >= longest_s;
        since >= completions || late || (since == 0 && dead)
    });
    played(hunt, player, (place, Purpose::Saturation), segment, (rule, enough), |hunt, _, view| {
        let Some(rate) = in_window(view) else { return };
        let saturated = mean_e2e_s(view).zip(hunt.journal.unloaded_s).is_none_or(|(loaded, lone)| loaded >= SATURATED * lone);
        // Answers that take the same time come in waves, of which a window may hold one more than its share; all of them together do not.
        let least = view.run_totals.completed as f64 / view.drain_end_s;
        let reached = if saturated { Capacity::Reached(rate.per_s) } else { Capacity::Above(rate.per_s.min(least)) };
        hunt.journal.history.capacity = Some(reached);
    })
    .await
}

/// Whether a rule ended its load, and not the user.
#[derive(Debug, Clone, Default)]
struct Enough(Arc<AtomicBool>);

impl Enough {
    fn watching(&self, enough: impl Fn(&LiveCounts, &Sequence) -> bool + Send + Sync + 'static) -> StopRule {
        let reached = Arc::clone(&self.0);
        StopRule::Watch(Arc::new(
            move |counts, sequence| {
                if enough(counts, sequence) && !reached.swap(true, Relaxed) { Course::Stop } else { Course::GoOn }
            },
        ))
    }
}

/// Plays a load to the end of all its requests; what is evidence is learnt from, before anyone is told.
async fn played<'a, P, T>(
    hunt: &mut Hunt<'a, T>,
    player: &mut P,
    (place, purpose): (usize, Purpose),
    segment: Segment,
    (rule, enough): (StopRule, Enough),
    learn: impl FnOnce(&mut Hunt<'a, T>, &Trial, &TrialView),
) -> Result<(), Error>
where
    P: Play,
    T: FnMut(&Journal, Event) -> Result<(), Error>,
{
    let plan = Arc::clone(&segment.plan);
    let trial = player.play(segment, rule).await?.await?;
    let view = trial.view();
    let by_itself = trial.ended == Ended::Complete || (trial.ended == Ended::Stopped && enough.0.load(Relaxed));
    let lost = trial.sequence.as_ref().is_some_and(|sequence| sequence.lost_in_a_row() >= LOST);
    let kept = hunt.judge(&view, !by_itself, lost);
    hunt.journal.waste(Spent { requests: view.run_totals.planned, seconds: trial.drain_end.as_secs() });
    if kept == Kept::Evidence {
        learn(hunt, &trial, &view);
    }
    hunt.end(place, purpose, kept, view, plan)
}
