//! Owns `State`: the requests in flight over the run, how often they renew themselves, and whether a latency depends on
//! them.

use serde::{Deserialize, Serialize};

use crate::metrics::series::{Absorb, Series};
use crate::metrics::{Metric, Value};
use crate::record::{Outcome, Record};
use crate::stats::mixing::{Mixing, Response, growth_t, mixing, slope_t};
use crate::units::Window;

/// Slots of time: up to this many, at first this wide in nanoseconds. 4 096 slots of 72 bytes hold the correlation time
/// of a run that is 1 000 correlation times long.
const MOST_SLOTS: usize = 4_096;
const FIRST_SLOT_NS: u64 = 1_000_000;
/// Parts of one natural logarithm in which logarithms are summed, so that the order of adding never shows.
const LOG_PARTS: f64 = 1_048_576.0;

/// Parts of the window in each of which the mean of the requests in flight is taken as planned, where the load varies
/// by plan.
const PLANNED_PARTS: usize = 16;

/// What is summed for a quantity of the requests scheduled in a slot.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sum {
    count: u32,
    parts: i64,
}

/// What is kept of one slot.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Slot {
    /// Requests sent in it.
    entered: u32,
    /// Requests that settled in it.
    left: u32,
    /// Logarithms of time to first token, end-to-end latency and time per token, of the requests scheduled in it.
    logs: [Sum; 3],
    /// Requests scheduled in it (`count`), and those that failed or timed out (`parts`).
    errors: Sum,
}

impl Absorb for Slot {
    fn absorb(&mut self, other: &Self) {
        self.entered += other.entered;
        self.left += other.left;
        for (mine, theirs) in
            self.logs.iter_mut().chain([&mut self.errors]).zip(other.logs.iter().chain([&other.errors]))
        {
            mine.count += theirs.count;
            mine.parts += theirs.parts;
        }
    }
}

/// A quantity that may depend on the requests in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    FirstToken,
    EndToEnd,
    PerToken,
    Errors,
}

impl Quantity {
    const LOGS: [(Self, Metric); 3] =
        [(Self::FirstToken, Metric::Ttft), (Self::EndToEnd, Metric::E2e), (Self::PerToken, Metric::Tpot)];

    /// The quantity that stands for `metric`.
    pub(super) const fn of(metric: Metric) -> Self {
        match metric {
            Metric::Ttft | Metric::Ttfo => Self::FirstToken,
            Metric::Tpot | Metric::Itl | Metric::Tbt | Metric::Stall | Metric::OutputSpeed => Self::PerToken,
            _ => Self::EndToEnd,
        }
    }
}

/// The slots, over time from the run's origin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Slots(Series<Slot>);

impl Default for Slots {
    fn default() -> Self {
        Self(Series::new(FIRST_SLOT_NS, MOST_SLOTS))
    }
}

impl Slots {
    /// Adds a settled request; `value` gives its metrics from the planned instant.
    pub(super) fn add(&mut self, record: &Record, value: impl Fn(Metric) -> Value) {
        let exchange = &record.exchange;
        // What our own drain cut off says nothing of when it would have left; it counts as a possible miss elsewhere.
        let settled = !matches!(exchange.outcome, Outcome::Unresolved | Outcome::Cancelled);
        if let Some(sent) = exchange.sent.filter(|_| settled) {
            let ended = exchange.ended.unwrap_or(sent).max(sent);
            self.0.at(ended.as_nanos()).left += 1;
            self.0.at(sent.as_nanos()).entered += 1;
        }
        let slot = self.0.at(record.scheduled.as_nanos());
        slot.errors.count += 1;
        slot.errors.parts += i64::from(matches!(exchange.outcome, Outcome::Failed(_) | Outcome::TimedOut));
        for (sum, (_, metric)) in slot.logs.iter_mut().zip(Quantity::LOGS) {
            if let Value::Defined(ticks) | Value::Censored(ticks) = value(metric) {
                sum.count += 1;
                sum.parts += libm::round(libm::log(ticks.max(1) as f64) * LOG_PARTS) as i64;
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }

    /// Bytes held.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.0.slots())
    }

    /// What the slots inside `window` say. Where the load varies by plan (`varies`), so do the requests in flight: what
    /// changes over more than a sixteenth of the window is then taken as planned, and growth as no sign of a backlog.
    pub(super) fn state(&self, window: Window, varies: bool) -> State {
        let width = self.0.width_ns();
        let (first, end) =
            ((window.start.as_nanos().div_ceil(width)) as usize, (window.end.as_nanos() / width) as usize);
        let (mut now, mut in_flight) = (0i64, Vec::with_capacity(end.saturating_sub(first)));
        let mut responses: [Vec<Response>; 4] = [const { Vec::new() }; 4];
        let empty = Slot::default();
        for place in 0..end {
            let slot = self.0.slots().get(place).unwrap_or(&empty);
            // Requests scheduled in a slot are held against those that were in flight before it, themselves never among
            // them.
            if place > first {
                for (responses, sum) in responses.iter_mut().zip(slot.logs.iter().chain([&slot.errors])) {
                    let count = f64::from(sum.count);
                    if sum.count > 0 {
                        responses.push(Response {
                            state: now as f64,
                            mean: sum.parts as f64 / LOG_PARTS / count,
                            weight: count,
                        });
                    }
                }
            }
            now += i64::from(slot.entered) - i64::from(slot.left);
            if place >= first {
                in_flight.push(now as f64);
            }
        }
        if varies {
            let part = in_flight.len().div_ceil(PLANNED_PARTS).max(1);
            for part in in_flight.chunks_mut(part) {
                let mean = part.iter().sum::<f64>() / part.len() as f64;
                for point in part {
                    *point -= mean;
                }
            }
        }
        let growth_t = if varies { 0.0 } else { growth_t(&in_flight) };
        State { mixing: mixing(&in_flight), growth_t, slopes: responses.map(|responses| slope_t(&responses)) }
    }
}

/// What the requests in flight say about how long the run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    mixing: Option<Mixing>,
    growth_t: f64,
    /// t of the slope of each [`Quantity`] on the requests in flight.
    slopes: [f64; 4],
}

/// A slope with a smaller t value than this is none. Low, because a dependence that is overlooked costs more than one
/// that is not there.
const LEAST_SLOPE_T: f64 = 1.0;
/// A slope of the error share with a smaller t value than this is none: the 97.5 % point of the normal law.
const LEAST_ERROR_T: f64 = 2.0;
/// Independent samples of the requests in flight below which the run has not shown enough of them to say that a
/// quantity does not depend on them.
const LEAST_SHOWN: f64 = 2.0;
/// The 95 % point of Student's law with 15 degrees of freedom.
const GROWING_T: f64 = 1.753;

impl State {
    /// Whether the requests in flight grew over the window: the service may not keep up.
    pub(super) fn is_growing(&self) -> bool {
        self.growth_t > GROWING_T
    }

    /// The independent samples that the run is worth to `quantities`: lower bound and best estimate. `None` where none
    /// of them depends on the requests in flight, or these never changed.
    pub(super) fn worth(&self, quantities: &[Quantity]) -> Option<Mixing> {
        let depends = quantities.iter().any(|quantity| self.slopes[*quantity as usize] > LEAST_SLOPE_T);
        self.mixing.filter(|mixing| depends || mixing.effective_low < LEAST_SHOWN)
    }

    /// What the run is worth to errors; `None` unless they clearly come with more requests in flight. Most errors do
    /// not.
    pub(super) fn worth_to_errors(&self) -> Option<Mixing> {
        self.mixing.filter(|_| self.slopes[Quantity::Errors as usize] > LEAST_ERROR_T)
    }
}
