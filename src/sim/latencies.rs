//! Owns `Latencies`: histograms of an engine's latencies, with vLLM's bucket bounds.

use std::time::Duration;

/// Upper bucket bounds in seconds, as in vLLM.
const TTFT_S: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
];
const PER_TOKEN_S: &[f64] =
    &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0];
const E2E_S: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
];

/// A histogram under construction; the exposition makes it cumulative.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    pub(super) bounds_s: &'static [f64],
    /// One count for each bound, and one for values above all bounds.
    pub(super) counts: Vec<u64>,
    pub(super) sum_s: f64,
}

impl Tally {
    fn new(bounds_s: &'static [f64]) -> Self {
        Self { bounds_s, counts: vec![0; bounds_s.len() + 1], sum_s: 0.0 }
    }

    fn add(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.counts[self.bounds_s.partition_point(|bound| *bound < seconds)] += 1;
        self.sum_s += seconds;
    }
}

/// Latencies of an engine's requests, counted from their arrival on the engine's own clock.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    pub(super) first_token: Tally,
    pub(super) between_tokens: Tally,
    pub(super) whole: Tally,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { first_token: Tally::new(TTFT_S), between_tokens: Tally::new(PER_TOKEN_S), whole: Tally::new(E2E_S) }
    }
}

impl Latencies {
    pub(super) fn first_token(&mut self, after: Duration) {
        self.first_token.add(after);
    }

    pub(super) fn next_token(&mut self, after: Duration) {
        self.between_tokens.add(after);
    }

    pub(super) fn end(&mut self, after: Duration) {
        self.whole.add(after);
    }
}
