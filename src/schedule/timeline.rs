//! Owns `Timeline`: the planned instants of a run in order, made on demand, as offsets from one origin.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::schedule::curve::Walk;
use crate::schedule::gaps::UnitArrivals;
use crate::schedule::superposed::Superposed;
use crate::schedule::warp::warped;
use crate::schedule::{ArrivalStream, Curve, Extent, Overlay, Pattern, Process, Recorded};
use crate::seed::Seed;
use crate::units::{Offset, Rate, Window};

/// Warm-up, window and cool-down as spans of scheduled instants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spans {
    /// [0, warm-up).
    pub warmup: Window,
    /// The measured window.
    pub window: Window,
    /// The cool-down, after the measured window.
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
    /// The arrival's number, from 0, warm-up included.
    pub index: u64,
    /// The planned instant.
    pub at: Offset,
}

/// The planned instants of an open-loop load: arrival i at Λ⁻¹(S(i)), rounded to the nanosecond, where Λ is the
/// integral of the rate and S the stationary process of rate 1 drawn from the seed's stream `arrivals`. At a constant
/// rate that is S(i)/rate. Even arrivals are where Λ is i, computed from i, so that there is no drift.
///
/// Instants are never rescaled to a length or a count: a longer timeline begins with the shorter one, and the counts
/// vary as the law says.
///
/// [`Extent::Requests`] puts exactly N arrivals into the window. The window ends where the next arrival would come,
/// so that the mean of N ÷ window length is the requested rate (exactly so for Poisson arrivals: E[N ÷ S(N + 1)] =
/// 1). A window that ends at the N-th arrival, or at N/rate if that is later, would be biased by the draw.
///
/// The timeline of a trace has the unchanged [`Recorded`] instants, in a window that begins at the origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    source: ArrivalSource,
    spans: Spans,
    /// Maximum number of arrivals in the window: further arrivals in the nanosecond of the last one are left out.
    most_in_window: Option<u64>,
    pattern: Option<Arc<Pattern>>,
}

/// Where instants come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum ArrivalSource {
    /// Drawn by a law; by several, each for its share of the rate, if there are `streams`.
    Drawn {
        process: Process,
        curve: Curve,
        seed: Seed,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        streams: Vec<ArrivalStream>,
    },
    /// Recorded in a trace.
    Recorded(Recorded),
}

impl Timeline {
    /// A timeline of `process` at `rate` over `extent`, with the same load before (`warmup`) and after (`cooldown`).
    ///
    /// With [`Extent::Requests`], a random process is drawn once here, up to its N-th request, to find the window's
    /// end: about 30 to 150 ms per million requests.
    #[must_use]
    pub fn new(process: Process, rate: Rate, extent: Extent, warmup: Duration, cooldown: Duration, seed: Seed) -> Self {
        let start = Offset::from(warmup);
        let window_end = match extent {
            Extent::Duration(length) => start.plus(length),
            Extent::Requests(0) => start,
            Extent::Requests(count) => {
                if process == Process::Even {
                    even(first_even_from(start, rate).saturating_add(count), rate)
                } else {
                    let mut instants = Instants::new(process, &rate.into(), seed);
                    let last = nth_from(&mut instants, start, count);
                    instants.advance().max(after(last))
                }
            }
        };
        let source = ArrivalSource::Drawn { process, curve: rate.into(), seed, streams: Vec::new() };
        let spans = Spans::consecutive(warmup, window_end, cooldown);
        Self { source, spans, most_in_window: most_of(extent), pattern: None }
    }

    /// A timeline of `process` whose rate follows `pattern`, which begins with the measured window. Without an
    /// `extent`, the window is as long as the profile. The warm-up has the profile's first rate. The cool-down
    /// continues the pattern.
    ///
    /// With [`Extent::Requests`], every process is drawn once here, up to its N-th request. Refused if the profile
    /// ends before the extent.
    pub fn shaped(
        process: Process,
        pattern: Pattern,
        extent: Option<Extent>,
        warmup: Duration,
        cooldown: Duration,
        seed: Seed,
    ) -> Result<Self, Refusal> {
        let start = Offset::from(warmup);
        let cooldown_s = Offset::from(cooldown).as_secs();
        let window_s = pattern.window_s(extent, seed)?;
        let nominal = Offset::from_secs(start.as_secs() + window_s);
        let (curve, window_end) = match extent {
            Some(Extent::Requests(count)) if count > 0 => {
                let length = pattern.profile.length().map(|length| start.plus(length));
                let mut limit_s = window_s;
                loop {
                    // The N-th request may come after the nominal end: leave room for it, and more in each further
                    // round.
                    limit_s = length.map_or(1.1 * limit_s + 1.0, |end| end.secs_since(start));
                    let curve = pattern.curve(warmup, window_s, limit_s + cooldown_s, seed)?;
                    let mut instants = Instants::new(process, &curve, seed);
                    let last = nth_from(&mut instants, start, count);
                    // If the profile ends before the next arrival, the window ends with the profile.
                    let latest = length.unwrap_or(Offset::from_secs(start.as_secs() + limit_s));
                    let next = if last == Offset::NEVER { Offset::NEVER } else { instants.advance().max(after(last)) };
                    if last < latest && (next <= latest || length.is_some()) {
                        break (curve, next.min(latest));
                    }
                    if length.is_some() || limit_s > Pattern::LONGEST_S {
                        return Err(Refusal::new(
                            format!("the profile ends before request {count}"),
                            "ask for fewer, or end it with `; hold` (it keeps its last rate) or `; repeat` (it starts \
                             again)",
                        ));
                    }
                }
            }
            _ => (pattern.curve(warmup, window_s, window_s + cooldown_s, seed)?, nominal),
        };
        let spans = Spans::consecutive(warmup, window_end, cooldown);
        let most_in_window = extent.and_then(most_of);
        Ok(Self {
            source: ArrivalSource::Drawn { process, curve, seed, streams: Vec::new() },
            spans,
            most_in_window,
            pattern: Some(Arc::new(pattern)),
        })
    }

    /// The instants of a trace, without warm-up and cool-down.
    #[must_use]
    pub fn recorded(recorded: Recorded) -> Self {
        let spans = Spans::consecutive(Duration::ZERO, recorded.end(), Duration::ZERO);
        Self { source: ArrivalSource::Recorded(recorded), spans, most_in_window: None, pattern: None }
    }

    /// A trace's timeline with its instants moved by `overlays`, whose draws come from `seed`. The window and the
    /// number of requests stay the same; the rate around each request is multiplied. A drawn timeline does not
    /// change, because its pattern has its overlays. Refused if an overlay adds requests per second.
    pub fn bent(self, overlays: &[Overlay], seed: Seed) -> Result<Self, Refusal> {
        Ok(match self.source {
            ArrivalSource::Recorded(recorded) if !overlays.is_empty() => {
                Self { source: ArrivalSource::Recorded(warped(recorded, overlays, seed)?), ..self }
            }
            source => Self { source, ..self },
        })
    }

    /// The same load as the superposition of `streams`, each of its share of the rate and drawn by itself. Arrival j of
    /// stream s of S has the number jS + s. `None`: the timeline as it is. A window by count keeps its end, so that it
    /// holds about that many requests. A recorded timeline does not change.
    #[must_use]
    pub fn superposed(self, streams: Option<Vec<ArrivalStream>>) -> Self {
        match (self.source, streams) {
            (ArrivalSource::Drawn { process, curve, seed, .. }, Some(streams)) => {
                let source = ArrivalSource::Drawn { process, curve, seed, streams };
                Self { source, most_in_window: None, ..self }
            }
            (source, _) => Self { source, ..self },
        }
    }

    /// The streams of which the load is the superposition; empty if it has one law.
    #[must_use]
    pub fn streams(&self) -> &[ArrivalStream] {
        match &self.source {
            ArrivalSource::Drawn { streams, .. } => streams,
            ArrivalSource::Recorded(_) => &[],
        }
    }

    /// Warm-up, window, cool-down.
    #[must_use]
    pub fn spans(&self) -> Spans {
        self.spans
    }

    /// The law of the gaps and their rate over time; `None` if instants are recorded.
    #[must_use]
    pub fn law(&self) -> Option<(Process, &Curve)> {
        match &self.source {
            ArrivalSource::Drawn { process, curve, .. } => Some((*process, curve)),
            ArrivalSource::Recorded(_) => None,
        }
    }

    /// The recorded instants of a trace; `None` if instants are drawn.
    #[must_use]
    pub fn instants(&self) -> Option<&Recorded> {
        match &self.source {
            ArrivalSource::Drawn { .. } => None,
            ArrivalSource::Recorded(recorded) => Some(recorded),
        }
    }

    /// The pattern of the rate, if the rate varies.
    #[must_use]
    pub fn pattern(&self) -> Option<&Pattern> {
        self.pattern.as_deref()
    }

    /// The mean rate inside the window, in requests per second.
    #[must_use]
    pub fn rate_per_s(&self) -> f64 {
        match &self.source {
            ArrivalSource::Drawn { curve, .. } => curve.mean_per_s(self.spans.window),
            ArrivalSource::Recorded(recorded) => recorded.rate_per_s(),
        }
    }

    /// The maximum rate of a drawn timeline, or the mean rate of a recorded one, in requests per second.
    #[must_use]
    pub fn highest_per_s(&self) -> f64 {
        self.law().map_or_else(|| self.rate_per_s(), |(_, curve)| curve.highest_per_s())
    }

    /// Every arrival in order. Cheap to restart, because arrivals are not stored.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        Arrivals {
            instants: match &self.source {
                ArrivalSource::Drawn { process, curve, seed, streams } if streams.is_empty() => {
                    Instants::new(*process, curve, *seed)
                }
                ArrivalSource::Drawn { curve, seed, streams, .. } => {
                    Instants::Superposed(Superposed::new(streams, curve, *seed))
                }
                ArrivalSource::Recorded(recorded) => Instants::Recorded { recorded: recorded.clone(), next: 0 },
            },
            window: self.spans.window,
            end: self.spans.cooldown.end,
            left_in_window: self.most_in_window.unwrap_or(u64::MAX),
            next_index: 0,
        }
    }
}

/// The maximum number of requests in the window; `None` if only a duration limits it.
fn most_of(extent: Extent) -> Option<u64> {
    match extent {
        Extent::Duration(_) => None,
        Extent::Requests(count) => Some(count),
    }
}

/// The first nanosecond after `last`.
fn after(last: Offset) -> Offset {
    last.plus(Duration::from_nanos(1))
}

/// The `count`-th (from 1) of `instants` at or after `start`.
fn nth_from(instants: &mut Instants, start: Offset, count: u64) -> Offset {
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
    // Starts one index lower, so that rounding cannot skip the first arrival.
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

/// Instants on the run's clock: an endless process, or a trace followed by [`Offset::NEVER`].
#[derive(Debug, Clone)]
enum Instants {
    Drawn { unit: Box<UnitArrivals>, walk: Walk },
    Superposed(Superposed),
    Recorded { recorded: Recorded, next: usize },
}

impl Instants {
    fn new(process: Process, curve: &Curve, seed: Seed) -> Self {
        Self::Drawn {
            unit: Box::new(UnitArrivals::new(process, seed.stream("arrivals").sequence())),
            walk: curve.walk(),
        }
    }

    fn advance(&mut self) -> Offset {
        match self {
            Self::Drawn { unit, walk } => walk.instant(unit.advance()),
            Self::Superposed(superposed) => superposed.advance(),
            Self::Recorded { recorded, next } => {
                let at = recorded.instants().get(*next).copied().unwrap_or(Offset::NEVER);
                *next += 1;
                at
            }
        }
    }
}

/// Iterator over the arrivals of a [`Timeline`]: a few hundred bytes for any length of the timeline.
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
                // Every later call must return `None` after a single draw.
                self.end = Offset::ZERO;
                return None;
            }
            if self.window.contains(at) {
                if self.left_in_window == 0 {
                    continue;
                }
                self.left_in_window -= 1;
            }
            let index = match &self.instants {
                Instants::Superposed(superposed) => superposed.number,
                Instants::Drawn { .. } | Instants::Recorded { .. } => self.next_index,
            };
            self.next_index += 1;
            return Some(Arrival { index, at });
        }
    }
}

impl std::iter::FusedIterator for Arrivals {}
