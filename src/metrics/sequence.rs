//! Owns `Sequence`: the requests of a segment in order of their instants, with the data that a watch or a search needs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metrics::settled_row::SettledRow;
use crate::metrics::standing::standings;
use crate::metrics::{Course, Frame, Limit, Metric, Objective, Objectives, OriginOf, Standing};
use crate::record::{Outcome, Record};
use crate::units::{Offset, Window};

/// Maximum number of rows kept (64 MiB). Later requests are counted but left out of the order.
const MOST_ROWS: usize = 1 << 22;

/// The requests of a segment: settled requests take 16 bytes each, and of open requests the instants are kept. A
/// sequence exists only when a stop rule watches the requests.
///
/// Whether a request met its limits is known when it settles. An end-to-end limit is missed as soon as the age of an
/// open request exceeds it. A request that was cut off undecided counts as a miss, which is the safe assumption in a
/// search for capacity.
///
/// Objectives on a mean are counted as misses, too: see [`Sequence::MEAN_WHOLE`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sequence {
    objectives: Arc<Objectives>,
    streamed: bool,
    window: Window,
    #[serde(with = "crate::metrics::settled_row")]
    rows: Vec<SettledRow>,
    /// For each instant, the number of open requests.
    #[serde(with = "crate::metrics::pairs")]
    open: BTreeMap<Offset, u32>,
    /// For each objective, the misses among the settled requests of the window.
    tallies: Vec<Toll>,
    /// For each objective, the age at which an open request has missed it; `None` when age does not decide.
    ages_ns: Vec<Option<u64>>,
    /// For each objective on a mean, the sum towards its next miss, between 0 and 1; `None` for other objectives.
    means: Vec<Option<f64>>,
    /// Σ time in the system of the settled requests of the window, in nanoseconds.
    in_system_ns: u128,
    /// Number of settled requests of the window.
    settled: u64,
    /// Number of latest settled requests in a row that neither completed nor were refused.
    lost_in_a_row: u32,
    /// When the latest answer ended that completed or refused.
    #[serde(default)]
    last_answer: Option<Offset>,
}

/// Misses of one objective among the settled requests of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Toll {
    /// Requests that missed the objective, including requests cut off undecided.
    pub misses: u64,
    /// Requests for which the objective is defined.
    pub decided: u64,
    /// Requests cut off before they were decided; they count as misses, too.
    pub cut_off: u64,
}

impl Toll {
    /// The share of misses among decided requests, 0 to 1; 0 when none is decided.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.decided == 0 { 0.0 } else { self.misses as f64 / self.decided as f64 }
    }
}

/// One request of the window that has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// Number of requests of the segment in flight at the instant of this request.
    pub in_flight: u32,
    /// Time in the system, in microseconds.
    in_system_us: u32,
    /// One bit for each objective that the request missed.
    missed: u16,
    /// One bit for each objective that is defined for the request.
    counted: u16,
}

impl Came {
    /// The time in the system, in seconds.
    #[must_use]
    pub fn in_system_s(&self) -> f64 {
        f64::from(self.in_system_us) / 1e6
    }

    /// Whether the request missed objective number `place`; `None` when the objective is undefined for the request.
    #[must_use]
    pub const fn missed(&self, place: usize) -> Option<bool> {
        let bit = 1 << place;
        if self.counted & bit == 0 { None } else { Some(self.missed & bit != 0) }
    }
}

impl Sequence {
    /// Maximum number of objectives: each takes one of 16 bits. Later objectives are not counted.
    pub const MOST_OBJECTIVES: usize = 16;

    /// The number of limits that make one miss of a mean (no unit). `mean x <= T` becomes a share of misses: each
    /// request adds min(x, 20 T) ÷ 20 T to a sum, and is a miss when the sum passes a whole number. At a mean of T, one
    /// request in 20 is a miss, so that the methods for shares of misses also decide means. The rule is not random:
    /// over any stretch the number of misses differs from the sum by less than one. The part of a value above 20 limits
    /// is not counted. Over M/M/1 this part is 2·10⁻⁹ of the mean; over a queue whose times have a Pareto tail of index
    /// 2.5 it is about 1 %.
    pub const MEAN_WHOLE: f64 = 20.0;

    /// An empty sequence.
    #[must_use]
    pub fn new(frame: Frame, objectives: Arc<Objectives>) -> Self {
        let tallies = vec![Toll::default(); objectives.items().len()];
        // Of an open request the class is not known.
        let of_all = |place: &usize| objectives.class_of(*place).is_none();
        let ages_ns = (0..objectives.items().len())
            .map(|place| Some(place).filter(of_all).and_then(|place| age_of(&objectives.items()[place], &objectives)))
            .collect();
        // The sum starts at half a miss, so that it is rounded and not truncated.
        let means = objectives.items().iter().map(|objective| objective.mean().map(|_| 0.5)).collect();
        Self {
            streamed: frame.streamed,
            window: frame.window,
            rows: Vec::new(),
            open: BTreeMap::new(),
            tallies,
            ages_ns,
            means,
            in_system_ns: 0,
            settled: 0,
            lost_in_a_row: 0,
            last_answer: None,
            objectives,
        }
    }

    /// Notes that a planned request is due at `at`. Released requests become known when they settle.
    pub(crate) fn came(&mut self, at: Offset) {
        *self.open.entry(at).or_default() += 1;
    }

    /// Adds a settled request.
    pub(crate) fn add(&mut self, record: &Record) {
        let scheduled = record.scheduled;
        if let Some(number) = self.open.get_mut(&scheduled) {
            *number -= 1;
            if *number == 0 {
                self.open.remove(&scheduled);
            }
        }
        let is_answered = record.exchange.outcome == Outcome::Completed || record.exchange.is_refused();
        self.lost_in_a_row = if is_answered { 0 } else { self.lost_in_a_row.saturating_add(1) };
        if is_answered {
            self.last_answer = self.last_answer.max(record.exchange.ended);
        }
        let in_system = record.exchange.ended.unwrap_or(scheduled).since(scheduled);
        let (mut missed, mut counted) = (0, 0);
        let inside = self.window.contains(scheduled);
        for (place, (standing, ticks)) in
            standings(record, self.streamed, &self.objectives).enumerate().take(Self::MOST_OBJECTIVES)
        {
            if standing == Standing::Undefined {
                continue;
            }
            counted |= 1 << place;
            let of_mean = self.means[place]
                .as_mut()
                .and_then(|sum| Some(completes_a_miss(sum, self.objectives.items()[place].mean()?, ticks?)));
            let misses = of_mean.unwrap_or(standing != Standing::Met);
            missed |= u16::from(misses) << place;
            if inside {
                let tally = &mut self.tallies[place];
                tally.decided += 1;
                tally.misses += u64::from(misses);
                tally.cut_off += u64::from(standing == Standing::Undecided);
            }
        }
        if inside {
            self.settled += 1;
            self.in_system_ns += in_system.as_nanos();
        }
        if self.rows.len() < MOST_ROWS {
            let in_system_us = u32::try_from(in_system.as_micros()).unwrap_or(u32::MAX);
            self.rows.push(SettledRow { scheduled, in_system_us, missed, counted });
        }
    }

    /// Changes the window as a watch asks for at `now`.
    pub(crate) fn turn(&mut self, course: Course, now: Offset) {
        self.window = course.window(self.window, now, self.settled == 0);
    }

    /// The current window.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// Misses of objective number `place` at `now`: by the settled requests of the window, and by the age of its open
    /// requests.
    #[must_use]
    pub fn toll(&self, place: usize, now: Offset) -> Toll {
        let mut toll = self.tallies.get(place).copied().unwrap_or_default();
        if let Some(age_ns) = self.ages_ns.get(place).copied().flatten() {
            let late = Offset::from_nanos(now.as_nanos().saturating_sub(age_ns)).min(self.window.end);
            let number: u64 =
                self.open.range(self.window.start.min(late)..late).map(|(_, number)| u64::from(*number)).sum();
            toll.misses += number;
            toll.decided += number;
        }
        toll
    }

    /// The age of the oldest open request of the window, in seconds. `None` when age does not decide objective number
    /// `place`, or no request is open.
    #[must_use]
    pub fn oldest_age_s(&self, place: usize, now: Offset) -> Option<f64> {
        self.ages_ns.get(place).copied().flatten()?;
        self.oldest_open().map(|oldest| now.secs_since(oldest))
    }

    fn oldest_open(&self) -> Option<Offset> {
        self.open.range(self.window.start..self.window.end.max(self.window.start)).next().map(|(at, _)| *at)
    }

    /// Whether any planned request of the window is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.oldest_open().is_some()
    }

    /// Number of settled requests of the window.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.settled
    }

    /// The number of latest settled requests in a row that neither completed nor were refused.
    #[must_use]
    pub const fn lost_in_a_row(&self) -> u32 {
        self.lost_in_a_row
    }

    /// When the latest answer ended that completed or refused; `None` before the first.
    #[must_use]
    pub const fn last_answer(&self) -> Option<Offset> {
        self.last_answer
    }

    /// Mean time in the system of the settled requests of the window, in seconds; 0 without a request.
    #[must_use]
    pub fn time_in_system_s(&self) -> f64 {
        if self.settled == 0 { 0.0 } else { self.in_system_ns as f64 / 1e9 / self.settled as f64 }
    }

    /// The settled requests of the window, in order of their instants.
    #[must_use]
    pub fn in_order(&self) -> Vec<Came> {
        let mut rows = self.rows.clone();
        rows.sort_by_key(|row| row.scheduled);
        let mut leaving: BinaryHeap<Reverse<Offset>> = BinaryHeap::new();
        let mut order = Vec::new();
        for row in &rows {
            while leaving.peek().is_some_and(|Reverse(ended)| *ended <= row.scheduled) {
                leaving.pop();
            }
            if self.window.contains(row.scheduled) {
                order.push(Came {
                    in_flight: leaving.len() as u32,
                    in_system_us: row.in_system_us,
                    missed: row.missed,
                    counted: row.counted,
                });
            }
            leaving.push(Reverse(row.ended()));
        }
        order
    }
}

/// Adds a value of `ticks` to the sum of a mean, and returns whether the sum passes a whole number: a miss. A request
/// without a value is a miss, too, and is not added here.
fn completes_a_miss(sum: &mut f64, limit: &Limit, ticks: u64) -> bool {
    *sum += (ticks as f64 / (Sequence::MEAN_WHOLE * limit.ticks() as f64)).min(1.0);
    let misses = *sum >= 1.0;
    *sum -= f64::from(u8::from(misses));
    misses
}

/// The age in nanoseconds at which an open request has certainly missed `objective`. `None` for limits that may already
/// be met before the answer ends.
fn age_of(objective: &Objective, all: &Objectives) -> Option<u64> {
    let of = |limit: &Limit| {
        (limit.metric == Metric::E2e && limit.origin == OriginOf::Scheduled && limit.is_per_request())
            .then(|| limit.ticks())
    };
    match objective {
        Objective::Latency(limit) => of(limit),
        Objective::Attainment(_) | Objective::Goodput(_) => all.limits_of(None).filter_map(of).min(),
        Objective::ErrorRate(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::examples::{at, frame, objectives, streamed};

    /// A request of two tokens, the last one `e2e_s` after its instant.
    fn completed(scheduled_s: f64, ttft_s: f64, e2e_s: f64) -> Record {
        streamed(0, scheduled_s, ttft_s, 2, e2e_s - ttft_s)
    }

    fn sequence(slo: &str) -> Sequence {
        Sequence::new(frame(10.0, 20.0), objectives(slo))
    }

    #[test]
    fn what_settled_is_counted_and_what_is_open_misses_by_its_age() {
        let mut sequence = sequence("p90 e2e<=2s, p90 ttft<=1s");
        for scheduled in [9.0, 11.0, 12.0, 13.0, 21.0] {
            sequence.came(at(scheduled));
        }
        sequence.add(&completed(9.0, 0.5, 1.0));
        sequence.add(&completed(12.0, 1.5, 1.6));
        assert_eq!(
            sequence.toll(0, at(13.1)),
            Toll { misses: 1, decided: 2, cut_off: 0 },
            "the request of 11 s is older than 2 s"
        );
        assert_eq!(
            sequence.toll(1, at(13.1)),
            Toll { misses: 1, decided: 1, cut_off: 0 },
            "its first token may have arrived"
        );
        assert_eq!((sequence.oldest_age_s(0, at(13.5)), sequence.oldest_age_s(1, at(13.5))), (Some(2.5), None));
        assert!(sequence.is_open());
        sequence.add(&completed(11.0, 3.0, 4.0));
        sequence.add(&completed(13.0, 0.5, 1.0));
        assert!(!sequence.is_open(), "the request of 21 s is beyond the window");
        assert_eq!(sequence.toll(0, at(99.0)), Toll { misses: 1, decided: 3, cut_off: 0 });
        let order: Vec<_> =
            sequence.in_order().iter().map(|came| (came.in_flight, came.missed(0), came.missed(1))).collect();
        assert_eq!(order, [(0, Some(true), Some(true)), (1, Some(false), Some(true)), (2, Some(false), Some(false))]);
        assert!((sequence.time_in_system_s() - 6.6 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn misses_of_a_mean_add_up_to_the_mean() {
        let mut sequence = sequence("mean e2e<=1s");
        // A hundred times 0.5 s, then one time of 40 s, of which 20 s count.
        for place in 0..100 {
            sequence.add(&completed(10.0 + 0.05 * f64::from(place), 0.1, 0.5));
        }
        assert_eq!(
            sequence.toll(0, at(99.0)),
            Toll { misses: 3, decided: 100, cut_off: 0 },
            "50 s in all: 2.5 times 20 s, rounded"
        );
        sequence.add(&completed(15.5, 0.1, 40.0));
        assert_eq!(sequence.toll(0, at(99.0)).misses, 4, "one request is one miss at most");
    }

    #[test]
    fn a_window_opens_later_only_while_it_is_empty_and_closes_at_once() {
        let mut sequence = sequence("p90 e2e<=2s");
        sequence.turn(Course::OpenAt(at(12.0)), at(9.9));
        assert_eq!(sequence.window(), Window { start: at(12.0), end: at(22.0) });
        sequence.add(&completed(12.5, 0.1, 0.2));
        sequence.turn(Course::OpenAt(at(15.0)), at(13.0));
        assert_eq!(sequence.window().start, at(12.0));
        sequence.turn(Course::Close, at(14.0));
        assert_eq!(sequence.window(), Window { start: at(12.0), end: at(14.0) });
    }
}
