//! Owns time: the run's clock, and sleeping until an instant far more precisely than a millisecond.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::units::Offset;

mod receive;
mod socket;
mod timers;

pub(crate) use receive::Receiver;
pub use receive::{ReceiveClock, receive_clock};
pub(crate) use socket::Socket;
pub use timers::{Sleep, Timers};

/// Nanoseconds on this host's `CLOCK_MONOTONIC`, which all processes of the host share. A test cannot pause it: for
/// ground-truth logs only.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock_ns(ClockId::Monotonic)
}

/// Nanoseconds on a clock of this host; 0 before its origin.
fn clock_ns(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Time until the instant `wall` of the system's clock, which may be set meanwhile; `None` if the instant has passed.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
pub fn until_wall(wall: SystemTime) -> Option<Duration> {
    wall.duration_since(SystemTime::now()).ok()
}

/// The time of the system's clock, which may be set at any moment: for what other machines are told.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
pub(crate) fn wall_now() -> SystemTime {
    SystemTime::now()
}

/// The run's clock: it counts from an origin. It uses Tokio's clock, so that a test can pause it.
#[derive(Debug, Clone, Copy)]
pub struct RunClock {
    origin: Instant,
    wall: SystemTime,
}

impl RunClock {
    /// A clock whose origin is `ahead` later than now, which leaves time to prepare for the first instant.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    pub fn starting_in(ahead: Duration) -> Self {
        Self { origin: Instant::now() + ahead, wall: SystemTime::now() + ahead }
    }

    /// A clock whose origin is the instant `wall` of the system's clock; `None` if the instant has passed.
    #[must_use]
    pub fn starting_at(wall: SystemTime) -> Option<Self> {
        Some(Self { wall, ..Self::starting_in(until_wall(wall)?) })
    }

    /// Now, as an offset from the origin; zero before the origin.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    pub fn now(&self) -> Offset {
        Offset::from(Instant::now().saturating_duration_since(self.origin))
    }

    /// Time until `at`; zero if it is past. Unlike `at − now()`, this is also right before the origin.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    pub fn until(&self, at: Offset) -> Duration {
        self.instant(at).saturating_duration_since(Instant::now())
    }

    /// The tokio instant of `at`.
    #[must_use]
    pub fn instant(&self, at: Offset) -> Instant {
        self.origin + Duration::from_nanos(at.as_nanos().min(u64::MAX / 4))
    }

    /// Time until the instant `lead` before `at`, which may lie before the origin; zero if it is past.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    pub fn until_before(&self, at: Offset, lead: Duration) -> Duration {
        self.instant(at)
            .checked_sub(lead)
            .map_or(Duration::ZERO, |instant| instant.saturating_duration_since(Instant::now()))
    }

    /// By this clock, the instant that is `at` by `other`; zero before the origin.
    pub(crate) fn instant_of(&self, other: &Self, at: Offset) -> Offset {
        Offset::from(other.instant(at).saturating_duration_since(self.origin))
    }

    /// The wall-clock time of the origin, read once.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        self.wall
    }
}

/// The timer of a long sleep ends this much early, and the rest is spent yielding. An idle processor needs this long to
/// wake (p50 40–100 µs here: `benches/pacing`).
const EARLY: Duration = Duration::from_micros(120);
/// A longer sleep is long: yielding then takes at most 6 % of the sleep.
const LONG: Duration = Duration::from_millis(2);
/// Step up of the time by which the timer of a short sleep ends early, after a sleep that was late. With [`EARLIER`] it
/// learns the 75th percentile of the oversleep. Between close sends the processor does not sleep deeply, so a fixed
/// time would be wrong: at 1 000 requests/s, 40 µs would move one gap in 25.
const LATER: Duration = Duration::from_nanos(1_500);
/// Step down of that time, after a sleep that was not late.
const EARLIER: Duration = Duration::from_nanos(500);
/// A short sleep spends at most 1/20 of its time yielding.
const PART: u32 = 20;

/// How a runtime sleeps until an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// `timerfd` in the runtime's own poll: 3–40 µs late on the median here (`benches/pacing`). Real clock only.
    Precise,
    /// Tokio's timer wheel, which ends sleeps on whole milliseconds: for a paused test clock, and systems without
    /// `timerfd`.
    Coarse,
}

/// Sleeps until instants of one [`RunClock`]; one sleeper at a time. It works only in the runtime that made it.
#[derive(Debug)]
pub struct Pacer {
    clock: RunClock,
    timer: Option<AsyncFd<OwnedFd>>,
    /// The timer of a short sleep ends this much early; learnt.
    early: Duration,
}

impl Pacer {
    /// A pacer on `clock`. [`Pacing::Precise`] falls back to [`Pacing::Coarse`] where the system has no `timerfd`.
    #[must_use]
    pub fn new(clock: RunClock, pacing: Pacing) -> Self {
        let timer = match pacing {
            Pacing::Precise => open_timer().ok(),
            Pacing::Coarse => None,
        };
        Self { clock, timer, early: Duration::ZERO }
    }

    /// The pacing in use, for the report.
    #[must_use]
    pub fn pacing(&self) -> Pacing {
        if self.timer.is_some() { Pacing::Precise } else { Pacing::Coarse }
    }

    /// Returns at `at` or just after; at once if `at` is past.
    pub async fn sleep_until(&mut self, at: Offset) {
        self.sleep_until_before(at, Duration::ZERO).await;
    }

    /// Returns at the instant `lead` before `at`, which may lie before the origin, or just after.
    pub async fn sleep_until_before(&mut self, at: Offset, lead: Duration) {
        let mut yields = false;
        loop {
            let left = self.clock.until_before(at, lead);
            if left.is_zero() {
                return;
            }
            let Some(timer) = &self.timer else {
                tokio::time::sleep(left).await;
                return;
            };
            if yields {
                // The runtime polls the sockets between two clock reads: this loop does not delay incoming data.
                tokio::task::yield_now().await;
                continue;
            }
            let early = if left > LONG { EARLY } else { self.early.min(left / PART) };
            if arm(timer.get_ref(), left.saturating_sub(early)).is_err() || wait(timer).await.is_err() {
                tokio::time::sleep(left).await;
                return;
            }
            yields = true;
            if left <= LONG {
                let late = self.clock.until_before(at, lead).is_zero();
                self.early = if late { (self.early + LATER).min(EARLY) } else { self.early.saturating_sub(EARLIER) };
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "`register` asks for `unsafe`; an `OwnedFd` gives the same descriptor for as long as it lives, which is \
        all it wants"
)]
fn open_timer() -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?)
}

fn arm(timer: &OwnedFd, left: Duration) -> io::Result<()> {
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let value =
        Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(left.subsec_nanos()) };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: zero, it_value: value })?;
    Ok(())
}

async fn wait(timer: &AsyncFd<OwnedFd>) -> io::Result<()> {
    loop {
        let mut guard = timer.readable().await?;
        let mut expirations = [0u8; 8];
        if let Ok(read) =
            guard.try_io(|inner| rustix::io::read(inner.get_ref(), &mut expirations).map_err(io::Error::from))
        {
            // The expirations have been read. If the readiness stayed set, the next sleep would try a useless read.
            guard.clear_ready();
            return read.map(|_| ());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_sleeps_exactly() {
        let clock = RunClock::starting_in(Duration::from_millis(20));
        let mut pacer = Pacer::new(clock, Pacing::Coarse);
        pacer.sleep_until(Offset::from_secs(1.5)).await;
        assert_eq!(clock.now(), Offset::from_secs(1.5));
        pacer.sleep_until(Offset::from_secs(1.0)).await;
        assert_eq!(clock.now(), Offset::from_secs(1.5), "an instant that is past costs no time");
    }

    #[test]
    fn a_clock_that_starts_at_an_instant_has_it_as_its_origin() {
        let wall = RunClock::starting_in(Duration::from_mins(1)).wall();
        let clock = RunClock::starting_at(wall).unwrap();
        let left = clock.until(Offset::ZERO);
        assert_eq!(clock.wall(), wall);
        assert!(left <= Duration::from_mins(1) && left > Duration::from_secs(50), "{left:?}");
        assert!(
            RunClock::starting_at(wall - Duration::from_secs(61)).is_none(),
            "an instant that has passed cannot be the origin"
        );
    }

    #[tokio::test]
    async fn a_precise_sleep_never_ends_early() {
        let clock = RunClock::starting_in(Duration::ZERO);
        let mut pacer = Pacer::new(clock, Pacing::Precise);
        for step in 1..=5 {
            let at = Offset::from_nanos(step * 300_000);
            pacer.sleep_until(at).await;
            assert!(clock.now() >= at);
        }
    }
}
