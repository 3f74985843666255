//! Owns the receive clock: one read of a socket, together with how long ago the kernel received its bytes.
//!
//! The kernel stamps each arriving segment with the wall clock (`SO_TIMESTAMPNS`), and a read returns the stamp of the
//! last segment that it touched. A stamp is therefore never later than the read, and never earlier than the arrival of
//! the last byte that was read. If a thread wakes late, a user-space stamp is late by the whole delay; the kernel's
//! stamp is late only if another segment of the same connection arrived during the delay.
//!
//! The wall clock can be set while a run goes on. So a stamp is converted to an age by a pair of both clocks, sampled
//! at each read, and used only if the wall clock has not been set since the stamp was made.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns};
use nix::sys::time::TimeSpec;
use rustix::time::ClockId;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};
use tokio::io::ReadBuf;

use crate::clock::clock_ns;
use crate::clock::socket::Socket as Stream;

/// Which clock stamps the bytes of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiveClock {
    /// The kernel's, when a segment arrives.
    Kernel,
    /// Our own, after a read: for a paused clock.
    UserSpace,
}

/// The clock that stamps the responses of live runs on this machine.
#[must_use]
pub fn receive_clock() -> ReceiveClock {
    let stamps = Socket::new(Domain::IPV4, Type::STREAM, None)
        .is_ok_and(|socket| setsockopt(&socket, ReceiveTimestampns, &true).is_ok());
    if stamps { ReceiveClock::Kernel } else { ReceiveClock::UserSpace }
}

/// The wall clock may run this much faster or slower than the monotonic clock: 1 000 ppm, twice the highest slew rate
/// of Linux (500 ppm).
const MOST_SLEW_PPM: u64 = 1_000;
/// Difference between two pairs, in nanoseconds, that is not a step: the error of the pairs themselves.
const PAIR_ERROR_NS: u64 = 10_000;
/// A pair whose reading took longer than this, in nanoseconds, was interrupted and is read again.
const PAIR_LENGTH_NS: u64 = 2_000;
/// How often an interrupted pair is read again.
const MOST_PAIRS: u32 = 3;

/// Both clocks at one instant, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    monotonic_ns: u64,
    wall_ns: u64,
}

impl Pair {
    /// Both clocks now: the closest of a few readings, if the first was interrupted.
    fn now() -> Self {
        let mut best = Self::read();
        for _ in 1..MOST_PAIRS {
            if best.0 <= PAIR_LENGTH_NS {
                break;
            }
            best = std::cmp::min_by_key(best, Self::read(), |(length_ns, _)| *length_ns);
        }
        best.1
    }

    /// The wall clock between two readings of the monotonic clock, and how long that took, in nanoseconds.
    fn read() -> (u64, Self) {
        let before_ns = clock_ns(ClockId::Monotonic);
        let wall_ns = clock_ns(ClockId::Realtime);
        let length_ns = clock_ns(ClockId::Monotonic).saturating_sub(before_ns);
        (length_ns, Self { monotonic_ns: before_ns + length_ns / 2, wall_ns })
    }

    /// Wall clock minus monotonic clock; only differences of it are used.
    const fn offset_ns(self) -> u64 {
        self.wall_ns.wrapping_sub(self.monotonic_ns)
    }
}

/// Converts the wall-clock stamps of one worker into ages.
#[derive(Debug, Clone, Copy)]
struct Ages {
    last: Pair,
    /// When a step of the wall clock was last noticed, by the monotonic clock. Earlier stamps are not comparable.
    stepped_ns: Option<u64>,
}

impl Ages {
    const fn since(pair: Pair) -> Self {
        Self { last: pair, stepped_ns: None }
    }

    /// The age at `now` of a stamp, in nanoseconds; `None` if the wall clock may have been set since the stamp.
    fn age_ns(&mut self, stamp_wall_ns: u64, now: Pair) -> Option<u64> {
        let moved_ns = now.offset_ns().wrapping_sub(self.last.offset_ns()).cast_signed().unsigned_abs();
        let passed_ns = now.monotonic_ns.saturating_sub(self.last.monotonic_ns);
        self.last = now;
        if moved_ns > PAIR_ERROR_NS + passed_ns / 1_000_000 * MOST_SLEW_PPM {
            self.stepped_ns = Some(now.monotonic_ns);
            return None;
        }
        // A stamp in the future was made before the wall clock was set back.
        let age_ns = now.wall_ns.checked_sub(stamp_wall_ns)?;
        let made_ns = now.monotonic_ns.checked_sub(age_ns)?;
        self.stepped_ns.is_none_or(|stepped_ns| made_ns > stepped_ns).then_some(age_ns)
    }
}

/// Reads the sockets of one worker.
#[derive(Debug)]
pub(crate) struct Receiver {
    clock: ReceiveClock,
    ages: Cell<Ages>,
    /// Room for one control message: the stamp.
    control: RefCell<Vec<u8>>,
}

impl Receiver {
    pub(crate) fn new(clock: ReceiveClock) -> Self {
        Self { clock, ages: Cell::new(Ages::since(Pair::now())), control: RefCell::new(nix::cmsg_space!(TimeSpec)) }
    }

    /// Asks the kernel to stamp what `socket` receives. Where it cannot, reads return no age.
    pub(crate) fn prepare(&self, socket: &Stream) {
        if self.clock == ReceiveClock::Kernel && socket.has_stamps() {
            // The result says how many stamps are missing, so a refusal needs no message here.
            _ = setsockopt(socket, ReceiveTimestampns, &true);
        }
    }

    /// Reads `socket` once into `buffer`, when it has bytes. Returns how long ago the kernel received the last of the
    /// bytes; `None` if that is not known.
    pub(crate) fn poll_read(
        &self,
        socket: &Stream,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Option<Duration>>> {
        loop {
            ready!(socket.poll_read_ready(cx))?;
            let mut got = None;
            let outcome = socket.try_reading(|| {
                let room = buffer.remaining();
                let (length, stamp) = self.receive(socket, buffer.initialize_unfilled())?;
                got = Some((length, stamp));
                // A short read has emptied the socket. Saying so here saves the read that would only find that out.
                if 0 < length && length < room { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match (got, outcome) {
                (Some((length, stamp)), _) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(stamp.and_then(|stamp| self.age(stamp))));
                }
                (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                _ => {}
            }
        }
    }

    /// Reads `socket` once, if it has bytes. Returns their number, and how long ago the kernel received the last of
    /// them; `None` if that is not known.
    pub(crate) fn try_read(&self, socket: &Stream, into: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
        let (length, stamp) = socket.try_reading(|| self.receive(socket, into))?;
        Ok((length, stamp.and_then(|stamp| self.age(stamp))))
    }

    fn receive(&self, socket: &Stream, into: &mut [u8]) -> io::Result<(usize, Option<TimeSpec>)> {
        let mut control = self.control.borrow_mut();
        let room = (self.clock == ReceiveClock::Kernel).then_some(control.as_mut_slice());
        let mut pieces = [IoSliceMut::new(into)];
        let read = recvmsg::<()>(socket.as_raw_fd(), &mut pieces, room, MsgFlags::empty())?;
        let stamp = read.cmsgs().ok().and_then(|messages| {
            messages.into_iter().find_map(|message| match message {
                ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                _ => None,
            })
        });
        Ok((read.bytes, stamp))
    }

    fn age(&self, stamp: TimeSpec) -> Option<Duration> {
        let stamp_ns = u64::try_from(Duration::from(stamp).as_nanos()).ok()?;
        let mut ages = self.ages.get();
        let age_ns = ages.age_ns(stamp_ns, Pair::now());
        self.ages.set(ages);
        age_ns.map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    /// Both clocks `at_ns` after the start, the wall clock `ahead_ns` ahead of where it was.
    fn pair(at_ns: u64, ahead_ns: i64) -> Pair {
        Pair {
            monotonic_ns: 5_000 * SECOND_NS + at_ns,
            wall_ns: (1_700_000_000 * SECOND_NS + at_ns).wrapping_add_signed(ahead_ns),
        }
    }

    #[test]
    fn a_stamp_has_the_age_that_the_wall_clock_says_while_nobody_sets_it() {
        let mut ages = Ages::since(pair(0, 0));
        for (made_ns, read_ns) in [(1_000, 1_000), (2_000, 52_000), (60_000, 3_060_000), (SECOND_NS, 9 * SECOND_NS)] {
            assert_eq!(ages.age_ns(pair(made_ns, 0).wall_ns, pair(read_ns, 0)), Some(read_ns - made_ns));
        }
    }

    #[test]
    fn a_step_of_the_wall_clock_moves_no_age() {
        for step_ns in [10 * SECOND_NS.cast_signed(), -10 * SECOND_NS.cast_signed(), 3_000_000, -3_000_000] {
            let mut ages = Ages::since(pair(0, 0));
            assert_eq!(ages.age_ns(pair(1_000, 0).wall_ns, pair(2_000, 0)), Some(1_000));
            // Made before the step, read after it: nobody can tell its age from the wall clock.
            let before = pair(3_000_000, 0).wall_ns;
            assert_eq!(ages.age_ns(before, pair(4_000_000, step_ns)), None, "{step_ns} ns");
            // Another connection, whose bytes also came before the step.
            let other = ages.age_ns(before, pair(4_100_000, step_ns));
            assert!(other.is_none_or(|age_ns| age_ns <= 100_000), "{step_ns} ns: {other:?}");
            // Made after it.
            let after = pair(4_200_000, step_ns).wall_ns;
            assert_eq!(ages.age_ns(after, pair(4_250_000, step_ns)), Some(50_000), "{step_ns} ns");
        }
    }

    #[test]
    fn a_slewed_wall_clock_moves_an_age_by_its_own_share_only() {
        // 500 ppm for an hour, a read every 10 ms, each 2 ms after its stamp.
        let slewed = |at_ns: u64| pair(at_ns, (at_ns / 2_000).cast_signed());
        let mut ages = Ages::since(slewed(0));
        for read in 1..=360_000_u64 {
            let read_ns = read * 10_000_000;
            let age_ns = ages.age_ns(slewed(read_ns - 2_000_000).wall_ns, slewed(read_ns));
            assert!(age_ns.is_some_and(|age_ns| age_ns.abs_diff(2_000_000) <= 1_001), "read {read}: {age_ns:?}");
        }
    }

    #[tokio::test]
    async fn a_late_reader_learns_when_the_bytes_came() {
        use tokio::io::AsyncWriteExt as _;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = Stream::Tcp(socket);
        let receiver = Receiver::new(ReceiveClock::Kernel);
        receiver.prepare(&socket);
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(b"token").await.unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let mut bytes = [0; 64];
        let mut buffer = ReadBuf::new(&mut bytes);
        let age = std::future::poll_fn(|cx| receiver.poll_read(&socket, cx, &mut buffer)).await.unwrap();
        assert_eq!(buffer.filled(), b"token");
        assert!(age.is_none_or(|age| age >= Duration::from_millis(50)), "slept 50 ms after the write: {age:?}");
        let none = Receiver::new(ReceiveClock::UserSpace);
        server.write_all(b"more").await.unwrap();
        let age = std::future::poll_fn(|cx| none.poll_read(&socket, cx, &mut buffer)).await.unwrap();
        assert_eq!((buffer.filled(), age), (&b"tokenmore"[..], None));
    }
}
