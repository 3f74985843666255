//! Owns the issuer: sends each request at its instant, whatever happened to earlier requests.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::client::{Client, Departure};
use crate::clock::Pacer;
use crate::engine::desk::Desk;
use crate::engine::follow::follow;
use crate::engine::segment::Live;
use crate::engine::source::{Supply, stage_turn};
use crate::engine::ticket::Ticket;
use crate::record::{Outcome, Record};
use crate::units::{Offset, Window};
use crate::workload::{BodyFingerprint, Closed, History};

/// How long before a request's instant its connection is made ready.
pub(super) const RESERVE_LEAD: Duration = Duration::from_millis(20);
/// Shortest time between two wake-ups for reservations: few wake-ups, and no burst of new connections.
const RESERVE_STEP: Duration = Duration::from_millis(2);
/// After a stop, overdue requests are still sent for this long. The rest are recorded as unresolved.
const STOP_GRACE: Duration = Duration::from_millis(50);

/// Issues one worker's share of an open load. Before a send it waits only for the clock and its own preparing thread:
/// it holds no channel from completions and no semaphore (test `schedule_never_waits`).
pub(super) async fn issue_open<C: Client>(client: &Rc<C>, live: &Arc<Live>, source: &mut Supply<C>, worker: usize) {
    let mut pacer = Pacer::new(live.clock, live.pacing);
    let desk = Rc::new(Desk::new(Rc::clone(client), Arc::clone(live), worker));
    loop {
        while let Some(next) = source.at_hand() {
            if !live.clock.until_before(next.record.scheduled, RESERVE_LEAD).is_zero() {
                break;
            }
            let Some(staged) = source.take() else { break };
            desk.reserve(staged);
        }
        let to_reserve = source.at_hand().map(|staged| staged.record.scheduled);
        let reserved = desk.due();
        let due = if reserved == Offset::NEVER { to_reserve } else { Some(reserved) };
        let Some(due) = due else {
            if source.has_ended() {
                break;
            }
            // No request has been built yet: only the preparing thread knows whether one comes, and when it is due.
            until_stopped(live, source.arrives()).await;
            continue;
        };
        let stop_at = live.stop_at();
        if due >= stop_at || live.has_let_go() || live.clock.now().since(stop_at) > STOP_GRACE {
            break;
        }
        if reserved == Offset::NEVER {
            until_stopped(live, pacer.sleep_until_before(due, RESERVE_LEAD)).await;
            continue;
        }
        let left = live.clock.until(due);
        if left.is_zero() {
            desk.send_due();
            if live.clock.until(desk.due()).is_zero() {
                // Let other tasks read responses between two batches of overdue sends.
                tokio::task::yield_now().await;
            }
            continue;
        }
        if desk.hold_next() {
            continue;
        }
        // Wake to send, to hold, to reserve (if that is clearly earlier), or when the next request has been built. A
        // send never waits until the request after it is built.
        let reserve_in = to_reserve.map_or(left, |at| live.clock.until_before(at, RESERVE_LEAD).max(RESERVE_STEP));
        let wake_in = reserve_in.min(desk.hold_in().unwrap_or(left));
        let unknown = to_reserve.is_none() && !source.has_ended();
        tokio::select! {
            biased;
            () = until_stopped(live, pacer.sleep_until_before(due, left.saturating_sub(wake_in))) => {}
            () = source.arrives(), if unknown => {}
        }
    }
    let (unsent, bodies) = desk.close();
    settle_overdue(live, unsent, source, worker).await;
    live.merge_bodies(&bodies);
}

/// Awaits `wait` or the call to stop, whichever comes first. After the call to stop it awaits `wait` alone, because
/// requests may still be due.
async fn until_stopped(live: &Live, wait: impl Future<Output = ()>) {
    if live.stop_at() == Offset::NEVER {
        tokio::select! {
            biased;
            () = live.stopped() => {}
            () = wait => {}
        }
    } else {
        wait.await;
    }
}

/// Records as unresolved every request that was due before the stop and was not sent: the delay was the generator's.
async fn settle_overdue<C: Client>(
    live: &Arc<Live>,
    soon: impl Iterator<Item = Box<Record>>,
    source: &mut Supply<C>,
    worker: usize,
) {
    let stop_at = live.stop_at();
    if stop_at == Offset::NEVER {
        return;
    }
    for record in soon.take_while(|record| record.scheduled < stop_at) {
        Ticket::new(record, History::default(), Arc::clone(live), worker).settle_unsent(Outcome::Unresolved);
    }
    // The preparing thread ends at the stop too, so this loop is short.
    while let Some(staged) = source.next().await {
        if staged.record.scheduled >= stop_at {
            break;
        }
        Ticket::new(staged.record, History::default(), Arc::clone(live), worker).settle_unsent(Outcome::Unresolved);
    }
}

/// Issues one worker's share of a closed loop: each slot sends its next request when its previous one has settled. In
/// a loop over sessions this is the next turn of its session, or the first turn of the next one.
pub(super) async fn issue_closed<C: Client>(
    client: &Rc<C>,
    (live, encoder): (&Arc<Live>, &Arc<C::Encoder>),
    source: Supply<C>,
    worker: usize,
    closed: Closed,
    whole: Window,
) {
    let (workers, concurrency) = (live.workers(), closed.concurrency as usize);
    let slots = concurrency / workers + usize::from(worker < concurrency % workers);
    let source = Rc::new(tokio::sync::Mutex::new(source));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..slots {
        let all = (Arc::clone(live), Arc::clone(encoder));
        running.spawn_local(release(Rc::clone(client), all, Rc::clone(&source), worker, whole));
    }
    while running.join_next().await.is_some() {}
}

async fn release<C: Client>(
    client: Rc<C>,
    (live, encoder): (Arc<Live>, Arc<C::Encoder>),
    source: Rc<tokio::sync::Mutex<Supply<C>>>,
    worker: usize,
    whole: Window,
) {
    let mut bodies = BodyFingerprint::default();
    let mut next_turn = None;
    Pacer::new(live.clock, live.pacing).sleep_until(whole.start).await;
    loop {
        let staged = match next_turn.take() {
            Some(turn) => Some(stage_turn::<C>(&live, &encoder, turn)),
            None => source.lock().await.next().await,
        };
        let Some(mut staged) = staged else { break };
        let now = live.clock.now();
        if now >= whole.end || now >= live.stop_at() {
            break;
        }
        staged.record.scheduled = now;
        bodies.merge(&staged.bodies);
        let cancel_after = staged.record.cancel_after;
        let mut ticket = Ticket::new(staged.record, staged.history, Arc::clone(&live), worker);
        let departure = Departure::at(ticket.begin());
        next_turn =
            ticket.settle(follow(Rc::clone(&client), Arc::clone(&live), staged.call, cancel_after, departure).await);
    }
    live.merge_bodies(&bodies);
}
