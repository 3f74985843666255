//! Owns `Timers`: any number of sleepers of one runtime on one `timerfd`.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::unix::AsyncFd;

use crate::clock::{Pacing, RunClock, arm, open_timer, wait};
use crate::units::Offset;

/// Sleeps until instants of one [`RunClock`], for any number of sleepers on one runtime thread. Cloning shares it.
///
/// With [`Pacing::Precise`], [`Timers::drive`] must run on the same runtime, or no sleeper wakes.
#[derive(Debug, Clone)]
pub struct Timers {
    clock: RunClock,
    shared: Option<Rc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    timer: AsyncFd<OwnedFd>,
    queue: RefCell<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// (instant, slot), earliest first.
    due: BinaryHeap<Reverse<(Offset, usize)>>,
    /// The sleeper of each slot; a slot is free again only once its entry has left the heap.
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// The instant the timer is set to; `Offset::NEVER` if it is not set.
    armed: Offset,
}

#[derive(Debug)]
enum Slot {
    Free,
    Waiting(Waker),
    Fired,
    /// The sleeper was dropped before its instant.
    Dropped,
}

impl Timers {
    /// Timers on `clock`. [`Pacing::Precise`] falls back to [`Pacing::Coarse`] where the system has no `timerfd`.
    #[must_use]
    pub fn new(clock: RunClock, pacing: Pacing) -> Self {
        let timer = match pacing {
            Pacing::Precise => open_timer().ok(),
            Pacing::Coarse => None,
        };
        let queue = RefCell::new(Queue { armed: Offset::NEVER, ..Queue::default() });
        Self { clock, shared: timer.map(|timer| Rc::new(Shared { timer, queue })) }
    }

    /// The pacing in use.
    #[must_use]
    pub fn pacing(&self) -> Pacing {
        if self.shared.is_some() { Pacing::Precise } else { Pacing::Coarse }
    }

    /// The clock of these timers.
    #[must_use]
    pub fn clock(&self) -> RunClock {
        self.clock
    }

    /// Wakes sleepers; never returns. Drop it to stop.
    pub async fn drive(&self) {
        let Some(shared) = &self.shared else {
            return std::future::pending().await;
        };
        loop {
            if wait(&shared.timer).await.is_err() {
                // A system that can open a timerfd can also read it. If a read fails all the same, sleepers are woken
                // every millisecond.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            let now = self.clock.now();
            let mut queue = shared.queue.borrow_mut();
            queue.fire(now);
            queue.armed = Offset::NEVER;
            if let Some(Reverse((next, _))) = queue.due.peek().copied() {
                self.set(shared, &mut queue, next);
            }
        }
    }

    /// Returns at `at` or just after; at once if `at` is past.
    pub async fn sleep_until(&self, at: Offset) {
        if self.clock.until(at).is_zero() {
            return;
        }
        match &self.shared {
            Some(_) => Sleep { timers: self.clone(), at, slot: None }.await,
            None => tokio::time::sleep_until(self.clock.instant(at)).await,
        }
    }

    fn set(&self, shared: &Shared, queue: &mut Queue, at: Offset) {
        // Zero would switch the timer off instead of firing it.
        let left = self.clock.until(at).max(std::time::Duration::from_nanos(1));
        if arm(shared.timer.get_ref(), left).is_ok() {
            queue.armed = at;
        }
    }
}

impl Queue {
    fn fire(&mut self, now: Offset) {
        while let Some(Reverse((at, slot))) = self.due.peek().copied() {
            if at > now {
                break;
            }
            self.due.pop();
            match std::mem::replace(&mut self.slots[slot], Slot::Fired) {
                Slot::Waiting(waker) => waker.wake(),
                Slot::Dropped | Slot::Free | Slot::Fired => self.release(slot),
            }
        }
    }

    fn register(&mut self, at: Offset, waker: &Waker) -> usize {
        let waiting = Slot::Waiting(waker.clone());
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot] = waiting;
            slot
        } else {
            self.slots.push(waiting);
            self.slots.len() - 1
        };
        self.due.push(Reverse((at, slot)));
        slot
    }

    fn release(&mut self, slot: usize) {
        self.slots[slot] = Slot::Free;
        self.free.push(slot);
    }
}

/// One sleep of [`Timers::sleep_until`].
#[derive(Debug)]
pub struct Sleep {
    timers: Timers,
    at: Offset,
    slot: Option<usize>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(shared) = self.timers.shared.clone() else {
            return Poll::Ready(());
        };
        let mut queue = shared.queue.borrow_mut();
        let Some(slot) = self.slot else {
            let slot = queue.register(self.at, context.waker());
            if self.at < queue.armed {
                self.timers.set(&shared, &mut queue, self.at);
            }
            drop(queue);
            self.slot = Some(slot);
            return Poll::Pending;
        };
        match &mut queue.slots[slot] {
            Slot::Waiting(waker) => {
                waker.clone_from(context.waker());
                Poll::Pending
            }
            Slot::Fired | Slot::Free | Slot::Dropped => {
                queue.release(slot);
                drop(queue);
                self.slot = None;
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let (Some(slot), Some(shared)) = (self.slot, &self.timers.shared) else {
            return;
        };
        let mut queue = shared.queue.borrow_mut();
        match queue.slots[slot] {
            Slot::Waiting(_) => queue.slots[slot] = Slot::Dropped,
            Slot::Fired => queue.release(slot),
            Slot::Free | Slot::Dropped => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn many_sleepers_all_wake_and_never_early() {
        let clock = RunClock::starting_in(Duration::ZERO);
        let timers = Timers::new(clock, Pacing::Precise);
        let woken = RefCell::new(Vec::new());
        let sleeper = |at_us: u64| {
            let (timers, woken) = (timers.clone(), &woken);
            async move {
                let at = Offset::from_nanos(at_us * 1_000);
                timers.sleep_until(at).await;
                assert!(clock.now() >= at);
                woken.borrow_mut().push(at_us);
            }
        };
        let everyone = async { tokio::join!(sleeper(9_000), sleeper(3_000), sleeper(6_000), sleeper(3_001)) };
        tokio::select! {
            () = timers.drive() => unreachable!(),
            _ = everyone => {}
        }
        // The order is not asserted: on a slow machine several are due at once, and `join!` polls in any order.
        let mut woken = woken.into_inner();
        woken.sort_unstable();
        assert_eq!(woken, [3_000, 3_001, 6_000, 9_000]);
    }

    #[tokio::test]
    async fn a_sleeper_that_leaves_gives_its_slot_back() {
        let timers = Timers::new(RunClock::starting_in(Duration::ZERO), Pacing::Precise);
        let work = async {
            for _ in 0..50 {
                let short = timers.clock().now().plus(Duration::from_micros(300));
                tokio::select! {
                    biased;
                    () = timers.sleep_until(short.plus(Duration::from_micros(200))) => {}
                    () = timers.sleep_until(short) => {}
                }
            }
        };
        tokio::select! {
            () = timers.drive() => unreachable!(),
            () = work => {}
        }
        let slots = timers.shared.as_ref().map_or(0, |shared| shared.queue.borrow().slots.len());
        assert!((1..20).contains(&slots), "{slots} slots for two sleepers at a time");
    }
}
