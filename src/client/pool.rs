//! Owns the open connections to one target: kept idle between requests, opened before reserved requests are due, and
//! chosen for each request.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Addresses;
use super::channel::Channel;
use super::opening::{Means, Opened, Opener};
use super::shared::{SharedLine, is_stale};
use super::stream::StreamOf;
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
    give: oneshot::Sender<Result<Channel, Failure>>,
    _reservation: Option<Reservation>,
}

/// Streams that a connection of HTTP/2 is expected to have room for, before the first one has told: what RFC 9113
/// (section 6.5.2) recommends that a server allow at least.
const EXPECTED_STREAMS: usize = 100;

/// The connections to one target. The connection that has been idle longest is used first. This keeps connections
/// spread over the servers behind a load balancer; newest-first would concentrate the load on a few.
///
/// Of connections of HTTP/2, the one with the fewest streams is used. When all of them have as many streams as the
/// server allows, a further one is opened: no request waits for the stream of another one.
pub(super) struct Pool {
    shared: Rc<Shared>,
    opener: Opener,
    idle: RefCell<VecDeque<Idle>>,
    /// Connections of HTTP/2.
    lines: RefCell<Vec<Rc<SharedLine>>>,
    /// Streams that the latest connection of HTTP/2 has room for.
    expected_streams: Cell<usize>,
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
    pub(super) channel: Channel,
    pub(super) opened: bool,
}

impl Pool {
    pub(super) fn new(shared: Rc<Shared>, target: &Addresses, start: usize) -> Self {
        Self {
            opener: Opener::new(shared.means.clone(), target, start),
            shared,
            idle: RefCell::default(),
            lines: RefCell::default(),
            expected_streams: Cell::new(EXPECTED_STREAMS),
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
        let coming = self.coming_streams();
        let at_hand =
            (self.idle.borrow().len() + self.draining.get()).saturating_add(self.room()).saturating_add(coming);
        let missing = reserved.saturating_sub(at_hand).div_ceil(self.per_connection());
        let allowed = MOST_CONNECTING.saturating_sub(self.shared.connecting.get());
        for _ in 0..missing.min(allowed) {
            self.begin_to_open();
        }
    }

    fn begin_to_open(self: &Rc<Self>) {
        self.shared.connecting.set(self.shared.connecting.get() + 1);
        let coming = Coming::new(self, |pool| &pool.opening);
        tokio::task::spawn_local(coming.open_ahead());
    }

    /// Requests that can use one connection at the same time.
    fn per_connection(&self) -> usize {
        if self.opener.speaks_two() && self.shared.reuse.get() { self.expected_streams.get().max(1) } else { 1 }
    }

    /// Requests that the connections being opened have room for.
    fn coming_streams(&self) -> usize {
        self.opening.get().saturating_mul(self.per_connection())
    }

    /// Streams that can begin on the open connections of HTTP/2.
    fn room(&self) -> usize {
        self.lines.borrow().iter().map(|line| self.room_of(line)).fold(0, usize::saturating_add)
    }

    /// Without reuse, a connection is for one request.
    fn room_of(&self, line: &SharedLine) -> usize {
        if self.shared.reuse.get() { line.room() } else { line.room().min(usize::from(!line.is_used())) }
    }

    /// A stream on the connection with the fewest streams; `None` when no connection has room.
    fn take_stream(&self) -> Option<Channel> {
        let lines = self.lines.borrow();
        let line = lines.iter().filter(|line| self.room_of(line) > 0).min_by_key(|line| line.active())?;
        let stream = StreamOf::on(line.clone(), self.opener.is_secure());
        Some(Channel::Stream(stream))
    }

    fn forget_stale(&self) {
        let now = self.shared.means.clock.now();
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(|oldest| now.since(oldest.since) >= self.shared.most_idle.get()) {
            idle.pop_front();
        }
        let most_idle = self.shared.most_idle.get();
        self.lines.borrow_mut().retain(|line| line.is_open() && !is_stale(line, now, most_idle));
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

    /// What a request can use at once: a stream, or the oldest idle connection that the server has not closed.
    pub(super) fn take_idle(&self) -> Option<Channel> {
        self.forget_stale();
        if let Some(stream) = self.take_stream() {
            return Some(stream);
        }
        loop {
            let Idle { mut wire, .. } = self.idle.borrow_mut().pop_front()?;
            if wire.is_idle_now() {
                return Some(Channel::alone(wire));
            }
        }
    }

    /// A connection for a send: an idle one, else one being opened that no other send waits for, else a new one. The
    /// bound on connections being opened does not delay a send. Fails after the connect timeout at the latest.
    pub(super) async fn check_out(self: &Rc<Self>, reservation: Option<Reservation>) -> Result<CheckedOut, Failure> {
        let deadline = self.opener.deadline();
        if let Some(channel) = self.take_idle() {
            return Ok(CheckedOut { channel, opened: false });
        }
        self.waiting.borrow_mut().retain(|waiting| !waiting.give.is_closed());
        // A connection of HTTP/2 is opened for all requests that find no room now.
        if self.per_connection() > 1 && self.coming_streams() <= self.waiting.borrow().len() {
            self.begin_to_open();
        }
        if self.coming_streams() > self.waiting.borrow().len() {
            let (give, take) = oneshot::channel();
            self.waiting.borrow_mut().push_back(Waiting { give, _reservation: reservation });
            if let Ok(given) = take.await {
                return Ok(CheckedOut { channel: given?, opened: true });
            }
        } else {
            // The pool need not keep a connection for this send any longer.
            drop(reservation);
        }
        Ok(CheckedOut { channel: self.channel_of(self.opener.open(deadline).await?), opened: true })
    }

    /// A new connection, whatever is idle. Fails after the connect timeout at the latest.
    pub(super) async fn open_fresh(self: &Rc<Self>) -> Result<Channel, Failure> {
        Ok(self.channel_of(self.opener.open(self.opener.deadline()).await?))
    }

    /// What the request that has opened a connection uses of it. Others may use the rest.
    fn channel_of(self: &Rc<Self>, opened: Opened) -> Channel {
        match opened {
            Opened::Alone(wire) => Channel::alone(*wire),
            Opened::Shared(line) => {
                let stream = StreamOf::on(line.clone(), self.opener.is_secure());
                self.share(line, 0);
                Channel::Stream(stream)
            }
        }
    }

    /// Takes a new connection of HTTP/2, gives its streams to the sends that wait, and opens further connections for
    /// the sends that find no room. `done` of the connections being opened are this one.
    fn share(self: &Rc<Self>, line: Rc<SharedLine>, done: usize) {
        self.expected_streams.set(line.limit());
        self.lines.borrow_mut().push(line);
        loop {
            self.waiting.borrow_mut().retain(|waiting| !waiting.give.is_closed());
            if self.waiting.borrow().is_empty() {
                return;
            }
            let Some(stream) = self.take_stream() else { break };
            if let Some(waiting) = self.waiting.borrow_mut().pop_front() {
                // A send that has just given up frees the stream.
                _ = waiting.give.send(Ok(stream));
            }
        }
        let coming = self.opening.get().saturating_sub(done).saturating_mul(self.per_connection());
        let missing = self.waiting.borrow().len().saturating_sub(coming).div_ceil(self.per_connection());
        for _ in 0..missing {
            self.begin_to_open();
        }
    }

    /// Gives the failure of a connection of HTTP/2 to the sends that waited for it, and for no other one.
    fn refuse_waiting(&self, failure: &Failure) {
        let others = self.opening.get().saturating_sub(1).saturating_mul(self.per_connection());
        while self.per_connection() > 1 && self.waiting.borrow().len() > others {
            let first = self.waiting.borrow_mut().pop_front();
            _ = first.map(|waiting| waiting.give.send(Err(failure.clone())));
        }
    }

    /// Takes an idle connection: hands it to a waiting send, or else keeps it.
    fn check_in(&self, wire: Wire) {
        let mut given = Ok(Channel::alone(wire));
        loop {
            let first = self.waiting.borrow_mut().pop_front();
            let Some(waiting) = first else { break };
            match waiting.give.send(given) {
                Ok(()) => return,
                Err(unwanted) => given = unwanted,
            }
        }
        self.forget_stale();
        if let Ok(Channel::Alone(wire, _)) = given {
            self.idle.borrow_mut().push_back(Idle { wire: *wire, since: self.shared.means.clock.now() });
        }
    }

    /// Takes a connection back after a response: at once if it is idle, after draining if the body has not ended yet,
    /// never if it broke. The request has settled, so draining delays no result; it takes at most [`DRAIN_GRACE`].
    /// `has_ended`: the body has.
    pub(super) async fn give_back(self: &Rc<Self>, mut channel: Channel, has_ended: bool) {
        if !self.shared.reuse.get() {
            return;
        }
        if !has_ended {
            match read_out(&mut channel).await {
                Some(true) => {}
                Some(false) => return,
                None => {
                    // A stream is not counted: its connection is open, and has its room when the stream has ended.
                    let alone = matches!(channel, Channel::Alone(..));
                    let coming = alone.then(|| Coming::new(self, |pool| &pool.draining));
                    tokio::task::spawn_local(drain(self.clone(), channel, coming));
                    return;
                }
            }
        }
        self.keep(channel).await;
    }

    /// Keeps a connection whose response has ended. A stream has done its part.
    async fn keep(&self, channel: Channel) {
        if let Channel::Alone(mut wire, _) = channel
            && wire.is_idle().await
        {
            self.check_in(*wire);
        }
    }
}

/// Reads the bytes of a body that have already come. Returns `Some(true)` when the body has ended, `Some(false)` when
/// it broke, `None` when more may come.
async fn read_out(channel: &mut Channel) -> Option<bool> {
    loop {
        match channel.piece_at_hand().await {
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
        match opened {
            Ok(Opened::Alone(wire)) => pool.check_in(*wire),
            Ok(Opened::Shared(line)) => pool.share(line, 1),
            Err(failure) => return pool.refuse_waiting(&failure),
        }
        drop(self);
        pool.open_missing();
    }
}

/// Reads the rest of a body, then keeps its connection.
async fn drain(pool: Rc<Pool>, mut channel: Channel, coming: Option<Coming>) {
    let drained = timeout(DRAIN_GRACE, async { while let Ok(Some(_)) = channel.piece().await {} }).await;
    if drained.is_ok() {
        pool.keep(channel).await;
    }
    drop(coming);
}

impl Drop for Coming {
    fn drop(&mut self) {
        let counter = (self.counter)(&self.pool);
        counter.set(counter.get() - 1);
        // A send whose connection does not come must not wait for another one: it opens its own.
        let mut waiting = self.pool.waiting.borrow_mut();
        waiting.retain(|waiting| !waiting.give.is_closed());
        waiting.truncate(self.pool.coming_streams());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::wire::scratch;
    use crate::clock::{ReceiveClock, Receiver, RunClock};
    use std::net::SocketAddr;
    use tokio::net::{TcpListener, TcpSocket};

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

    #[tokio::test(flavor = "local")]
    async fn a_crowd_of_reservations_opens_a_bounded_number_at_once() {
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
    }

    #[tokio::test(flavor = "local")]
    async fn a_refused_reservation_is_not_tried_again_until_the_next() {
        let (listener, address) = listener();
        drop(listener);
        let pool = pool(&[address]);
        let _reservation = pool.reserve();
        while pool.opening.get() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(pool.shared.connecting.get(), 0);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!((pool.opening.get(), pool.shared.connecting.get()), (0, 0));
    }
}
