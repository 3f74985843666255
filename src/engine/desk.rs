//! Owns the desk of one worker: requests whose connection is reserved, each sent the moment anyone on the worker sees
//! it due.

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
use crate::workload::BodyFingerprint;

/// Overdue requests sent at one look, so that many of them do not keep the sockets waiting.
const AT_ONCE: u32 = 8;
/// How long before its instant a request is written as far as it goes without a byte on the wire. A write wakes the
/// server, which takes some 20 µs; checking a connection out and encoding takes 5 to 8 µs more, which the request
/// behind it would wait for too.
const HOLD_LEAD: Duration = Duration::from_millis(2);
/// What is due so much later is held at the same waking.
const HOLD_STEP: Duration = Duration::from_micros(500);

/// What will leave within the reservation lead, the first of it held: ready but for its last step.
///
/// The issuer sleeps until the next instant; but on a busy worker it then queues behind the tasks that read answers.
/// So each of those looks at the clock first and sends what has come due: a flood of events delays a send by one
/// event, not by the queue.
pub(super) struct Desk<C: Client> {
    client: Rc<C>,
    live: Arc<Live>,
    worker: usize,
    held: RefCell<VecDeque<Held>>,
    /// All later than those held.
    reserved: RefCell<VecDeque<Staged<C>>>,
    /// The instant of the first of all.
    due: Cell<Offset>,
    bodies: RefCell<BodyFingerprint>,
}

/// A request that waits for its departure alone.
struct Held {
    record: Box<Record>,
    bodies: BodyFingerprint,
    departure: Departure,
    sending: Sending,
}

type Sending = Pin<Box<dyn Future<Output = Exchange>>>;

/// Moves `sending` as far as it goes; `None` where it panics. Whoever is to be woken by that is forgotten: it is
/// polled again at its departure, and by its own task after that.
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
            // The plan's come in order; what completions release need not.
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

    /// The next instant; [`Offset::NEVER`] when nothing is reserved.
    pub(super) fn due(&self) -> Offset {
        self.due.get()
    }

    /// Holds the next request that is near, unless the cap may shed it; says whether there was one. Never waits.
    pub(super) fn hold_next(&self) -> bool {
        let near =
            |staged: &Staged<C>| self.live.clock.until_before(staged.record.scheduled, HOLD_LEAD + HOLD_STEP).is_zero();
        let ahead = self.live.gauge.open() + self.held.borrow().len() as u64;
        if !self.reserved.borrow().front().is_some_and(near)
            || self.live.max_in_flight.is_some_and(|most| ahead >= most)
        {
            return false;
        }
        let next = self.reserved.borrow_mut().pop_front();
        let Some(mut held) = next.map(|staged| self.begun(staged)) else { return false };
        // Where it panics it does so again at its departure, and leaves its record then.
        _ = advance(&mut held.sending);
        self.held.borrow_mut().push_back(held);
        true
    }

    /// How long until the next request is to be held; `None` where it is, or is too near to wake for.
    pub(super) fn hold_in(&self) -> Option<Duration> {
        let left = self.live.clock.until_before(self.due.get(), HOLD_LEAD);
        (self.held.borrow().is_empty() && !left.is_zero()).then_some(left)
    }

    fn begun(&self, staged: Staged<C>) -> Held {
        let departure = Departure::default();
        let sending = Box::pin(follow(Rc::clone(&self.client), Arc::clone(&self.live), staged.call, departure.clone()));
        Held { record: staged.record, bodies: staged.bodies, departure, sending }
    }

    /// Sends what has come due, at most a few. Never waits.
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
        let open = self.live.gauge.open();
        let Held { record, departure, mut sending, .. } = held;
        let mut ticket = Ticket::new(record, Arc::clone(&self.live), self.worker);
        if self.live.max_in_flight.is_some_and(|most| open >= most) {
            ticket.settle_unsent(Outcome::Shed);
            return;
        }
        departure.leave(ticket.begin());
        match advance(&mut sending) {
            Some(Poll::Pending) => _ = tokio::task::spawn_local(attend(Rc::clone(self), sending, ticket)),
            Some(Poll::Ready(exchange)) => ticket.settle(exchange),
            // A panic is its own: its ticket writes the record.
            None => drop(ticket),
        }
    }

    /// Gives back the numbers of those that are reserved, not held, and would come too late.
    pub(super) fn withdraw_late(&self) -> Vec<u64> {
        let (late, kept) =
            self.reserved.take().into_iter().partition(|staged| self.live.is_over(staged.record.scheduled));
        *self.reserved.borrow_mut() = kept;
        self.note_due();
        late.into_iter().map(|staged: Staged<C>| staged.record.id).collect()
    }

    /// Gives back the records of what was reserved and not sent, in order, and the fingerprint of what was sent.
    pub(super) fn close(&self) -> (impl Iterator<Item = Box<Record>> + use<C>, BodyFingerprint) {
        self.due.set(Offset::NEVER);
        let held = self.held.take().into_iter().map(|held| held.record);
        (held.chain(self.reserved.take().into_iter().map(|staged| staged.record)), self.bodies.take())
    }
}

/// Awaits the end of one request; at each of its turns, first sends what has come due.
async fn attend<C: Client>(desk: Rc<Desk<C>>, mut sending: Sending, ticket: Ticket) {
    let exchange = poll_fn(|cx| {
        desk.send_due();
        sending.as_mut().poll(cx)
    })
    .await;
    ticket.settle(exchange);
}
