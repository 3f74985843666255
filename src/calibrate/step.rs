//! Owns `Step`: the measurements of calibration at one rate.

use std::time::Duration;

use serde::Serialize;

/// A rate counts as kept only if its send lag p99 is below this.
pub(crate) const MOST_SEND_LAG: Duration = Duration::from_millis(5);

/// Two quantiles, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
}

impl Spread {
    /// The quantiles of `values` by rank; `None` when `values` is empty.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let rank = |share: f64| values.get(((values.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied();
        Some(Self { p50: rank(0.5)?, p99: rank(0.99)? })
    }
}

/// The tool's error at one rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Requests per second, Poisson.
    pub rate_per_s: f64,
    /// Requests planned.
    pub planned: u64,
    /// Requests completed.
    pub completed: u64,
    /// Send lag: sent − scheduled, in seconds.
    pub send_lag_s: Option<Spread>,
    /// Wake lag: our read of the first token − the kernel's stamp, in seconds; absent if the kernel does not stamp.
    pub wake_lag_s: Option<Spread>,
    /// Client's time to first token (from its send) − server's (from the request's arrival), in seconds.
    pub added_ttft_s: Option<Spread>,
    /// |client's mean gap between tokens − server's| for each request, in seconds.
    pub itl_error_s: Option<Spread>,
    /// CPU time of the sending threads for each request with its events, in microseconds.
    pub cpu_us_per_request: Option<f64>,
    /// Whether the rate was kept: every request completed, p99 send lag below 5 ms.
    pub kept: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_ranks() {
        assert_eq!(Spread::of((1..=200).rev().map(f64::from).collect()), Some(Spread { p50: 100.0, p99: 198.0 }));
        assert_eq!(Spread::of(vec![3.0]), Some(Spread { p50: 3.0, p99: 3.0 }));
        assert_eq!(Spread::of(vec![]), None);
    }
}
