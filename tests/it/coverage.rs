//! Owns the coverage tests of printed intervals: over published seeds, the 95 % intervals of p90 and p99 cover the
//! closed form of the queue.

use std::sync::Arc;
use std::time::Duration;

use tonnage::metrics::{Metric, Objectives};
use tonnage::play::{Play, Segment, StopRule};
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;
use tonnage::units::Rate;
use tonnage::workload::{LengthSpec, Load, Plan, Workload};

use crate::queues::{MdC, mm1_sojourn_tail, mmc_sojourn_tail, quantile_s};

/// A queue with mean service 100 ms.
#[derive(Debug, Clone, Copy)]
enum Queue {
    Mm1,
    Md2,
    Mm4,
}

impl Queue {
    const ALL: [Self; 3] = [Self::Mm1, Self::Md2, Self::Mm4];

    fn servers(self) -> u32 {
        match self {
            Self::Mm1 => 1,
            Self::Md2 => 2,
            Self::Mm4 => 4,
        }
    }

    fn profile(self) -> String {
        let kind = if matches!(self, Self::Md2) { "mdc" } else { "mmc" };
        format!("{kind}:servers={},service=100ms", self.servers())
    }

    fn per_s(self, load: f64) -> f64 {
        load * 10.0 * f64::from(self.servers())
    }

    fn truth_s(self, load: f64, share: f64) -> f64 {
        let per_s = self.per_s(load);
        match self {
            Self::Mm1 => quantile_s(|t| mm1_sojourn_tail(per_s, 10.0, t), share, 100.0),
            Self::Mm4 => quantile_s(|t| mmc_sojourn_tail(4, per_s, 10.0, t), share, 100.0),
            Self::Md2 => {
                let queue = MdC::new(2, per_s, 0.1);
                quantile_s(|t| queue.sojourn_tail(t), share, 10.0)
            }
        }
    }
}

/// The printed intervals of p90 and p99 of one run of `requests` requests, after a warm-up of a tenth as many.
fn interval(queue: Queue, load: f64, requests: u64, seed: u64) -> [Option<[f64; 2]>; 2] {
    let rate = Rate::new(queue.per_s(load)).unwrap();
    let warmup = Duration::from_secs_f64(requests as f64 / 10.0 / rate.per_s());
    let timeline =
        Timeline::new(Process::Poisson, rate, Extent::Requests(requests), warmup, Duration::ZERO, Seed::new(seed));
    let workload = Workload::new(LengthSpec::fixed(16).unwrap(), LengthSpec::fixed(1).unwrap());
    let plan = Arc::new(Plan::new(Load::Open(timeline), workload, Seed::new(seed), None));
    let segment = Segment { label: String::new(), plan, objectives: Arc::new(Objectives::default()), streamed: true };
    let mut session = VirtualPlayer::new(queue.profile().parse().unwrap(), Seed::new(seed));
    let trial = now(now(session.play(segment, StopRule::Never)).unwrap().settling).unwrap();
    assert_eq!(trial.summary.cohort().planned, requests);
    let view = trial.view();
    let stats = view.metrics[&Metric::E2e].headline();
    [stats.p90_ci95, stats.p99_ci95]
}

/// The output of a future that never waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("virtual time must not wait"),
    }
}

/// For p90 and p99: the runs with a printed interval, and the runs whose interval covers the closed form.
fn score(queue: Queue, load: f64, requests: u64, seeds: std::ops::RangeInclusive<u64>) -> [(u32, u32); 2] {
    let truths_s = [0.9, 0.99].map(|share| queue.truth_s(load, share));
    let mut found = [(0, 0); 2];
    for seed in seeds {
        for ((found, truth_s), interval) in found.iter_mut().zip(truths_s).zip(interval(queue, load, requests, seed)) {
            if let Some([low_s, high_s]) = interval {
                *found = (found.0 + 1, found.1 + u32::from((low_s..=high_s).contains(&truth_s)));
            }
        }
    }
    found
}

#[test]
fn printed_intervals_cover_the_closed_form() {
    // p90 of 10 000 requests always has a printed interval; the interval of p99 may be withheld.
    for queue in Queue::ALL {
        let [p90, p99] = score(queue, 0.7, 10_000, 1..=8);
        assert!(p90.0 == 8 && p90.1 >= 7 && p99.1 + 1 >= p99.0, "{queue:?}: {p90:?} {p99:?}");
    }
}

#[test]
#[ignore = "the full set: cargo test --release --test it coverage -- --ignored --nocapture"]
fn printed_intervals_cover_the_closed_form_over_200_seeds() {
    println!(
        "| queue | load | requests | p90 printed | covering | p99 printed | covering |\n|---|---|---|---|---|---|---|"
    );
    for queue in Queue::ALL {
        for (load, requests) in [(0.3, 20_000), (0.7, 20_000), (0.9, 100_000)] {
            let found = score(queue, load, requests, 1..=200);
            println!(
                "| {queue:?} | {load} | {requests} | {} | {} | {} | {} |",
                found[0].0, found[0].1, found[1].0, found[1].1
            );
            for (printed, covered) in found {
                assert!(f64::from(covered) >= 0.93 * f64::from(printed), "{queue:?} at {load}: {covered} of {printed}");
            }
        }
    }
}
