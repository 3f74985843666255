//! Owns the open connections to one target: kept idle between requests, and opened before reserved requests are due.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Addresses;
use super::opening::{Means, Opener};
use super::wire::Wire;
use crate::record::Failure;
use crate::units::Offset;

/// The default of the idle timeout: vLLM's server closes a connection at 5 s, and a request sent just then is lost.
pub(super) const MOST_IDLE: Duration = Duration::from_secs(4);

/// Most connections being opened ahead at the same time, over all targets of one client: avoids a burst at the start.
const MOST_CONNECTING: usize = 128;

/// How long a response may take to end after `[DONE]` before its connection is dropped.
const DRAIN_GRACE: Duration = Duration::from_secs(1);

/// A future send. While this value lives, the pool keeps a connection for the send. It lives in the call, so that
/// dropping an unsent call frees the connection.
#[derive(Debug)]
pub(super) struct Reservation(Arc<AtomicUsize>);

impl Drop for Reservation {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// State that all pools of one client share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) means: Rc<Means>,
    /// Connections being opened ahead, over all pools.
    pub(super) connecting: Cell<usize>,
    /// How long a connection may be idle before it is dropped.
    pub(super) most_idle: Cell<Duration>,
    /// Whether a connection is used again after a response.
    pub(super) reuse: Cell<bool>,
}

struct Idle {
    wire: Wire,
    since: Offset,
}

/// A send that waits for a connection being opened. Its reservation ends when it gets the connection.
struct Waiting {
    give: oneshot::Sender<Wire>,
    _reservation: Option<Reservation>,
}

/// The connections to one target. The connection that has been idle longest is used first. This keeps connections
/// spread over the servers behind a load balancer; newest-first would concentrate the load on a few.
pub(super) struct Pool {
    shared: Rc<Shared>,
    opener: Opener,
    idle: RefCell<VecDeque<Idle>>,
    /// Connections of this pool being opened ahead.
    opening: Cell<usize>,
    /// Connections whose request has settled but whose response body has not ended yet.
    draining: Cell<usize>,
    /// Sends that wait for the next connection; never more than connections being opened.
    waiting: RefCell<VecDeque<Waiting>>,
    reserved: Arc<AtomicUsize>,
}

/// A connection for a send, and whether the send had to wait for it to open.
pub(super) struct CheckedOut {
    pub(super) wire: Wire,
    pub(super) opened: bool,
}

impl Pool {
    pub(super) fn new(shared: Rc<Shared>, target: &Addresses, start: usize) -> Self {
        Self {
            opener: Opener::new(shared.means.clone(), target, start),
            shared,
            idle: RefCell::default(),
            opening: Cell::new(0),
            draining: Cell::new(0),
            waiting: RefCell::default(),
            reserved: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// Reserves a connection for a send: opens the connections that the reserved sends still lack. Never waits.
    pub(super) fn reserve(self: &Rc<Self>) -> Reservation {
        self.reserved.fetch_add(1, Ordering::Relaxed);
        self.open_missing();
        Reservation(self.reserved.clone())
    }

    fn open_missing(self: &Rc<Self>) {
        let reserved = self.reserved.load(Ordering::Relaxed);
        self.forget_stale();
        self.forget_closed(reserved.saturating_sub(1));
        let at_hand = self.idle.borrow().len() + self.opening.get() + self.draining.get();
        let missing = reserved.saturating_sub(at_hand);
        let allowed = MOST_CONNECTING.saturating_sub(self.shared.connecting.get());
        for _ in 0..missing.min(allowed) {
            self.shared.connecting.set(self.shared.connecting.get() + 1);
            let coming = Coming::new(self, |pool| &pool.opening);
            tokio::task::spawn_local(coming.open_ahead());
        }
    }

    fn forget_stale(&self) {
        let now = self.shared.means.clock.now();
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(|oldest| now.since(oldest.since) >= self.shared.most_idle.get()) {
            idle.pop_front();
        }
    }

    /// Drops the idle connection at `place` in the queue if the server has closed it, then checks the connection that
    /// moves up to `place`. The caller passes the place of the latest reservation, so that every connection is checked
    /// once, shortly before its use.
    fn forget_closed(&self, place: usize) {
        let mut idle = self.idle.borrow_mut();
        while idle.get_mut(place).is_some_and(|idle| !idle.wire.is_idle_now()) {
            idle.remove(place);
        }
    }

    /// The oldest idle connection that the server has not closed.
    pub(super) fn take_idle(&self) -> Option<Wire> {
        self.forget_stale();
        loop {
            let Idle { mut wire, .. } = self.idle.borrow_mut().pop_front()?;
            if wire.is_idle_now() {
                return Some(wire);
            }
        }
    }

    /// A connection for a send: an idle one, else one being opened that no other send waits for, else a new one. The
    /// bound on connections being opened does not delay a send. Fails after the connect timeout at the latest.
    pub(super) async fn check_out(self: &Rc<Self>, reservation: Option<Reservation>) -> Result<CheckedOut, Failure> {
        let deadline = self.opener.deadline();
        if let Some(wire) = self.take_idle() {
            return Ok(CheckedOut { wire, opened: false });
        }
        self.waiting.borrow_mut().retain(|waiting| !waiting.give.is_closed());
        if self.opening.get() > self.waiting.borrow().len() {
            let (give, take) = oneshot::channel();
            self.waiting.borrow_mut().push_back(Waiting { give, _reservation: reservation });
            if let Ok(wire) = take.await {
                return Ok(CheckedOut { wire, opened: true });
            }
        } else {
            // The pool need not keep a connection for this send any longer.
            drop(reservation);
        }
        Ok(CheckedOut { wire: self.opener.open(deadline).await?, opened: true })
    }

    /// A new connection, whatever is idle. Fails after the connect timeout at the latest.
    pub(super) async fn open_fresh(&self) -> Result<Wire, Failure> {
        self.opener.open(self.opener.deadline()).await
    }

    /// Takes an idle connection: hands it to a waiting send, or else keeps it.
    fn check_in(&self, mut wire: Wire) {
        loop {
            let first = self.waiting.borrow_mut().pop_front();
            let Some(waiting) = first else { break };
            match waiting.give.send(wire) {
                Ok(()) => return,
                Err(unwanted) => wire = unwanted,
            }
        }
        self.forget_stale();
        self.idle.borrow_mut().push_back(Idle { wire, since: self.shared.means.clock.now() });
    }

    /// Takes a connection back after a response: at once if it is idle, after draining if the body has not ended yet,
    /// never if it broke. The request has settled, so draining delays no result; it takes at most [`DRAIN_GRACE`].
    pub(super) async fn give_back(self: &Rc<Self>, mut wire: Wire, rest: Option<Incoming>) {
        if !self.shared.reuse.get() {
            return;
        }
        if let Some(mut body) = rest {
            match read_out(&mut wire, &mut body).await {
                Some(true) => {}
                Some(false) => return,
                None => {
                    let coming = Coming::new(self, |pool| &pool.draining);
                    tokio::task::spawn_local(coming.drain(wire, body));
                    return;
                }
            }
        }
        if wire.is_idle().await {
            self.check_in(wire);
        }
    }
}

/// Reads the bytes of a body that have already come. Returns `Some(true)` when the body has ended, `Some(false)` when
/// it broke, `None` when more may come.
async fn read_out(wire: &mut Wire, body: &mut Incoming) -> Option<bool> {
    loop {
        match wire.piece_at_hand(body).await {
            Some(Ok(Some(_))) => {}
            Some(Ok(None)) => return Some(true),
            Some(Err(_)) => return Some(false),
            None => return None,
        }
    }
}

/// A connection that will soon be idle. `counter` counts it while this value lives.
struct Coming {
    pool: Rc<Pool>,
    counter: fn(&Pool) -> &Cell<usize>,
}

impl Coming {
    fn new(pool: &Rc<Pool>, counter: fn(&Pool) -> &Cell<usize>) -> Self {
        counter(pool).set(counter(pool).get() + 1);
        Self { pool: pool.clone(), counter }
    }

    async fn open_ahead(self) {
        let pool = self.pool.clone();
        let opened = pool.opener.open(pool.opener.deadline()).await;
        pool.shared.connecting.set(pool.shared.connecting.get() - 1);
        // A failure is not reported here: the send that needs the connection meets it too and records it. No other
        // connection is opened at once, so that a refusing server is not flooded.
        if let Ok(wire) = opened {
            pool.check_in(wire);
            drop(self);
            pool.open_missing();
        }
    }

    async fn drain(self, mut wire: Wire, mut body: Incoming) {
        let drained = timeout(DRAIN_GRACE, async {
            while let Ok(Some(_)) = wire.piece(&mut body).await {}
            wire.is_idle().await
        })
        .await;
        if drained == Ok(true) {
            self.pool.check_in(wire);
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        let counter = (self.counter)(&self.pool);
        counter.set(counter.get() - 1);
        // A send whose connection does not come must not wait for another one: it opens its own.
        let mut waiting = self.pool.waiting.borrow_mut();
        waiting.retain(|waiting| !waiting.give.is_closed());
        waiting.truncate(self.pool.opening.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::wire::scratch;
    use crate::clock::{ReceiveClock, Receiver, RunClock};
    use std::future::Future;
    use std::net::SocketAddr;
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::runtime::{Builder, LocalOptions};

    fn paused<F: Future>(test: F) -> F::Output {
        Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build_local(LocalOptions::default())
            .unwrap()
            .block_on(test)
    }

    fn pool(addresses: &[SocketAddr]) -> Rc<Pool> {
        let means = Means {
            clock: RunClock::starting_in(Duration::ZERO),
            connect_timeout: Duration::from_secs(10),
            scratch: scratch(),
            receiver: Rc::new(Receiver::new(ReceiveClock::UserSpace)),
        };
        let shared = Shared {
            means: Rc::new(means),
            connecting: Cell::new(0),
            most_idle: Cell::new(MOST_IDLE),
            reuse: Cell::new(true),
        };
        let pool = Pool::new(Rc::new(shared), &Addresses::plain(addresses), 0);
        Rc::new(pool)
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[test]
    fn a_crowd_of_reservations_opens_a_bounded_number_at_once() {
        paused(async {
            let (listener, address) = listener();
            let pool = pool(&[address]);
            let reservations: Vec<_> = (0..300).map(|_| pool.reserve()).collect();
            assert_eq!(pool.shared.connecting.get(), MOST_CONNECTING);
            let mut accepted = Vec::new();
            while pool.idle.borrow().len() < reservations.len() {
                accepted.push(listener.accept().await.unwrap());
                assert!(pool.shared.connecting.get() <= MOST_CONNECTING);
                tokio::task::yield_now().await;
            }
            assert_eq!((pool.opening.get(), pool.shared.connecting.get()), (0, 0));
        });
    }

    #[test]
    fn a_refused_reservation_is_not_tried_again_until_the_next() {
        paused(async {
            let (listener, address) = listener();
            drop(listener);
            let pool = pool(&[address]);
            let _reservation = pool.reserve();
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!((pool.opening.get(), pool.shared.connecting.get()), (0, 0));
        });
    }
}
