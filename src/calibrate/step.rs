//! Owns `Step`: what calibration measured at one rate.

use std::time::Duration;

use serde::Serialize;

/// Send lag that a rate may show at p99 and still count as kept.
pub const MOST_SEND_LAG: Duration = Duration::from_millis(5);

/// Two quantiles, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
}

impl Spread {
    /// The quantiles of `values` by rank; none of none.
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let rank = |share: f64| values.get(((values.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied();
        Some(Self { p50: rank(0.5)?, p99: rank(0.99)? })
    }
}

/// The error at one rate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Requests per second, Poisson.
    pub rate_per_s: f64,
    /// Requests planned.
    pub planned: u64,
    /// Of these, completed.
    pub completed: u64,
    /// Sent − scheduled.
    pub send_lag_s: Option<Spread>,
    /// The client's time to first token from its send − the server's from the request's arrival.
    pub added_ttft_s: Option<Spread>,
    /// |the client's mean gap between tokens − the server's|, request by request.
    pub itl_error_s: Option<Spread>,
    /// CPU of the sending threads for each request with its events, in microseconds.
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
