//! Owns the signs of saturation: what one trial of an open load says about whether the service keeps up, and how sure that is.

use serde::{Deserialize, Serialize};

use crate::metrics::{BlockPoint, Known, TrialView};
use crate::record::Origin;

/// How many standard deviations a sign must stand out of the noise.
const SURE: f64 = 1.96;
/// Latency may rise by this share over a window without being called a trend.
const LEAST_TREND: f64 = 0.25;
/// Little's law may be off by this share over a window.
const LEAST_LITTLE: f64 = 0.1;
/// A loss below this share is a fault, not saturation.
const LEAST_LOST: f64 = 0.01;
/// Fewer requests than this have no quarters to compare.
const LEAST_REQUESTS: u64 = 16;

/// What can be seen of saturation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// 1 − completions inside the window ÷ arrivals inside it. Where a service keeps up it varies by the two counts: √(2/n).
    Deficit,
    /// Growth of requests in flight, ÷ rate: (mean of the last third of the window − mean of the first) ÷ (⅔ window · rate). Where the
    /// backlog is a random walk of n arrivals and n departures, it varies by √(2.5/n).
    Backlog,
    /// Little's law over the window: |∫ in flight dt ÷ Σ time in the system of the cohort − 1|. 0 in a steady state; varies by √(2/n).
    Little,
    /// End-to-end latency (median) of the last quarter of the window ÷ that of the first − 1, where no quarter lies below the one before
    /// it. A median of n/4 varies by 1.25 of its coefficient of variation (taken as 1) ÷ √(n/4).
    Trend,
    /// Share of the cohort that never completed: failed, timed out, shed or given up. More than 1 %, and more than two requests.
    Lost,
}

impl Sign {
    /// In words.
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

/// One sign as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Which.
    pub sign: Sign,
    /// Its value, a share.
    pub value: f64,
    /// What chance alone stays below, 39 times in 40 or more often.
    pub limit: f64,
    /// Whether it stands out.
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
    /// No sign is raised: whatever is offered is completed, and nothing grows.
    Stable,
    /// Some signs are raised, but not those that prove saturation.
    Strained,
    /// Completions fall behind, and either backlog and latency grow with them or requests are lost.
    Saturated,
}

impl Stability {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Strained => "strained",
            Self::Saturated => "saturated",
        }
    }
}

/// The signs of an open load's trial, those that it has requests enough for; none for a closed loop, whose load gives way.
#[must_use]
pub fn read_signs(trial: &TrialView) -> Vec<Reading> {
    let n = trial.requests.planned;
    if trial.load.origin == Origin::Released || n == 0 {
        return Vec::new();
    }
    let window_s = trial.window.length_s();
    let over_n = |variance: f64| SURE * libm::sqrt(variance / n as f64);
    let mut readings = Vec::new();
    let mut note = |sign, value: Option<f64>, limit: f64| readings.extend(value.map(|value| Reading::new(sign, value, limit)));
    let quarters = quarters(trial);
    let trend_limit = (SURE * 1.25 * libm::sqrt(2.0) * 2.0 / libm::sqrt(n as f64)).max(LEAST_TREND);
    let trend = quarters.map(trend);
    // Answers longer than the discard are still filling the service when the window opens: no sign of saturation while latency is flat.
    let filling = match (quarters, trend) {
        (Some([first_s, ..]), Some(trend)) if trend <= trend_limit => (first_s - trial.window.start.as_secs()).max(0.0) / window_s,
        _ => 0.0,
    };
    let completed = trial.throughput.requests_per_s.map(|per_s| per_s * window_s);
    note(Sign::Deficit, completed.map(|completed| 1.0 - completed / n as f64), over_n(2.0) + filling);
    note(Sign::Backlog, growth_per_s(trial).map(|per_s| per_s * window_s / n as f64), over_n(2.5) + filling);
    note(Sign::Little, trial.health.window_residual.map(libm::fabs), over_n(2.0).max(LEAST_LITTLE) + filling);
    note(Sign::Trend, trend, trend_limit);
    let lost = n.saturating_sub(trial.requests.completed + trial.requests.cancelled) as f64 / n as f64;
    note(Sign::Lost, Some(lost), (2.0 / n as f64).max(LEAST_LOST));
    readings
}

/// What the signs come to.
#[must_use]
pub fn stability_of(readings: &[Reading]) -> Stability {
    let raised = |sign| readings.iter().any(|reading| reading.sign == sign && reading.raised);
    // A window too short for thirds has no such reading; latency must be seen to rise in any case.
    let not_denied = |sign| readings.iter().all(|reading| reading.sign != sign || reading.raised);
    let grows = not_denied(Sign::Backlog) && raised(Sign::Trend);
    if raised(Sign::Deficit) && (grows || raised(Sign::Lost)) {
        Stability::Saturated
    } else if readings.iter().any(|reading| reading.raised) {
        Stability::Strained
    } else {
        Stability::Stable
    }
}

/// Growth of requests in flight over the window, in requests per second; none where it holds fewer than six samples.
fn growth_per_s(trial: &TrialView) -> Option<f64> {
    let (start_s, end_s) = (trial.window.start.as_secs(), trial.window.end.as_secs());
    let inside = trial.samples.iter().filter(|sample| sample.start_s >= start_s && sample.start_s + sample.width_s <= end_s);
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

/// Median latency of the requests scheduled in each quarter of the window, in seconds; none with too few of them, or in a quarter without.
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

/// The last quarter over the first, less 1; 0 where some quarter lies below the one before it.
fn trend(medians: [f64; 4]) -> f64 {
    let falls = medians.windows(2).any(|pair| pair[1] < pair[0]);
    if falls || medians[0] <= 0.0 { 0.0 } else { medians[3] / medians[0] - 1.0 }
}

/// The median of a block; where it was cut off, the age it had reached.
fn latency_of(block: &BlockPoint) -> Option<f64> {
    match block.e2e_p50_s? {
        Known::At(latency_s) | Known::Above { above: latency_s } | Known::Below { below: latency_s } => Some(latency_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(sign: Sign, raised: bool) -> Reading {
        Reading { sign, value: 0.5, limit: if raised { 0.1 } else { 0.9 }, raised }
    }

    #[test]
    fn saturation_is_a_deficit_with_a_growing_backlog_and_latency_or_with_losses() {
        use Sign::{Backlog, Deficit, Little, Lost, Trend};
        for (raised, others, expected) in [
            (vec![], vec![Deficit, Backlog, Little, Trend, Lost], Stability::Stable),
            (vec![Deficit, Backlog, Trend], vec![Little, Lost], Stability::Saturated),
            (vec![Deficit, Lost], vec![Backlog, Trend], Stability::Saturated),
            (vec![Deficit, Backlog], vec![Trend], Stability::Strained),
            (vec![Deficit, Trend], vec![], Stability::Saturated),
            (vec![Deficit], vec![], Stability::Strained),
            (vec![Deficit], vec![Backlog], Stability::Strained),
            (vec![Little], vec![Deficit], Stability::Strained),
            (vec![Lost], vec![Deficit], Stability::Strained),
        ] {
            let readings: Vec<Reading> =
                raised.iter().map(|sign| reading(*sign, true)).chain(others.iter().map(|sign| reading(*sign, false))).collect();
            assert_eq!(stability_of(&readings), expected, "{raised:?} against {others:?}");
        }
    }
}
