//! Owns the first two steps of a search: the unloaded service, and the saturated one.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::{Course, Ended, Sequence};
use crate::play::{LiveCounts, Play, Segment, StopRule, Trial};
use crate::search::capacity::{cv2_of, in_window, mean_e2e_s};
use crate::search::hunt::facts::{counts_of, decided_of};
use crate::search::hunt::load::{Hunt, Lengths};
use crate::search::hunt::watch::LOST;
use crate::search::hunt::{Aim, Event, Journal, Kept, Purpose};
use crate::search::step::{Capacity, Saturation, Spent, failing};
use crate::search::{PointLoad, Stability, read_signs, stability_of};
use crate::units::{Offset, Rate};
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
    let aim: Aim = hunt.aim.clone();
    let budget = aim.question.budget();
    let most = budget.requests.map_or(u64::MAX, |requests| ((FLOOR_SHARE * requests as f64) as u64).max(FLOOR_LEAST));
    let most_s = budget.seconds.map_or(FLOOR_S, |seconds| (FLOOR_SHARE * seconds).min(FLOOR_S));
    let enough = Enough::default();
    let rule = enough.watching(move |counts, sequence| {
        let (settled, elapsed_s) = (sequence.settled(), counts.elapsed.as_secs());
        let counted = counts_of(&aim, sequence, counts.elapsed);
        // Close to a limit more are asked: a share of misses that no rate changes is best learnt here.
        let is_close = || {
            aim.question
                .demands()
                .iter()
                .zip(&counted)
                .any(|(demand, counted)| counted.share() > CLOSE * demand.allowed())
        };
        (settled >= requests && (settled >= CLOSE_TIMES * requests || !is_close()))
            || settled >= most
            || (settled >= FLOOR_LEAST && elapsed_s >= most_s)
            // Slow answers, one after the other, are not to take all that there is.
            || (settled > 0 && elapsed_s >= FLOOR_OVER * most_s && most_s < FLOOR_S)
            || (LOOKS.contains(&settled) && failing(&aim.question, &counted).is_some())
            || sequence.lost_in_a_row() >= LOST
    });
    played(hunt, player, (place, Purpose::Floor), segment, (rule, enough), |hunt, trial, view| {
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
    let first_look = STAGE_ROUNDS * u64::from(in_flight);
    let filled = Filled::after(filling_s);
    let (refused, full) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(is_last)));
    let (is_refused, is_full) = (Arc::clone(&refused), Arc::clone(&full));
    let enough = Enough::default();
    let rule = enough.watching(move |counts, _| {
        if counts.missed >= u64::from(LOST) && counts.missed > counts.completed {
            is_refused.store(true, Relaxed);
            return true;
        }
        if counts.elapsed.as_secs() >= most_s {
            return true;
        }
        let Some((since, since_s)) = filled.since(counts) else { return false };
        if since < first_look {
            return false;
        }
        let per_s = since as f64 / since_s.max(1e-9);
        if since == first_look && before.is_some_and(|before| per_s < GAIN * before) {
            is_full.store(true, Relaxed);
        }
        since >= completions || !is_full.load(Relaxed)
    });
    let mut completed = None;
    played(hunt, player, (place, Purpose::Saturation), segment, (rule, enough), |hunt, _, view| {
        completed = in_window(view).map(|rate| rate.per_s);
        if refused.load(Relaxed) {
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
        if full.load(Relaxed) && is_saturated {
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
    let (filled, enough) = (Filled::after(filling_s), Enough::default());
    let rule = enough.watching(move |counts, sequence| {
        filled.since(counts).is_some_and(|(since, _)| since >= completions || sequence.lost_in_a_row() >= LOST)
    });
    played(hunt, player, (place, Purpose::Saturation), segment, (rule, enough), |hunt, _, view| {
        if let Some(rate) = in_window(view) {
            hunt.journal.history.saturated_again(rate.per_s);
        }
    })
    .await
}

/// What a closed loop completes once it has filled the service.
#[derive(Debug)]
struct Filled {
    after: Offset,
    counts: Mutex<Option<LiveCounts>>,
}

impl Filled {
    /// The service is full `filling_s` after the load began.
    fn after(filling_s: f64) -> Self {
        Self { after: Offset::from_secs(filling_s), counts: Mutex::default() }
    }

    /// Requests completed since then, and seconds; none before.
    fn since(&self, counts: &LiveCounts) -> Option<(u64, f64)> {
        if counts.elapsed < self.after {
            return None;
        }
        let mut first = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let first = first.get_or_insert(*counts);
        Some((counts.completed - first.completed, counts.elapsed.secs_since(first.elapsed)))
    }
}

/// Whether a rule ended its load, and not the user.
#[derive(Debug, Clone, Default)]
struct Enough(Arc<AtomicBool>);

impl Enough {
    fn watching(&self, enough: impl Fn(&LiveCounts, &Sequence) -> bool + Send + Sync + 'static) -> StopRule {
        let reached = Arc::clone(&self.0);
        StopRule::Watch(Arc::new(move |counts, sequence| {
            if enough(counts, sequence) && !reached.swap(true, Relaxed) { Course::Stop } else { Course::GoOn }
        }))
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
