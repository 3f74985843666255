//! Owns the desk of one worker: requests with a reserved connection, each sent as soon as any task of the worker sees
//! that it is due.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::client::{Client, Departure};
use crate::engine::follow::follow;
use crate::engine::segment::Live;
use crate::engine::source::Staged;
use crate::engine::ticket::Ticket;
use crate::record::{Exchange, Outcome, Record};
use crate::units::Offset;
use crate::workload::{BodyFingerprint, History};

/// Overdue requests sent in one call. More would delay the reading of sockets.
const AT_ONCE: u32 = 8;
/// How long before its instant a request is held: everything but the write to the socket is done. A write wakes the
/// server, which takes about 20 µs. Taking a connection and encoding take another 5 to 8 µs, which would also delay
/// the next request.
const HOLD_LEAD: Duration = Duration::from_millis(2);
/// Requests due up to this much later are held at the same wake-up.
const HOLD_STEP: Duration = Duration::from_micros(500);

/// The requests due within the reservation lead. The first of them are held: ready except for the write.
///
/// The issuer sleeps until the next instant. On a busy worker it then queues behind the tasks that read responses.
/// So each of these tasks first looks at the clock and sends what is due: a flood of events delays a send by one
/// event, not by the whole queue.
pub(super) struct Desk<C: Client> {
    client: Rc<C>,
    live: Arc<Live>,
    worker: usize,
    held: RefCell<VecDeque<Held>>,
    /// Requests with a reserved connection, in the order of their instants; all due after the held ones.
    reserved: RefCell<VecDeque<Staged<C>>>,
    /// The instant of the first request, held or reserved.
    due: Cell<Offset>,
    bodies: RefCell<BodyFingerprint>,
}

/// A request that waits only for its departure.
struct Held {
    record: Box<Record>,
    bodies: BodyFingerprint,
    departure: Departure,
    sending: Sending,
    history: History,
}

type Sending = Pin<Box<dyn Future<Output = Exchange>>>;

/// Polls `sending` once; returns `None` when it panics. No wake-up is registered: it is polled again at its departure,
/// and then by its own task.
fn advance(sending: &mut Sending) -> Option<Poll<Exchange>> {
    let mut cx = Context::from_waker(Waker::noop());
    catch_unwind(AssertUnwindSafe(|| sending.as_mut().poll(&mut cx))).ok()
}

impl<C: Client> Desk<C> {
    pub(super) fn new(client: Rc<C>, live: Arc<Live>, worker: usize) -> Self {
        let due = Cell::new(Offset::NEVER);
        Self {
            client,
            live,
            worker,
            held: RefCell::default(),
            reserved: RefCell::default(),
            due,
            bodies: RefCell::default(),
        }
    }

    /// Reserves a connection for `staged` and keeps it for its instant.
    pub(super) fn reserve(&self, staged: Staged<C>) {
        self.client.reserve(&staged.call);
        {
            let mut reserved = self.reserved.borrow_mut();
            // Planned requests come in order; turns released by completions may not.
            let place = reserved.partition_point(|other| other.record.scheduled <= staged.record.scheduled);
            reserved.insert(place, staged);
        }
        self.note_due();
    }

    fn note_due(&self) {
        let held = self.held.borrow().front().map(|held| held.record.scheduled);
        let first = held.or_else(|| self.reserved.borrow().front().map(|staged| staged.record.scheduled));
        self.due.set(first.unwrap_or(Offset::NEVER));
    }

    /// The instant of the next request; [`Offset::NEVER`] when there is none.
    pub(super) fn due(&self) -> Offset {
        self.due.get()
    }

    /// Holds the next request if it is due soon and the in-flight cap cannot shed it. Returns whether it did. Never
    /// waits.
    pub(super) fn hold_next(&self) -> bool {
        let near =
            |staged: &Staged<C>| self.live.clock.until_before(staged.record.scheduled, HOLD_LEAD + HOLD_STEP).is_zero();
        // The cap is the only reason to add up the counts of all workers.
        let ahead = || self.live.gauge.open() + self.held.borrow().len() as u64;
        if !self.reserved.borrow().front().is_some_and(near)
            || self.live.max_in_flight.is_some_and(|most| ahead() >= most)
        {
            return false;
        }
        let next = self.reserved.borrow_mut().pop_front();
        let Some(mut held) = next.map(|staged| self.begun(staged)) else { return false };
        // A request that panics here panics again at its departure, and its record is written then.
        _ = advance(&mut held.sending);
        self.held.borrow_mut().push_back(held);
        true
    }

    /// How long until the next request should be held; `None` when one is held already or is due too soon for a
    /// wake-up.
    pub(super) fn hold_in(&self) -> Option<Duration> {
        let left = self.live.clock.until_before(self.due.get(), HOLD_LEAD);
        (self.held.borrow().is_empty() && !left.is_zero()).then_some(left)
    }

    fn begun(&self, staged: Staged<C>) -> Held {
        let departure = Departure::default();
        let (client, live) = (Rc::clone(&self.client), Arc::clone(&self.live));
        let sending = Box::pin(follow(client, live, staged.call, staged.record.cancel_after, departure.clone()));
        Held { record: staged.record, bodies: staged.bodies, departure, sending, history: staged.history }
    }

    /// Sends requests that are due, at most [`AT_ONCE`]. Never waits.
    pub(super) fn send_due(self: &Rc<Self>) {
        for _ in 0..AT_ONCE {
            let due = self.due.get();
            if due == Offset::NEVER
                || !self.live.clock.until(due).is_zero()
                || due >= self.live.stop_at()
                || self.live.has_let_go()
            {
                return;
            }
            let held = self.held.borrow_mut().pop_front();
            let next = held.or_else(|| self.reserved.borrow_mut().pop_front().map(|staged| self.begun(staged)));
            self.note_due();
            let Some(next) = next else { return };
            self.bodies.borrow_mut().merge(&next.bodies);
            self.dispatch(next);
        }
    }

    /// Sends one request, or sheds it at the cap.
    fn dispatch(self: &Rc<Self>, held: Held) {
        let is_full = self.live.max_in_flight.is_some_and(|most| self.live.gauge.open() >= most);
        let Held { record, departure, mut sending, history, .. } = held;
        let mut ticket = Ticket::new(record, history, Arc::clone(&self.live), self.worker);
        if is_full {
            ticket.settle_unsent(Outcome::Shed);
            return;
        }
        departure.leave(ticket.begin());
        match advance(&mut sending) {
            Some(Poll::Pending) => _ = tokio::task::spawn_local(attend(Rc::clone(self), sending, ticket)),
            Some(Poll::Ready(exchange)) => _ = ticket.settle(exchange),
            // The request panicked: dropping its ticket writes the record.
            None => drop(ticket),
        }
    }

    /// Removes the reserved requests (not the held ones) that would be sent too late, and returns their ids.
    pub(super) fn withdraw_late(&self) -> Vec<u64> {
        let (late, kept) =
            self.reserved.take().into_iter().partition(|staged| self.live.is_over(staged.record.scheduled));
        *self.reserved.borrow_mut() = kept;
        self.note_due();
        late.into_iter().map(|staged: Staged<C>| staged.record.id).collect()
    }

    /// Returns the records of the requests that were not sent, in order, and the fingerprint of the bodies sent.
    pub(super) fn close(&self) -> (impl Iterator<Item = Box<Record>> + use<C>, BodyFingerprint) {
        self.due.set(Offset::NEVER);
        let held = self.held.take().into_iter().map(|held| held.record);
        (held.chain(self.reserved.take().into_iter().map(|staged| staged.record)), self.bodies.take())
    }
}

/// Awaits the end of one request. Each time it is polled, it first sends the requests that are due.
async fn attend<C: Client>(desk: Rc<Desk<C>>, mut sending: Sending, ticket: Ticket) {
    let exchange = poll_fn(|cx| {
        desk.send_due();
        sending.as_mut().poll(cx)
    })
    .await;
    _ = ticket.settle(exchange);
}
