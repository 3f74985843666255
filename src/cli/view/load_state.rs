//! Owns `LoadState`: what the live view knows of the load that began last.

use std::collections::VecDeque;

use crate::cli::view::failures::Failures;
use crate::cli::view::latencies::{Latencies, RECENT_S};
use crate::cli::view::news::{Beat, Begin, ROWS, Seen};
use crate::cli::view::strip::Strip;
use crate::metrics::{Course, Metric, Value};
use crate::units::{Offset, Window};

/// The state of one load.
#[derive(Debug)]
pub(super) struct LoadState {
    pub(super) begin: Begin,
    /// The measured window: a watch may move or close it.
    pub(super) window: Window,
    /// The counts now.
    pub(super) beat: Beat,
    /// The most requests in flight that were seen.
    pub(super) peak: u64,
    /// The counts of the last ten seconds, oldest first.
    beats: VecDeque<Beat>,
    /// The latencies, in the order of [`ROWS`].
    pub(super) latencies: [Latencies; ROWS.len()],
    pub(super) failures: Failures,
    pub(super) strip: Strip,
    /// Whether no more requests are sent, because the load was stopped.
    pub(super) is_stopped: bool,
}

/// What a load does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests are sent and not measured yet.
    WarmUp,
    /// Requests of the measured window are sent.
    Measuring,
    /// The window is over, and the load goes on while its requests end.
    CoolDown,
    /// Nothing is sent any more; open requests are followed.
    Draining,
}

impl Phase {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm-up",
            Self::Measuring => "measuring",
            Self::CoolDown => "cool-down",
            Self::Draining => "draining",
        }
    }
}

/// Requests per second over the last ten seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    pub(super) planned: f64,
    pub(super) sent: f64,
    pub(super) completed: f64,
    pub(super) missed: f64,
    /// Good requests by all objectives.
    pub(super) good: f64,
    /// Requests that met each objective.
    pub(super) met: Vec<f64>,
}

impl LoadState {
    pub(super) fn new(begin: Begin) -> Self {
        Self {
            window: begin.window,
            begin,
            beat: Beat::default(),
            peak: 0,
            beats: VecDeque::from([Beat::default()]),
            latencies: ROWS.map(Latencies::new),
            failures: Failures::default(),
            strip: Strip::default(),
            is_stopped: false,
        }
    }

    pub(super) fn settled(&mut self, seen: Seen) {
        let in_window = self.window.contains(seen.scheduled);
        for (latencies, value) in self.latencies.iter_mut().zip(seen.values) {
            latencies.add(seen.ended, value, seen.completed, in_window);
        }
        if let Some((kind, words)) = seen.failure {
            self.failures.add(kind, words);
        }
        if let Value::Defined(ticks) = seen.values[self.headline()] {
            let slot = self.strip.at(seen.ended);
            slot.slowest = slot.slowest.max(ticks);
        }
    }

    /// The row whose slowest requests are drawn over time: that of ttft; of e2e where answers are not streamed.
    pub(super) fn headline(&self) -> usize {
        let wanted = if self.begin.streamed { Metric::Ttft } else { Metric::E2e };
        ROWS.iter().position(|metric| *metric == wanted).unwrap_or(0)
    }

    pub(super) fn turned(&mut self, course: Course, now: Offset) {
        self.window = course.window(self.window, now, self.beat.cohort == 0);
        if course == Course::Stop {
            self.is_stopped = true;
            self.begin.load_end = self.begin.load_end.min(now);
        }
    }

    pub(super) fn beats(&mut self, beat: Beat) {
        let now = beat.counts.elapsed;
        let slot = self.strip.at(now);
        slot.completed += beat.counts.completed.saturating_sub(self.beat.counts.completed);
        slot.missed += beat.counts.missed.saturating_sub(self.beat.counts.missed);
        slot.in_flight = slot.in_flight.max(beat.counts.in_flight);
        self.peak = self.peak.max(beat.counts.in_flight);
        self.beats.push_back(beat.clone());
        // One older than ten seconds stays, so that the rates are over ten seconds.
        while self.beats.get(1).is_some_and(|beat| now.secs_since(beat.counts.elapsed) >= RECENT_S as f64) {
            self.beats.pop_front();
        }
        self.beat = beat;
    }

    /// The time since the load began.
    pub(super) fn now(&self) -> Offset {
        self.beat.counts.elapsed
    }

    pub(super) fn phase(&self) -> Phase {
        let now = self.now();
        if self.is_stopped || now >= self.begin.load_end {
            Phase::Draining
        } else if now < self.window.start {
            Phase::WarmUp
        } else if now < self.window.end {
            Phase::Measuring
        } else {
            Phase::CoolDown
        }
    }

    /// How far the load is, 0 to 1; `None` if its end is not known.
    pub(super) fn share_done(&self) -> Option<f64> {
        if let Some(requests) = self.begin.requests {
            return Some((self.beat.cohort as f64 / requests.max(1) as f64).min(1.0));
        }
        let end = self.begin.load_end;
        (end != Offset::NEVER && end > Offset::ZERO).then(|| (self.now().as_secs() / end.as_secs()).min(1.0))
    }

    /// The rates over the last ten seconds.
    pub(super) fn pace(&self) -> Pace {
        let Some(first) = self.beats.front() else { return Pace::default() };
        let seconds = self.now().secs_since(first.counts.elapsed);
        if seconds <= 0.0 {
            return Pace::default();
        }
        let per_s = |before: u64, after: u64| after.saturating_sub(before) as f64 / seconds;
        let met_before = |place: usize| first.tallies.get(place).map_or(0, |tally| tally.met);
        // Objectives count the requests of the window alone, so their rates begin with it.
        let of_window_s = self.now().secs_since(first.counts.elapsed.max(self.window.start));
        let met_per_s = |before: u64, after: u64| {
            if of_window_s > 0.0 { after.saturating_sub(before) as f64 / of_window_s } else { 0.0 }
        };
        Pace {
            planned: per_s(first.planned, self.beat.planned),
            sent: per_s(first.counts.sent, self.beat.counts.sent),
            completed: per_s(first.counts.completed, self.beat.counts.completed),
            missed: per_s(first.counts.missed, self.beat.counts.missed),
            good: met_per_s(first.good, self.beat.good),
            met: (0..).zip(&self.beat.tallies).map(|(place, tally)| met_per_s(met_before(place), tally.met)).collect(),
        }
    }
}
