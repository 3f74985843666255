//! Owns the signs of saturation: what one trial of an open load shows about whether the service keeps up, and with
//! which certainty.

use serde::{Deserialize, Serialize};

use crate::figures::TrialView;
use crate::metrics::{BlockPoint, Known, LoadOrigin};

/// A sign is raised if it exceeds the noise by more than this many standard deviations.
const SURE: f64 = 1.96;
/// Least limit for the residual of Little's law over a window, as a share.
const LEAST_LITTLE: f64 = 0.1;
/// An overload by a share δ makes latency grow by δ seconds per second. Growth of half the deficit is enough to
/// distinguish an overload from a service that only fills up, which happens while the discard is shorter than the
/// responses.
const RISES: f64 = 0.5;
/// A loss of requests below this share is a fault, not saturation.
const LEAST_LOST: f64 = 0.01;
/// With fewer requests than this, quarters of the window are not compared.
const LEAST_REQUESTS: u64 = 16;

/// The signs of saturation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// 1 − completions inside the window ÷ arrivals inside it. If the service keeps up, its standard deviation
    /// comes from the two counts: √(2/n).
    Deficit,
    /// Growth of requests in flight ÷ rate: (mean of the last third of the window − mean of the first) ÷ (⅔ window
    /// · rate). If the backlog is a random walk of n arrivals and n departures, its standard deviation is √(2.5/n).
    Backlog,
    /// The residual of Little's law over the window: |∫ in flight dt ÷ Σ time in the system of the cohort − 1|. It
    /// is 0 in a steady state; its standard deviation is √(2/n).
    Little,
    /// Growth of end-to-end latency through the window, in seconds per second: (median of the requests scheduled in
    /// the third quarter − median of those in the first) ÷ ½ window. The last quarter is left out, because a server
    /// that empties answers it. An overload by a share δ of the capacity makes latency grow by δ. Its standard
    /// deviation is the larger of two: √(3.4/n), from the backlog behind it, and that of the medians of n/4
    /// requests, 1.25 of the latency (coefficient of variation taken as 1) ÷ √(n/4).
    Trend,
    /// Share of the cohort that never completed: failed, timed out, shed or given up. It is raised above 1 %, and
    /// above two requests.
    Lost,
}

impl Sign {
    /// The sign in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deficit => "completions fall behind",
            Self::Backlog => "the backlog grows",
            Self::Little => "Little's law does not close over the window",
            Self::Trend => "latency rises through the window",
            Self::Lost => "requests are lost",
        }
    }
}

/// One sign with its value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The sign.
    pub sign: Sign,
    /// The value: a share, or seconds per second.
    pub value: f64,
    /// The limit below which the value stays by chance alone, in at least 39 of 40 cases.
    pub limit: f64,
    /// Whether the value exceeds the limit.
    pub raised: bool,
}

impl Reading {
    fn new(sign: Sign, value: f64, limit: f64) -> Self {
        Self { sign, value, limit, raised: value > limit }
    }
}

/// Whether the service keeps up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stability {
    /// No sign is raised, and an overload would have been visible: see [`Steadiness`](crate::search::Steadiness).
    Stable,
    /// No sign is raised, but an overload might not be visible in such a short window.
    TooShort,
    /// Some signs are raised, but not the signs that prove saturation.
    Strained,
    /// Completions are fewer than arrivals, and either backlog and latency grow accordingly or requests are lost.
    Saturated,
}

impl Stability {
    /// The stability in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::TooShort => "too short to tell",
            Self::Strained => "strained",
            Self::Saturated => "saturated",
        }
    }
}

/// The signs of an open load's trial for which it has enough requests. Empty if completions release all requests or the
/// turns of a trace, because such a load adapts to the service. A load of drawn sessions is open: new sessions come
/// whatever the service does, and what its later turns leave of an overload shows in all signs alike.
#[must_use]
pub fn read_signs(trial: &TrialView) -> Vec<Reading> {
    let n = trial.requests.planned;
    let is_open = trial.load.origin == LoadOrigin::Planned || trial.load.sessions.is_some();
    if !is_open || trial.load.concurrency.is_some() || n == 0 {
        return Vec::new();
    }
    let window_s = trial.window.length_s();
    let over_n = |variance: f64| SURE * libm::sqrt(variance / n as f64);
    let mut readings = Vec::new();
    let mut note =
        |sign, value: Option<f64>, limit: f64| readings.extend(value.map(|value| Reading::new(sign, value, limit)));
    let quarters = quarters(trial);
    let trend = quarters.map(|[first_s, _, third_s, _]| (third_s - first_s) / (0.5 * window_s));
    let medians_vary =
        |[first_s, _, third_s, _]: [f64; 4]| over_n(2.0 * 4.0 * 1.25 * 1.25) * first_s.min(third_s) / (0.5 * window_s);
    let trend_limit = quarters.map_or(0.0, medians_vary).max(over_n(3.4));
    let deficit = trial.throughput.requests_per_s.map(|per_s| 1.0 - per_s * window_s / n as f64);
    note(Sign::Deficit, deficit, over_n(2.0));
    note(Sign::Backlog, growth_per_s(trial).map(|per_s| per_s * window_s / n as f64), over_n(2.5));
    note(Sign::Little, trial.health.window_residual.map(libm::fabs), over_n(2.0).max(LEAST_LITTLE));
    note(Sign::Trend, trend, trend_limit);
    let lost = n.saturating_sub(trial.requests.completed + trial.requests.cancelled) as f64 / n as f64;
    note(Sign::Lost, Some(lost), (2.0 / n as f64).max(LEAST_LOST));
    readings
}

/// The stability by the signs alone: [`Stability::Stable`] if none is raised, whether or not the window is long
/// enough to raise one.
#[must_use]
pub fn stability_of(readings: &[Reading]) -> Stability {
    let reading = |sign| readings.iter().find(|reading| reading.sign == sign);
    let raised = |sign| reading(sign).is_some_and(|reading| reading.raised);
    let value = |sign| reading(sign).map(|reading| reading.value);
    // A window too short for thirds has no reading of the backlog. The rise of latency must be read.
    let backlog = reading(Sign::Backlog).is_none_or(|reading| reading.raised);
    let rises = value(Sign::Trend).zip(value(Sign::Deficit)).is_some_and(|(trend, deficit)| trend >= RISES * deficit);
    if raised(Sign::Deficit) && ((backlog && rises) || raised(Sign::Lost)) {
        Stability::Saturated
    } else if readings.iter().any(|reading| reading.raised) {
        Stability::Strained
    } else {
        Stability::Stable
    }
}

/// The knee: the highest stable rate below the lowest rate that saturates. A strained rate below the knee is
/// attributed to chance: a sign is raised by noise about once in forty readings, and a service that keeps up with a
/// higher rate keeps up with a lower one.
pub(super) fn knee(tried: &[(f64, Stability)]) -> Option<f64> {
    let of = |wanted: Stability| tried.iter().filter(move |(_, seen)| *seen == wanted).map(|(per_s, _)| *per_s);
    let saturated = of(Stability::Saturated).fold(f64::INFINITY, f64::min);
    of(Stability::Stable).filter(|per_s| *per_s < saturated).reduce(f64::max)
}

/// Growth of requests in flight over the window, in requests per second; `None` with fewer than six samples.
fn growth_per_s(trial: &TrialView) -> Option<f64> {
    let (start_s, end_s) = (trial.window.start.as_secs(), trial.window.end.as_secs());
    let inside =
        trial.samples.iter().filter(|sample| sample.start_s >= start_s && sample.start_s + sample.width_s <= end_s);
    let in_flight: Vec<f64> = inside.map(|sample| sample.in_flight).collect();
    let third = in_flight.len() / 3;
    if third < 2 {
        return None;
    }
    let width_s = trial.samples.first()?.width_s;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let apart_s = (in_flight.len() - third) as f64 * width_s;
    Some((mean(&in_flight[in_flight.len() - third..]) - mean(&in_flight[..third])) / apart_s)
}

/// Median latency of the requests scheduled in each quarter of the window, in seconds; `None` with too few
/// requests, or if a quarter has none.
fn quarters(trial: &TrialView) -> Option<[f64; 4]> {
    if trial.requests.planned < LEAST_REQUESTS {
        return None;
    }
    let window = trial.window;
    let mut quarters = [(0.0, 0.0); 4];
    for block in &trial.blocks {
        let Some(latency_s) = latency_of(block) else { continue };
        let middle_s = block.start_s + block.width_s / 2.0 - window.start.as_secs();
        let place = (4.0 * middle_s / window.length_s()).clamp(0.0, 3.0) as usize;
        let weight = block.planned as f64;
        quarters[place] = (quarters[place].0 + weight * latency_s, quarters[place].1 + weight);
    }
    quarters.iter().all(|(_, weight)| *weight > 0.0).then(|| quarters.map(|(sum, weight)| sum / weight))
}

/// The median of a block; for a censored median, its bound.
fn latency_of(block: &BlockPoint) -> Option<f64> {
    match block.e2e_p50_s? {
        Known::At(latency_s) | Known::Above { above: latency_s } | Known::Below { below: latency_s } => Some(latency_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_knee_is_the_highest_stable_rate_below_saturation() {
        use Stability::{Saturated, Stable, Strained};
        for (tried, expected) in [
            (vec![], None),
            (vec![(1.0, Strained), (2.0, Saturated)], None),
            (vec![(4.0, Saturated), (1.0, Stable), (3.0, Strained), (2.0, Stable)], Some(2.0)),
            (vec![(1.0, Strained), (2.0, Stable), (3.0, Saturated), (4.0, Stable)], Some(2.0)),
            (vec![(1.0, Stable), (2.0, Stable)], Some(2.0)),
        ] {
            assert_eq!(knee(&tried), expected, "{tried:?}");
        }
    }

    fn readings(values: [(Sign, f64); 5]) -> Vec<Reading> {
        values.into_iter().map(|(sign, value)| Reading::new(sign, value, 0.1)).collect()
    }

    #[test]
    fn saturation_is_a_deficit_with_a_growing_backlog_and_latency_or_with_losses() {
        use Sign::{Backlog, Deficit, Little, Lost, Trend};
        for (values, expected) in [
            ([0.05, 0.05, 0.05, 0.09, 0.0], Stability::Stable),
            ([0.3, 0.3, 0.2, 0.4, 0.0], Stability::Saturated),
            ([0.3, 0.3, 0.2, 0.2, 0.0], Stability::Saturated),
            ([0.3, 0.3, 0.2, 0.1, 0.0], Stability::Strained),
            ([0.3, 0.0, 0.0, 0.0, 0.3], Stability::Saturated),
            ([0.3, 0.05, 0.2, 0.4, 0.0], Stability::Strained),
            ([0.05, 0.05, 0.2, 0.0, 0.0], Stability::Strained),
            ([0.05, 0.05, 0.0, 0.0, 0.2], Stability::Strained),
        ] {
            let signs = [Deficit, Backlog, Little, Trend, Lost];
            let readings = readings(std::array::from_fn(|place| (signs[place], values[place])));
            assert_eq!(stability_of(&readings), expected, "{values:?}");
        }
        let few = [Reading::new(Deficit, 1.0, 0.5)];
        assert_eq!(stability_of(&few), Stability::Strained, "too few requests to see latency rise");
    }
}
