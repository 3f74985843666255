//! Owns `Closed`: closed loops, in which the end of one request releases the next, and their notation.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::schedule::{Extent, Spans};
use crate::units::{Offset, Window};

/// A closed loop: `concurrency` requests in flight; the end of each request releases the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// Requests in flight: 1 for `synchronous`, N for `concurrent:N`, 512 for `throughput`.
    pub concurrency: u32,
    /// How long the measured part lasts, or how many requests it has.
    pub extent: Extent,
    /// How long requests are released before the window opens.
    pub warmup: Duration,
    /// How long requests are released after the window has closed.
    pub cooldown: Duration,
}

impl Closed {
    /// Requests in flight of the load called `throughput`.
    pub const THROUGHPUT: u32 = 512;
    /// The maximum number of requests in flight.
    pub const MOST: u32 = 100_000;

    /// One request at a time.
    #[must_use]
    pub const fn synchronous(extent: Extent, warmup: Duration, cooldown: Duration) -> Self {
        Self { concurrency: 1, extent, warmup, cooldown }
    }

    /// `concurrency` requests in flight; refused outside 1 to 100 000.
    pub fn concurrent(concurrency: u32, extent: Extent, warmup: Duration, cooldown: Duration) -> Result<Self, Refusal> {
        if (1..=Self::MOST).contains(&concurrency) {
            Ok(Self { concurrency, extent, warmup, cooldown })
        } else {
            Err(Refusal::new(format!("{concurrency} requests in flight is out of range"), "accepted is 1 to 100000"))
        }
    }

    /// 512 requests in flight: more than most servers run at once, so that the server's queue is never empty.
    #[must_use]
    pub const fn throughput(extent: Extent, warmup: Duration, cooldown: Duration) -> Self {
        Self { concurrency: Self::THROUGHPUT, extent, warmup, cooldown }
    }

    /// Reads `synchronous`, `concurrent:N` or `throughput`.
    pub fn named(name: &str, extent: Extent, warmup: Duration, cooldown: Duration) -> Result<Self, Refusal> {
        let refuse = || {
            Refusal::new(
                format!("`{name}` is not a closed loop"),
                "accepted is synchronous, concurrent:N or throughput",
            )
        };
        match name.trim().split_once(':') {
            None if name.trim() == "synchronous" => Ok(Self::synchronous(extent, warmup, cooldown)),
            None if name.trim() == "throughput" => Ok(Self::throughput(extent, warmup, cooldown)),
            Some(("concurrent", count)) => {
                Self::concurrent(count.trim().parse().map_err(|_| refuse())?, extent, warmup, cooldown)
            }
            _ => Err(refuse()),
        }
    }

    /// The maximum number of requests that the loop releases: its count, or `u64::MAX` if time ends the loop. Ids run
    /// from 0 to below this number.
    #[must_use]
    pub const fn most_requests(&self) -> u64 {
        match self.extent {
            Extent::Requests(count) => count,
            Extent::Duration(_) => u64::MAX,
        }
    }

    /// Warm-up, window and cool-down as spans of release instants. By count the window is nominal: from the warm-up's
    /// end, never closing.
    #[must_use]
    pub fn spans(&self) -> Spans {
        match self.extent {
            Extent::Duration(length) => {
                Spans::consecutive(self.warmup, Offset::from(self.warmup).plus(length), self.cooldown)
            }
            Extent::Requests(_) => {
                let start = Offset::from(self.warmup);
                Spans {
                    warmup: Window { start: Offset::ZERO, end: start },
                    window: Window { start, end: Offset::NEVER },
                    cooldown: Window { start: Offset::NEVER, end: Offset::NEVER },
                }
            }
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.concurrency {
            1 => f.write_str("synchronous"),
            Self::THROUGHPUT => f.write_str("throughput"),
            count => write!(f, "concurrent:{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Result<Closed, Refusal> {
        Closed::named(name, Extent::Duration(Duration::from_secs(10)), Duration::from_secs(2), Duration::from_secs(3))
    }

    #[test]
    fn closed_loops_are_read_as_they_are_shown() {
        for (name, concurrency) in [("synchronous", 1), ("concurrent:8", 8), ("throughput", 512)] {
            let closed = named(name).unwrap();
            assert_eq!((closed.concurrency, closed.to_string().as_str()), (concurrency, name));
        }
        for name in ["", "concurrent", "concurrent:0", "concurrent:-1", "concurrent:100001", "synchronous:2", "closed"]
        {
            assert!(named(name).is_err(), "{name}");
        }
    }

    #[test]
    fn spans_follow_each_other() {
        let spans = named("synchronous").unwrap().spans();
        let seconds = |window: Window| (window.start.as_secs(), window.end.as_secs());
        assert_eq!(
            (seconds(spans.warmup), seconds(spans.window), seconds(spans.cooldown)),
            ((0.0, 2.0), (2.0, 12.0), (12.0, 15.0))
        );
    }

    #[test]
    fn a_window_by_count_never_closes() {
        let spans = Closed::synchronous(Extent::Requests(5), Duration::from_secs(2), Duration::ZERO).spans();
        assert_eq!((spans.window.start, spans.window.end), (Offset::from_secs(2.0), Offset::NEVER));
    }
}
