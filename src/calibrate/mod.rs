//! Owns calibration: measures the tool's own error and capacity on this machine against a server with known timings.

mod machine;
mod stage;
mod step;
mod truth;

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Serialize;

use crate::client::Limits;
use crate::error::Error;
use crate::units::{count, per_second, seconds};
use machine::load_average;
use stage::{Stage, closed, open};
pub use step::{Spread, Step};

/// What calibration measures.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Sending threads.
    pub workers: usize,
    /// Rates at which the error is measured, in requests per second, each with its duration; in rising order.
    pub steps: Vec<(f64, Duration)>,
    /// The highest rate that the capacity search tries, in requests per second; `None`: no capacity search.
    pub most_rate_per_s: Option<f64>,
    /// Duration of each step of the capacity search, and of the closed loop.
    pub search_step: Duration,
}

impl Settings {
    /// The settings of `tonnage calibrate`; they take about 25 s.
    #[must_use]
    pub fn standard(workers: usize) -> Self {
        let steps = [(10.0, 5), (100.0, 3), (500.0, 2), (1_000.0, 2)]
            .map(|(rate, length_s)| (rate, Duration::from_secs(length_s)));
        Self { workers, steps: steps.into(), most_rate_per_s: Some(64_000.0), search_step: Duration::from_secs(1) }
    }
}

/// The tool's error and capacity on this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Cores of this machine that the process may use.
    pub cores: usize,
    /// Sending threads.
    pub workers: usize,
    /// Output tokens of each streamed request, one for each event.
    pub output_tokens: u32,
    /// Load average of the last minute, before and after calibration.
    pub load_average: [Option<f64>; 2],
    /// The error at each rate.
    pub steps: Vec<Step>,
    /// The rates that the capacity search tried, in that order.
    pub search: Vec<Step>,
    /// The highest rate that was kept, in requests per second; `None` when no rate was kept.
    pub capacity_per_s: Option<f64>,
    /// Whether a higher rate was tried and not kept; otherwise the capacity may be higher.
    pub capacity_is_bounded: bool,
    /// Requests per second of a closed loop of unstreamed requests.
    pub closed_loop_per_s: f64,
    /// CPU time of the sending threads for one unstreamed request, in microseconds.
    pub cpu_us_per_request: Option<f64>,
    /// CPU time of the sending threads for one event of a stream, in microseconds: that of the last step, less
    /// `cpu_us_per_request` for each request, divided by the number of events.
    pub cpu_us_per_event: Option<f64>,
    /// Conclusions for the user, most important first.
    pub advice: Vec<String>,
}

/// Calibrates. Calls `told` with the name of each stage before it begins. Must run inside a tokio `LocalRuntime` or
/// `LocalSet`.
pub async fn calibrate(settings: &Settings, mut told: impl FnMut(&str)) -> Result<Calibration, Error> {
    let before = load_average();
    // The embedded server holds the other end of every connection.
    let limits = Limits::raised_for(2 * stage::MOST_IN_FLIGHT);
    let room = stage::MOST_IN_FLIGHT.min(limits.descriptors.saturating_sub(256) / 2).max(1);
    let mut stages: Vec<Stage> = Vec::new();
    for (rate_per_s, length) in &settings.steps {
        told(&format!("{} for {}", per_second(*rate_per_s), seconds(length.as_secs_f64())));
        stages.push(open(settings.workers, *rate_per_s, *length, room).await?);
    }
    let mut search = Search::after(&stages, settings.most_rate_per_s);
    let mut tried = Vec::new();
    while let Some(rate_per_s) = search.next() {
        told(&format!("capacity: {}", per_second(rate_per_s)));
        let stage = open(settings.workers, rate_per_s, settings.search_step, room).await?;
        search.learn(rate_per_s, stage.step.kept);
        tried.push(stage.step);
    }
    told("closed loop of unstreamed requests");
    let closed = closed(settings.workers, settings.search_step, room).await?;
    let cpu_us_per_event = stages.last().and_then(|last| {
        let beyond_us = last.cpu_s? * 1e6 - closed.cpu_us_per_request? * last.sent as f64;
        (last.events > 0).then(|| (beyond_us / last.events as f64).max(0.0))
    });
    let mut calibration = Calibration {
        cores: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        workers: settings.workers,
        output_tokens: stage::OUTPUT_TOKENS,
        load_average: [before, load_average()],
        steps: stages.into_iter().map(|stage| stage.step).collect(),
        search: tried,
        capacity_per_s: search.kept,
        capacity_is_bounded: search.lost.is_some(),
        closed_loop_per_s: closed.per_s,
        cpu_us_per_request: closed.cpu_us_per_request,
        cpu_us_per_event,
        advice: Vec::new(),
    };
    calibration.advice = advice(&calibration);
    Ok(calibration)
}

/// The search for the highest rate that is kept. It doubles or halves the rate until a kept rate and a lost rate are
/// known, then tries their geometric mean, twice.
#[derive(Debug)]
struct Search {
    kept: Option<f64>,
    lost: Option<f64>,
    most_per_s: Option<f64>,
    refinements: u32,
}

impl Search {
    const REFINEMENTS: u32 = 2;
    /// Requests per second: the first rate of a search without earlier steps, and the lowest rate that is tried.
    const LEAST_PER_S: f64 = 10.0;

    fn after(stages: &[Stage], most_per_s: Option<f64>) -> Self {
        let mut search = Self { kept: None, lost: None, most_per_s, refinements: 0 };
        for stage in stages {
            search.note(stage.step.rate_per_s, stage.step.kept);
        }
        search
    }

    /// Notes whether a rate was kept. If a rate is kept although a lower one was lost, the machine was disturbed during
    /// the lower one, and that loss no longer counts.
    fn note(&mut self, rate_per_s: f64, kept: bool) {
        if kept {
            self.kept = Some(self.kept.map_or(rate_per_s, |best| best.max(rate_per_s)));
            self.lost = self.lost.filter(|lost| *lost > rate_per_s);
        } else if self.kept.is_none_or(|best| rate_per_s > best) {
            self.lost = Some(self.lost.map_or(rate_per_s, |least| least.min(rate_per_s)));
        }
    }

    fn next(&self) -> Option<f64> {
        let most = self.most_per_s?;
        match (self.kept, self.lost) {
            (Some(kept), Some(lost)) => {
                (self.refinements < Self::REFINEMENTS).then(|| libm::round(libm::sqrt(kept * lost)))
            }
            (Some(kept), None) => (kept < most).then(|| (2.0 * kept).min(most)),
            (None, Some(lost)) => (lost / 2.0 >= Self::LEAST_PER_S).then_some(lost / 2.0),
            (None, None) => Some(Self::LEAST_PER_S),
        }
    }

    fn learn(&mut self, rate_per_s: f64, kept: bool) {
        if self.kept.is_some() && self.lost.is_some() {
            self.refinements += 1;
        }
        self.note(rate_per_s, kept);
    }
}

/// Conclusions from the measurements, most important first.
fn advice(calibration: &Calibration) -> Vec<String> {
    let mut advice = Vec::new();
    let (cores, workers) = (calibration.cores, calibration.workers);
    let sending = if workers == 1 { "one worker".to_owned() } else { format!("{workers} workers") };
    match calibration.capacity_per_s {
        Some(capacity) => {
            let bound = if calibration.capacity_is_bounded { "up to about" } else { "at least" };
            advice.push(format!(
                "{bound} {} ({} events/s) with {sending}, with the simulated server on the same machine",
                per_second(capacity),
                count((capacity * f64::from(calibration.output_tokens)) as u64)
            ));
            if calibration.capacity_is_bounded {
                let more = if workers < cores {
                    format!("{cores} workers against a server elsewhere")
                } else {
                    "a machine with more cores".to_owned()
                };
                advice.push(format!(
                    "above that rate use {more}; a high send lag in the result means that the tool is the limit"
                ));
            }
        }
        None => {
            advice.push(
                "no rate was kept: at every rate, send lag p99 was 5 ms or more, or a request did not complete; use a \
                 quieter machine"
                    .to_owned(),
            );
        }
    }
    let floor_s = calibration
        .steps
        .iter()
        .filter(|step| step.kept)
        .filter_map(|step| step.added_ttft_s)
        .map(|added| added.p99)
        .fold(0.0, f64::max);
    if floor_s > 0.0 {
        advice.push(format!(
            "TTFT differences below {} may be the tool's own error (p99 of the delay that it adds, at the rates kept)",
            seconds(floor_s)
        ));
    }
    if let Some(load) = calibration.load_average[0].filter(|load| *load > 0.25 * cores as f64) {
        advice.push(format!(
            "the machine was busy before the start (load average {load:.2} on {cores} cores): calibrate again when it \
             is quiet"
        ));
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates tried on a machine that keeps rates up to `true_per_s`, and the capacity found.
    fn found(mut search: Search, true_per_s: f64) -> (Vec<f64>, Option<f64>) {
        let mut tried = Vec::new();
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.learn(rate, rate <= true_per_s);
        }
        (tried, search.kept)
    }

    fn search(kept: Option<f64>, lost: Option<f64>) -> Search {
        Search { kept, lost, most_per_s: Some(64_000.0), refinements: 0 }
    }

    #[test]
    fn the_search_doubles_and_then_narrows_and_ends() {
        assert_eq!(
            found(search(Some(1_000.0), None), 5_000.0),
            (vec![2_000.0, 4_000.0, 8_000.0, 5_657.0, 4_757.0], Some(4_757.0))
        );
        assert_eq!(found(search(Some(1_000.0), None), 1e9).1, Some(64_000.0));
        assert_eq!(found(search(None, Some(1_000.0)), 130.0), (vec![500.0, 250.0, 125.0, 177.0, 149.0], Some(125.0)));
        assert_eq!(found(search(None, Some(1_000.0)), 0.0).1, None);
        let none = Search { kept: Some(5.0), lost: None, most_per_s: None, refinements: 0 };
        assert_eq!(found(none, 1e9), (vec![], Some(5.0)), "without a highest rate there is no search");
    }

    #[test]
    fn a_rate_kept_forgives_a_lower_one_that_was_lost() {
        let mut search = search(None, None);
        for (rate, kept) in [(10.0, false), (100.0, true), (500.0, false), (50.0, false)] {
            search.note(rate, kept);
        }
        assert_eq!((search.kept, search.lost), (Some(100.0), Some(500.0)));
    }
}
