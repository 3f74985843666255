//! Owns the rate at which an overloaded service completes requests, with its uncertainty.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::figures::TrialView;
use crate::metrics::{LoadFacts, Metric};

/// Largest and least number of batches of the window from which the uncertainty is estimated. The number is small,
/// so that each batch is long compared with the bursts in which requests complete.
const MOST_BATCHES: usize = 8;
const LEAST_BATCHES: usize = 4;

/// Completions per second with the 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CompletionRate {
    /// The estimate, in requests per second.
    pub per_s: f64,
    /// The 95 % confidence interval, in requests per second.
    pub interval95_per_s: [f64; 2],
}

impl CompletionRate {
    fn within(per_s: f64, relative: f64) -> Self {
        Self { per_s, interval95_per_s: [(per_s * (1.0 - relative)).max(0.0), per_s * (1.0 + relative)] }
    }

    /// The rate in another unit, of which each has `requests` requests.
    pub(super) fn divided_by(self, requests: f64) -> Self {
        let Self { per_s, interval95_per_s } = self;
        Self { per_s: per_s / requests, interval95_per_s: interval95_per_s.map(|end| end / requests) }
    }

    /// A rate estimated from a Poisson count.
    fn of_count(per_s: f64, count: f64) -> Self {
        Self::within(per_s, 1.96 / libm::sqrt(count.max(1.0)))
    }
}

/// The rate at which `trial` completed requests inside its window.
///
/// If tokens are known, the rate is output tokens per second ÷ mean output tokens of a completed request. Requests
/// that start in waves complete in waves, and a window holds few waves; tokens flow evenly. Otherwise the rate is
/// completions ÷ window.
///
/// For a closed loop there is a second estimate: its completions from its start to its last response ÷ that time.
/// If it exceeds the upper end of the window's interval, the window was shorter than the responses, and the second
/// estimate is returned.
///
/// The interval comes from batch means over up to 8 stretches of the window (Student's t). If tokens are counted,
/// the interval of the mean output tokens is added: with varying lengths a window holds more or fewer requests for
/// the same tokens. With fewer than 4 seconds of samples the interval is that of a Poisson count. `None` if nothing
/// completed.
#[must_use]
pub fn completion_rate(trial: &TrialView) -> Option<CompletionRate> {
    let whole = trial.load.concurrency.filter(|_| trial.drain_end_s > 0.0).map(|_| {
        let completed = trial.run_totals.completed as f64;
        CompletionRate::of_count(completed / trial.drain_end_s, completed)
    });
    let window = in_window(trial);
    match (whole.filter(|rate| rate.per_s > 0.0), window) {
        (Some(whole), Some(window)) if whole.per_s <= window.interval95_per_s[1] => Some(window),
        (whole, window) => whole.or(window),
    }
}

/// Requests for each arrival of a load: the mean number of turns of its sessions, or 1.
pub(super) fn requests_each(load: &LoadFacts) -> f64 {
    load.sessions.map_or(1.0, |turns| turns.turns_mean)
}

/// The rate at which `trial` completed requests, from its window alone.
pub(super) fn in_window(trial: &TrialView) -> Option<CompletionRate> {
    let completed_per_s = trial.throughput.requests_per_s.filter(|per_s| *per_s > 0.0)?;
    let tokens = trial.metrics.get(&Metric::OutputTokens).map(|row| &row.completed_only);
    let mean = tokens.and_then(|tokens| tokens.mean).filter(|mean| *mean > 0.0);
    let by_tokens =
        trial.throughput.output_tokens_per_s.zip(mean).map(|(per_s, mean)| per_s / mean).filter(|per_s| *per_s > 0.0);
    let per_s = by_tokens.unwrap_or(completed_per_s);
    let lengths =
        tokens.filter(|_| by_tokens.is_some()).and_then(|tokens| mean_error(tokens.std?, tokens.mean?, tokens.count));
    Some(
        match relative_error(trial, by_tokens.is_some()).map(|relative| libm::hypot(relative, lengths.unwrap_or(0.0))) {
            Some(relative) => CompletionRate::within(per_s, relative),
            None => CompletionRate::of_count(per_s, completed_per_s * trial.window.length_s()),
        },
    )
}

/// Half the 95 % confidence interval of the mean of `count` independent values, divided by the mean.
fn mean_error(std: f64, mean: f64, count: u64) -> Option<f64> {
    let student =
        StudentsT::new(0.0, 1.0, count.checked_sub(1).filter(|degrees| *degrees > 0)? as f64).ok()?.inverse_cdf(0.975);
    (mean > 0.0).then(|| student * std / libm::sqrt(count as f64) / mean)
}

/// Half the 95 % confidence interval of the rate, divided by the rate, from batch means.
fn relative_error(trial: &TrialView, by_tokens: bool) -> Option<f64> {
    let (start_s, end_s) = (trial.window.start.as_secs(), trial.window.end.as_secs());
    let inside =
        trial.samples.iter().filter(|sample| sample.start_s >= start_s && sample.start_s + sample.width_s <= end_s);
    let amounts: Vec<f64> =
        inside.map(|sample| if by_tokens { sample.output_tokens } else { sample.completed as f64 }).collect();
    let batches = amounts.len().min(MOST_BATCHES);
    if batches < LEAST_BATCHES {
        return None;
    }
    let each = amounts.len() / batches;
    let means: Vec<f64> =
        amounts.chunks_exact(each).take(batches).map(|part| part.iter().sum::<f64>() / each as f64).collect();
    let count = means.len() as f64;
    let mean = means.iter().sum::<f64>() / count;
    let variance = means.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count - 1.0);
    let student = StudentsT::new(0.0, 1.0, count - 1.0).ok()?.inverse_cdf(0.975);
    (mean > 0.0).then(|| student * libm::sqrt(variance / count) / mean)
}

/// Requests per second when one request at a time is sent: 1 ÷ mean end-to-end latency of the completed requests of
/// a synchronous trial. This does not depend on how many requests fit into the window.
#[must_use]
pub fn unloaded_per_s(trial: &TrialView) -> Option<f64> {
    mean_e2e_s(trial).map(|mean_s| 1.0 / mean_s)
}

/// Squared coefficient of variation of the end-to-end latency of completed requests.
pub(super) fn cv2_of(trial: &TrialView) -> Option<f64> {
    let stats = &trial.metrics.get(&Metric::E2e)?.completed_only;
    let (mean, deviation) = (stats.mean.filter(|mean| *mean > 0.0)?, stats.std?);
    Some(deviation * deviation / (mean * mean))
}

/// Mean end-to-end latency of completed requests in seconds.
pub(crate) fn mean_e2e_s(trial: &TrialView) -> Option<f64> {
    trial.metrics.get(&Metric::E2e).and_then(|row| row.completed_only.mean).filter(|mean_s| *mean_s > 0.0)
}
