//! Owns `Sample`, the counts of one second of a run (more in long runs), for the charts.

use serde::{Deserialize, Serialize};

use crate::metrics::series::{Absorb, Series};

/// Count, sum and maximum of a latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Latency {
    count: u64,
    sum_ns: u128,
    max_ns: u64,
}

impl Latency {
    pub(super) fn add(&mut self, ns: u64) {
        self.count += 1;
        self.sum_ns += u128::from(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    fn mean_s(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_ns as f64 / self.count as f64 / 1e9)
    }
}

/// The sums of one slot. The requests in flight follow from sums of instants, which merge by addition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) scheduled: u64,
    pub(super) sent: u64,
    pub(super) completed: u64,
    pub(super) missed: u64,
    pub(super) output_microtokens: u128,
    pub(super) entered: u64,
    pub(super) entered_ns: u128,
    pub(super) left: u64,
    pub(super) left_ns: u128,
    pub(super) ttft: Latency,
    pub(super) e2e: Latency,
    #[serde(default)]
    pub(super) send_lag: Latency,
    /// By objective: the requests of the cohort scheduled in the slot that met it, and those that missed it.
    #[serde(default)]
    reached: Vec<[u64; 2]>,
}

impl Sample {
    /// Counts a request that met objective number `place`, or missed it.
    pub(super) fn reach(&mut self, place: usize, met: bool) {
        if self.reached.len() <= place {
            self.reached.resize(place + 1, [0; 2]);
        }
        self.reached[place][usize::from(!met)] += 1;
    }

    /// The requests that met objective number `place`, and those that missed it.
    pub(super) fn towards(&self, place: usize) -> [u64; 2] {
        self.reached.get(place).copied().unwrap_or_default()
    }
}

impl Absorb for Sample {
    fn absorb(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.completed += other.completed;
        self.missed += other.missed;
        self.output_microtokens += other.output_microtokens;
        self.entered += other.entered;
        self.entered_ns += other.entered_ns;
        self.left += other.left;
        self.left_ns += other.left_ns;
        self.ttft.merge(&other.ttft);
        self.e2e.merge(&other.e2e);
        self.send_lag.merge(&other.send_lag);
        if self.reached.len() < other.reached.len() {
            self.reached.resize(other.reached.len(), [0; 2]);
        }
        for (mine, theirs) in self.reached.iter_mut().zip(&other.reached) {
            *mine = [mine[0] + theirs[0], mine[1] + theirs[1]];
        }
    }
}

/// One point of the charts, over [start, start + width).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SamplePoint {
    /// Where the slot starts, in seconds from the run's origin.
    pub start_s: f64,
    /// Length of the slot, in seconds.
    pub width_s: f64,
    /// Requests scheduled in the slot.
    pub scheduled: u64,
    /// Requests of which the send began in the slot.
    pub sent: u64,
    /// Requests that completed in the slot.
    pub completed: u64,
    /// Requests that failed, timed out or were shed in the slot.
    pub missed: u64,
    /// Output tokens that arrived in the slot.
    pub output_tokens: f64,
    /// Mean number of requests in flight over the slot.
    pub in_flight: f64,
    /// Mean time to first token of the requests scheduled in the slot, in seconds.
    pub ttft_mean_s: Option<f64>,
    /// Largest time to first token of the requests scheduled in the slot, in seconds.
    pub ttft_max_s: Option<f64>,
    /// Mean end-to-end latency of the requests scheduled in the slot, in seconds.
    pub e2e_mean_s: Option<f64>,
    /// Largest end-to-end latency of the requests scheduled in the slot, in seconds.
    pub e2e_max_s: Option<f64>,
    /// Mean send lag of the requests scheduled in the slot, in seconds; absent in a result of an older version.
    #[serde(default)]
    pub send_lag_mean_s: Option<f64>,
    /// Largest send lag of the requests scheduled in the slot, in seconds.
    #[serde(default)]
    pub send_lag_max_s: Option<f64>,
}

/// The points of a series of samples.
pub(super) fn points(samples: &Series<Sample>) -> Vec<SamplePoint> {
    let width_ns = u128::from(samples.width_ns());
    let width_s = samples.width_ns() as f64 / 1e9;
    let mut open = 0u128;
    let point = |(place, sample): (usize, &Sample)| {
        let end_ns = (place as u128 + 1) * width_ns;
        // Each request that entered counts until the slot's end, unless it left.
        let entered = u128::from(sample.entered) * end_ns - sample.entered_ns;
        let left = u128::from(sample.left) * end_ns - sample.left_ns;
        let in_flight_ns = (open * width_ns + entered).saturating_sub(left);
        open = (open + u128::from(sample.entered)).saturating_sub(u128::from(sample.left));
        let largest = |latency: &Latency| (latency.count > 0).then(|| latency.max_ns as f64 / 1e9);
        SamplePoint {
            start_s: place as f64 * width_s,
            width_s,
            scheduled: sample.scheduled,
            sent: sample.sent,
            completed: sample.completed,
            missed: sample.missed,
            output_tokens: sample.output_microtokens as f64 / 1e6,
            in_flight: in_flight_ns as f64 / width_ns as f64,
            ttft_mean_s: sample.ttft.mean_s(),
            ttft_max_s: largest(&sample.ttft),
            e2e_mean_s: sample.e2e.mean_s(),
            e2e_max_s: largest(&sample.e2e),
            send_lag_mean_s: sample.send_lag.mean_s(),
            send_lag_max_s: largest(&sample.send_lag),
        }
    };
    samples.slots().iter().enumerate().map(point).collect()
}
