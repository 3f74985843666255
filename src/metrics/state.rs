//! Owns `State`: the number of requests in flight over the run, how many independent samples of it the run holds, and
//! whether a latency depends on it.

use serde::{Deserialize, Serialize};

use crate::metrics::series::{Absorb, Series};
use crate::metrics::{Metric, Value};
use crate::record::{Outcome, Record};
use crate::stats::mixing::{Mixing, Response, growth_t, mixing, slope_t};
use crate::units::Window;

/// The most slots of time; [`FIRST_SLOT_NS`] is their first width in nanoseconds. 4 096 slots of 72 bytes resolve the
/// correlation time of a run that is 1 000 correlation times long.
const MOST_SLOTS: usize = 4_096;
const FIRST_SLOT_NS: u64 = 1_000_000;
/// Natural logarithms are summed in whole parts of 1 ÷ this value, so that the order of adding has no effect.
const LOG_PARTS: f64 = 1_048_576.0;

/// Number of equal parts of the window. Where the load varies by plan, the mean of the requests in flight over each
/// part is taken as planned.
const PLANNED_PARTS: usize = 16;

/// The sum of a quantity over the requests scheduled in a slot.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Sum {
    count: u32,
    parts: i64,
}

/// The counts and sums of one slot of time.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Slot {
    /// Requests sent in the slot.
    entered: u32,
    /// Requests that settled in the slot.
    left: u32,
    /// Sums of the logarithms of time to first token, end-to-end latency and time per token, over the requests
    /// scheduled in the slot.
    logs: [Sum; 3],
    /// `count`: requests scheduled in the slot. `parts`: those of them that failed or timed out.
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

    /// The quantity that represents `metric`.
    pub(super) const fn of(metric: Metric) -> Self {
        match metric {
            Metric::Ttft | Metric::Ttfo => Self::FirstToken,
            Metric::Tpot | Metric::Itl | Metric::Tbt | Metric::Stall | Metric::OutputSpeed => Self::PerToken,
            _ => Self::EndToEnd,
        }
    }
}

/// The slots of time, from the run's origin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Slots(Series<Slot>);

impl Default for Slots {
    fn default() -> Self {
        Self(Series::new(FIRST_SLOT_NS, MOST_SLOTS))
    }
}

impl Slots {
    /// Adds a settled request; `value` returns its metrics from the planned instant.
    pub(super) fn add(&mut self, record: &Record, value: impl Fn(Metric) -> Value) {
        let exchange = &record.exchange;
        // When a request that our drain cut off would have left is unknown. It counts as a possible miss elsewhere.
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

    /// The state over `window`. Where the load varies by plan (`varies`), the requests in flight vary with it. Changes
    /// over more than a sixteenth of the window are then taken as planned, and growth is not a sign of a backlog.
    pub(super) fn state(&self, window: Window, varies: bool) -> State {
        let width = self.0.width_ns();
        let (first, end) =
            ((window.start.as_nanos().div_ceil(width)) as usize, (window.end.as_nanos() / width) as usize);
        let (mut now, mut in_flight) = (0i64, Vec::with_capacity(end.saturating_sub(first)));
        let mut responses: [Vec<Response>; 4] = [const { Vec::new() }; 4];
        let empty = Slot::default();
        for place in 0..end {
            let slot = self.0.slots().get(place).unwrap_or(&empty);
            // Requests scheduled in a slot are compared with the number in flight before the slot, so that they are
            // never counted themselves.
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

/// The state of the requests in flight over a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    mixing: Option<Mixing>,
    growth_t: f64,
    /// t of the slope of each [`Quantity`] on the requests in flight.
    slopes: [f64; 4],
}

/// A quantity depends on the requests in flight if the t value of its slope is above this. Low, because missing a
/// dependence costs more than assuming one that does not exist.
const LEAST_SLOPE_T: f64 = 1.0;
/// The share of errors depends on the requests in flight if the t value of its slope is above this: about the 97.5 %
/// point of the normal law.
const LEAST_ERROR_T: f64 = 2.0;
/// With fewer independent samples of the requests in flight than this, the run is too short to show that a quantity
/// does not depend on them.
const LEAST_SHOWN: f64 = 2.0;
/// The t value of the growth above which a backlog is assumed: the 95 % point of Student's law with 15 degrees of
/// freedom.
const GROWING_T: f64 = 1.753;

impl State {
    /// Whether the requests in flight grew over the window, so that the service may not keep up.
    pub(super) fn is_growing(&self) -> bool {
        self.growth_t > GROWING_T
    }

    /// The number of independent samples in the run for `quantities`: lower bound and best estimate. `None` where none
    /// of `quantities` depends on the requests in flight, or where the requests in flight never changed.
    pub(super) fn worth(&self, quantities: &[Quantity]) -> Option<Mixing> {
        let depends = quantities.iter().any(|quantity| self.slopes[*quantity as usize] > LEAST_SLOPE_T);
        self.mixing.filter(|mixing| depends || mixing.effective_low < LEAST_SHOWN)
    }

    /// The number of independent samples in the run for errors. `None` unless the share of errors clearly grows with
    /// the requests in flight; for most errors it does not.
    pub(super) fn worth_to_errors(&self) -> Option<Mixing> {
        self.mixing.filter(|_| self.slopes[Quantity::Errors as usize] > LEAST_ERROR_T)
    }
}
