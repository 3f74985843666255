//! Owns `Timeline`: the ordered planned instants of a run, made on demand, absolute from one origin.

use std::time::Duration;

use crate::schedule::gaps::UnitArrivals;
use crate::schedule::{Process, Recorded};
use crate::seed::Seed;
use crate::units::{Offset, Rate, Window};

/// How long the measured part lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// A span of scheduled instants.
    Duration(Duration),
    /// This many requests inside the window.
    Requests(u64),
}

/// Warm-up, window and cool-down as spans of scheduled instants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spans {
    /// [0, warm-up).
    pub warmup: Window,
    /// The measured window.
    pub window: Window,
    /// After it.
    pub cooldown: Window,
}

impl Spans {
    /// Consecutive spans from the origin: `warmup` long, until `window_end`, then `cooldown` long.
    #[must_use]
    pub(crate) fn consecutive(warmup: Duration, window_end: Offset, cooldown: Duration) -> Self {
        let start = Offset::from(warmup);
        Self {
            warmup: Window { start: Offset::ZERO, end: start },
            window: Window { start, end: window_end },
            cooldown: Window { start: window_end, end: window_end.plus(cooldown) },
        }
    }

    /// From the origin to the end of the cool-down, in seconds.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.cooldown.end.as_secs()
    }
}

/// One planned instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its number, from 0, warm-up included.
    pub index: u64,
    /// Its instant.
    pub at: Offset,
}

/// The planned instants of an open-loop load: arrival i at S(i)/rate, rounded to the nanosecond, where S is the stationary process of rate
/// 1 drawn from the seed's stream `arrivals`. Even arrivals stand at i/rate, computed from i, so that nothing drifts.
///
/// Nothing is rescaled to a length or a count: a longer timeline has the shorter one as its prefix, and the counts vary as the law says.
///
/// [`Extent::Requests`] puts exactly N arrivals into the window, which is nominally N/rate long: where the N-th falls later, the window ends
/// one nanosecond after it; where more than N would fall inside, the surplus is not planned at all and gets no number.
///
/// A trace's timeline has its [`Recorded`] instants instead, as they are, in a window that begins at the origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    source: Source,
    spans: Spans,
    most_in_window: Option<u64>,
}

/// Where instants come from.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// Drawn by a law.
    Drawn { process: Process, rate: Rate, seed: Seed },
    /// Recorded in a trace.
    Recorded(Recorded),
}

impl Timeline {
    /// A timeline of `process` at `rate` over `extent`, with the same load before (`warmup`) and after (`cooldown`).
    ///
    /// A random process with [`Extent::Requests`] is drawn once here, up to its N-th request, to find where the window ends: some
    /// 30 to 150 ms for each million.
    #[must_use]
    pub fn new(process: Process, rate: Rate, extent: Extent, warmup: Duration, cooldown: Duration, seed: Seed) -> Self {
        let start = Offset::from(warmup);
        let window_end = match extent {
            Extent::Duration(length) => start.plus(length),
            Extent::Requests(0) => start,
            Extent::Requests(count) => {
                let nominal = start.plus(Duration::from_secs_f64((count as f64 / rate.per_s()).min(1e10)));
                let after_last = |last: Offset| last.plus(Duration::from_nanos(1));
                if process == Process::Even {
                    // No later than the arrival after the last, which rounding could otherwise let in.
                    let first = first_even_from(start, rate);
                    let next = even(first.saturating_add(count), rate);
                    nominal.min(next).max(after_last(even(first.saturating_add(count - 1), rate)))
                } else {
                    nominal.max(after_last(nth_from(Instants::new(process, rate, seed), start, count)))
                }
            }
        };
        let most_in_window = match extent {
            Extent::Duration(_) => None,
            Extent::Requests(count) => Some(count),
        };
        Self { source: Source::Drawn { process, rate, seed }, spans: Spans::consecutive(warmup, window_end, cooldown), most_in_window }
    }

    /// The instants of a trace, without warm-up and cool-down.
    #[must_use]
    pub fn recorded(recorded: Recorded) -> Self {
        let spans = Spans::consecutive(Duration::ZERO, recorded.end(), Duration::ZERO);
        Self { source: Source::Recorded(recorded), spans, most_in_window: None }
    }

    /// Warm-up, window, cool-down.
    #[must_use]
    pub fn spans(&self) -> Spans {
        self.spans
    }

    /// The law of the gaps and their rate; none where instants are recorded.
    #[must_use]
    pub fn law(&self) -> Option<(Process, Rate)> {
        match &self.source {
            Source::Drawn { process, rate, .. } => Some((*process, *rate)),
            Source::Recorded(_) => None,
        }
    }

    /// The mean rate, in requests per second.
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        match &self.source {
            Source::Drawn { rate, .. } => rate.per_s(),
            Source::Recorded(recorded) => recorded.rate_per_s(),
        }
    }

    /// Every arrival in order; cheap to start again, nothing held.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        Arrivals {
            instants: match &self.source {
                Source::Drawn { process, rate, seed } => Instants::new(*process, *rate, *seed),
                Source::Recorded(recorded) => Instants::Recorded { recorded: recorded.clone(), next: 0 },
            },
            window: self.spans.window,
            end: self.spans.cooldown.end,
            left_in_window: self.most_in_window.unwrap_or(u64::MAX),
            next_index: 0,
        }
    }
}

/// The `count`-th (from 1) of `instants` at or after `start`.
fn nth_from(mut instants: Instants, start: Offset, count: u64) -> Offset {
    let mut left = count;
    loop {
        let at = instants.advance();
        if at >= start {
            left -= 1;
        }
        if left == 0 || at == Offset::NEVER {
            return at;
        }
    }
}

/// Even arrival `index`.
fn even(index: u64, rate: Rate) -> Offset {
    instant(index as f64, rate)
}

/// The index of the first even arrival at or after `start`.
fn first_even_from(start: Offset, rate: Rate) -> u64 {
    // Rounded down and one before, so that rounding cannot pass it over.
    let mut index = ((start.as_secs() * rate.per_s()) as u64).saturating_sub(1);
    while even(index, rate) < start {
        index += 1;
    }
    index
}

/// The instant `reached` mean gaps after the origin.
fn instant(reached: f64, rate: Rate) -> Offset {
    Offset::from_secs(reached / rate.per_s())
}

/// Instants on the run's clock: those of a process without end, those of a trace followed by [`Offset::NEVER`].
#[derive(Debug, Clone)]
enum Instants {
    Drawn { unit: Box<UnitArrivals>, rate: Rate },
    Recorded { recorded: Recorded, next: usize },
}

impl Instants {
    fn new(process: Process, rate: Rate, seed: Seed) -> Self {
        Self::Drawn { unit: Box::new(UnitArrivals::new(process, seed.stream("arrivals").sequence())), rate }
    }

    fn advance(&mut self) -> Offset {
        match self {
            Self::Drawn { unit, rate } => instant(unit.advance(), *rate),
            Self::Recorded { recorded, next } => {
                let at = recorded.instants().get(*next).copied().unwrap_or(Offset::NEVER);
                *next += 1;
                at
            }
        }
    }
}

/// Iterator over the arrivals of a [`Timeline`]: a few hundred bytes, however long the timeline.
#[derive(Debug, Clone)]
pub struct Arrivals {
    instants: Instants,
    window: Window,
    end: Offset,
    left_in_window: u64,
    next_index: u64,
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let at = self.instants.advance();
            if at >= self.end {
                // The next call must not find an earlier instant: there is none, but the process must not run on for nothing.
                self.end = Offset::ZERO;
                return None;
            }
            if self.window.contains(at) {
                if self.left_in_window == 0 {
                    continue;
                }
                self.left_in_window -= 1;
            }
            let index = self.next_index;
            self.next_index += 1;
            return Some(Arrival { index, at });
        }
    }
}

impl std::iter::FusedIterator for Arrivals {}
