//! Owns the desk of one worker: requests whose connection is reserved, each sent the moment anyone on the worker sees it due.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use crate::client::Client;
use crate::engine::follow::follow;
use crate::engine::segment::Live;
use crate::engine::source::Staged;
use crate::engine::ticket::Ticket;
use crate::record::Outcome;
use crate::units::Offset;
use crate::workload::BodyFingerprint;

/// Overdue requests sent at one look, so that many of them do not keep the sockets waiting.
const AT_ONCE: u32 = 8;

/// What will leave within the reservation lead.
///
/// The issuer sleeps until the next instant; but on a busy worker it then queues behind the tasks that read answers. So each of those
/// looks at the clock first and sends what has come due: a flood of events delays a send by one event, not by the queue.
pub(super) struct Desk<C: Client> {
    client: Rc<C>,
    live: Arc<Live>,
    worker: usize,
    soon: RefCell<VecDeque<Staged<C>>>,
    /// The instant of the first of them.
    due: Cell<Offset>,
    bodies: RefCell<BodyFingerprint>,
}

impl<C: Client> Desk<C> {
    pub(super) fn new(client: Rc<C>, live: Arc<Live>, worker: usize) -> Self {
        Self { client, live, worker, soon: RefCell::default(), due: Cell::new(Offset::NEVER), bodies: RefCell::default() }
    }

    /// Reserves a connection for `staged` and keeps it for its instant.
    pub(super) fn reserve(&self, staged: Staged<C>) {
        self.client.reserve(&staged.call);
        let mut soon = self.soon.borrow_mut();
        // The plan's come in order; what completions release need not.
        let place = soon.partition_point(|other| other.record.scheduled <= staged.record.scheduled);
        soon.insert(place, staged);
        self.note_due(&soon);
    }

    fn note_due(&self, soon: &VecDeque<Staged<C>>) {
        self.due.set(soon.front().map_or(Offset::NEVER, |staged| staged.record.scheduled));
    }

    /// The next instant; [`Offset::NEVER`] when nothing is reserved.
    pub(super) fn due(&self) -> Offset {
        self.due.get()
    }

    /// Sends what has come due, at most a few. Never waits.
    pub(super) fn send_due(self: &Rc<Self>) {
        for _ in 0..AT_ONCE {
            let due = self.due.get();
            if due == Offset::NEVER || !self.live.clock.until(due).is_zero() || due >= self.live.stop_at() || self.live.has_let_go() {
                return;
            }
            let next = {
                let mut soon = self.soon.borrow_mut();
                let next = soon.pop_front();
                self.note_due(&soon);
                next
            };
            let Some(staged) = next else { return };
            self.bodies.borrow_mut().merge(&staged.bodies);
            self.dispatch(staged);
        }
    }

    /// Sends one request, or sheds it at the cap.
    fn dispatch(self: &Rc<Self>, staged: Staged<C>) {
        let open = self.live.gauge.open();
        let ticket = Ticket::new(staged.record, Arc::clone(&self.live), self.worker);
        if self.live.max_in_flight.is_some_and(|most| open >= most) {
            ticket.settle_unsent(Outcome::Shed);
            return;
        }
        let mut request = Box::pin(follow(Rc::clone(&self.client), Arc::clone(&self.live), staged.call, ticket));
        // Polled here once, so that its bytes leave now; whoever it wakes by that poll is forgotten, as its task polls it again at once.
        // A panic is its own: its ticket writes the record.
        let begun = catch_unwind(AssertUnwindSafe(|| request.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
        if begun.is_ok_and(|polled| polled.is_pending()) {
            tokio::task::spawn_local(attend(Rc::clone(self), request));
        }
    }

    /// Gives back what is reserved and would come too late.
    pub(super) fn withdraw_late(&self) -> VecDeque<Staged<C>> {
        let mut soon = self.soon.borrow_mut();
        let (late, kept) = std::mem::take(&mut *soon).into_iter().partition(|staged| self.live.is_over(staged.record.scheduled));
        *soon = kept;
        self.note_due(&soon);
        late
    }

    /// Gives back what was reserved and not sent, and the fingerprint of what was sent.
    pub(super) fn close(&self) -> (VecDeque<Staged<C>>, BodyFingerprint) {
        self.due.set(Offset::NEVER);
        (self.soon.take(), self.bodies.take())
    }
}

/// Runs `request`; at each of its turns, first sends what has come due.
async fn attend<C: Client>(desk: Rc<Desk<C>>, mut request: Pin<Box<impl Future<Output = ()>>>) {
    poll_fn(|cx| {
        desk.send_due();
        request.as_mut().poll(cx)
    })
    .await;
}
