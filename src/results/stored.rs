//! Owns what a comparison takes from a stored trial: values with their intervals, the load in words, and when two loads
//! or lengths are alike.

use crate::figures::{StatsView, TrialView};
use crate::metrics::{Known, Measure, OriginOf, Summary};
use crate::units::per_second;

/// Loads at least this alike are taken as equal: a share of the rate.
const SAME_RATE: f64 = 0.005;
/// Mean lengths that differ by more than this share of the first are said to differ.
const SAME_LENGTH: f64 = 0.01;

/// Whether two rates, or two numbers in flight, are alike; also if both are absent.
pub(super) fn alike(mine: Option<f64>, theirs: Option<f64>) -> bool {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => libm::fabs(mine - theirs) <= SAME_RATE * mine,
        (None, None) => true,
        _ => false,
    }
}

/// The first pair of mean lengths that differ by more than [`SAME_LENGTH`]. A pair with an unknown length does not
/// count.
pub(super) fn unlike_lengths(mut pairs: impl Iterator<Item = [Option<f64>; 2]>) -> Option<[f64; 2]> {
    pairs.find_map(|pair| match pair {
        [Some(mine), Some(theirs)] if libm::fabs(mine - theirs) > SAME_LENGTH * mine => Some([mine, theirs]),
        _ => None,
    })
}

/// The value of `measure` in a trial, and its stored interval. A quantile that is not stored needs `folded`.
pub(super) fn value_of(
    view: &TrialView,
    folded: Option<&Summary>,
    measure: Measure,
) -> (Option<Known>, Option<[f64; 2]>) {
    let value = match measure {
        Measure::Quantile(quantile, metric) => {
            let stats = view.metrics.get(&metric).map(crate::figures::MetricView::headline);
            if let Some(stored) = stats.and_then(|stats| stored_quantile(stats, quantile.share())) {
                return stored;
            }
            folded.and_then(|summary| summary.distribution(metric, OriginOf::Scheduled).at_share(quantile.share()))
        }
        Measure::OutputTokensPerS => view.throughput.output_tokens_per_s.filter(|rate| *rate > 0.0).map(Known::At),
        Measure::RequestsPerS => view.throughput.requests_per_s.map(Known::At),
        Measure::Goodput => view.slo.goodput_per_s.filter(|_| !view.slo.objectives.is_empty()).map(Known::At),
        Measure::ErrorRate => (view.requests.planned > 0).then(|| {
            let counts = &view.requests;
            let errors = counts.failed + counts.timed_out + counts.shed + counts.abandoned;
            Known::At(errors as f64 / counts.planned as f64)
        }),
    };
    (value, None)
}

/// A stored quantile and its stored interval; `None` where the result does not hold this quantile.
pub(super) fn stored_quantile(stats: &StatsView, share: f64) -> Option<(Option<Known>, Option<[f64; 2]>)> {
    let known = [
        (0.5, stats.p50, stats.p50_ci95),
        (0.75, stats.p75, None),
        (0.9, stats.p90, stats.p90_ci95),
        (0.95, stats.p95, None),
        (0.99, stats.p99, stats.p99_ci95),
        (0.999, stats.p999, None),
    ];
    known.into_iter().find(|(of, ..)| libm::fabs(of - share) < 1e-9).map(|(_, value, interval)| (value, interval))
}

/// The load in a few words.
pub(super) fn load_name(view: &TrialView) -> String {
    let load = &view.load;
    if let Some(trace) = &load.trace {
        return format!("replay of {}", trace.file);
    }
    if let Some(profile) = &load.profile {
        return profile.clone();
    }
    match (load.concurrency, load.rate_per_s) {
        (Some(in_flight), _) => format!("closed loop of {in_flight}"),
        (None, Some(rate)) => format!("{} {}", load.process.as_deref().unwrap_or("arrivals"), per_second(rate)),
        (None, None) => view.label.clone(),
    }
}
