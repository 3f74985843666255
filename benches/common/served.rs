//! Owns the engine cells of the coverage table, and their truth: the highest rate that meets both limits, from runs
//! of 10⁷ requests.
#![allow(dead_code, reason = "each mode of the bench uses its part")]

use std::time::Duration;

use tonnage::metrics::Objectives;
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::search::maximum::Aim;
use tonnage::search::step::{Answer, History};
use tonnage::seed::Seed;
use tonnage::sim::engine::{Engine, Request, Setup, Token};
use tonnage::sim::{ServiceProfile, VirtualPlayer};
use tonnage::units::{Offset, Rate};
use tonnage::workload::{Load, Plan, Workload};

use super::long::crossing;
use super::play::{Asked, answer_of};

/// Share of requests that may exceed each limit.
pub(crate) const ALLOWED: f64 = 0.01;

/// An engine, its load and objectives, and the highest Poisson rate at which p99 TTFT and p99 TPOT both hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    pub(crate) name: &'static str,
    pub(crate) profile: &'static str,
    pub(crate) input_tokens: &'static str,
    pub(crate) output_tokens: &'static str,
    /// The limit of p99 TTFT from the scheduled instant, in seconds.
    pub(crate) ttft_s: f64,
    /// The limit of p99 TPOT (mean time between tokens), in seconds.
    pub(crate) tpot_s: f64,
    /// The truth, in requests per second, from `cargo bench --bench coverage -- truths`.
    pub(crate) truth: f64,
    /// Half width of the truth's 95 % interval, relative.
    pub(crate) truth_error: f64,
    /// Completions per second under overload.
    pub(crate) capacity: f64,
    /// Whether constants of the step were tuned on it.
    pub(crate) tuned_on: bool,
}

/// The engine cells.
pub(crate) const SERVED: &[Served] = &[
    Served {
        name: "8B chat",
        profile: "8b-h100",
        input_tokens: "64..192",
        output_tokens: "32..96",
        ttft_s: 0.1,
        tpot_s: 0.02,
        truth: 90.643,
        truth_error: 0.0016,
        capacity: 126.79,
        tuned_on: true,
    },
    Served {
        name: "8B long",
        profile: "8b-h100",
        input_tokens: "4096..12288",
        output_tokens: "64..192",
        ttft_s: 2.0,
        tpot_s: 0.1,
        truth: 1.9209,
        truth_error: 0.0020,
        capacity: 2.5786,
        tuned_on: true,
    },
    Served {
        name: "70B chat",
        profile: "70b-4xh100",
        input_tokens: "64..192",
        output_tokens: "32..96",
        ttft_s: 0.2,
        tpot_s: 0.05,
        truth: 37.969,
        truth_error: 0.0016,
        capacity: 51.574,
        tuned_on: false,
    },
    Served {
        name: "70B long",
        profile: "70b-4xh100",
        input_tokens: "4096..12288",
        output_tokens: "64..192",
        ttft_s: 4.0,
        tpot_s: 0.3,
        truth: 0.7250,
        truth_error: 0.0022,
        capacity: 1.1315,
        tuned_on: false,
    },
];

/// Batches for the standard error of a share (batch means).
const BATCHES: usize = 40;

/// Shares of requests above each limit (TTFT, TPOT), and their standard errors by batch means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    pub(crate) share: [f64; 2],
    pub(crate) error: [f64; 2],
}

/// A request in the engine.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    number: u64,
    scheduled: Offset,
    first: Offset,
}

impl Served {
    fn setup(&self) -> Setup {
        self.profile.parse::<ServiceProfile>().ok().and_then(|profile| profile.setup()).expect("an engine")
    }

    pub(crate) fn workload(&self) -> Workload {
        Workload::new(self.input_tokens.parse().expect("lengths"), self.output_tokens.parse().expect("lengths"))
    }

    fn plan(&self, rate_per_s: f64, requests: u64, seed: Seed) -> Plan {
        let rate = Rate::new(rate_per_s).expect("a rate");
        let timeline =
            Timeline::new(Process::Poisson, rate, Extent::Requests(requests), Duration::ZERO, Duration::ZERO, seed);
        Plan::new(Load::Open(timeline), self.workload(), seed, None)
    }

    /// Plain bisection between 0 and the capacity: each of `probes` starts with an empty engine and sends `requests`.
    /// Returns the middle of the last bracket.
    pub(crate) fn bisection(&self, probes: u64, requests: u64, seed: Seed) -> f64 {
        let (mut low, mut high) = (0.0, self.capacity);
        for probe in 0..probes {
            let rate = f64::midpoint(low, high);
            let found = self.run(rate, 0, requests, seed.derived(&format!("bisection/{probe}")));
            if found.share.iter().all(|share| *share <= ALLOWED) { low = rate } else { high = rate }
        }
        f64::midpoint(low, high)
    }

    /// A run of `requests` after a warm-up of a tenth as many.
    pub(crate) fn long_run(&self, rate_per_s: f64, requests: u64, seed: Seed) -> Shares {
        self.run(rate_per_s, requests / 10, requests, seed)
    }

    /// A run of `requests` after a warm-up of `discarded`, directly on the engine: no record, no summary, no part of
    /// the search.
    fn run(&self, rate_per_s: f64, discarded: u64, requests: u64, seed: Seed) -> Shares {
        let plan = self.plan(rate_per_s, discarded + requests, seed);
        let (mut engine, mut open, mut free) = (Engine::new(self.setup()), Vec::<Open>::new(), Vec::<usize>::new());
        let mut misses = [[0u64; 2]; BATCHES];
        let mut ended = Vec::new();
        let mut step = |engine: &mut Engine, open: &mut Vec<Open>, free: &mut Vec<usize>| {
            engine.advance(|at, token: Token| {
                let place = token.tag as usize;
                if token.number == 1 {
                    open[place].first = at;
                }
                if token.last {
                    ended.push((at, place, token.number));
                }
            });
            for (at, place, tokens) in ended.drain(..) {
                let Open { number, scheduled, first } = open[place];
                free.push(place);
                if let Some(counted) = number.checked_sub(discarded) {
                    let batch = &mut misses[(counted * BATCHES as u64 / requests) as usize];
                    batch[0] += u64::from(first.secs_since(scheduled) > self.ttft_s);
                    batch[1] += u64::from(at.secs_since(first) > self.tpot_s * f64::from(tokens - 1));
                }
            }
        };
        for arrival in plan.arrivals() {
            while engine.next_event().is_some_and(|event| event < arrival.at) {
                step(&mut engine, &mut open, &mut free);
            }
            let outline = plan.outline(arrival.index);
            let place = free.pop().unwrap_or_else(|| {
                open.push(Open::default());
                open.len() - 1
            });
            open[place] = Open { number: arrival.index, scheduled: arrival.at, first: arrival.at };
            engine
                .arrive(arrival.at, Request::unique(place as u64, outline.input_tokens, outline.output_tokens))
                .expect("it fits");
        }
        while engine.next_event().is_some() {
            step(&mut engine, &mut open, &mut free);
        }
        let each = requests as f64 / BATCHES as f64;
        let of = |limit: usize| -> (f64, f64) {
            let shares = misses.map(|batch| batch[limit] as f64 / each);
            let mean = shares.iter().sum::<f64>() / BATCHES as f64;
            let variance =
                shares.iter().map(|share| (share - mean) * (share - mean)).sum::<f64>() / (BATCHES - 1) as f64;
            (mean, libm::sqrt(variance / BATCHES as f64))
        };
        let ((ttft, ttft_error), (tpot, tpot_error)) = (of(0), of(1));
        Shares { share: [ttft, tpot], error: [ttft_error, tpot_error] }
    }

    /// Completions per second over the middle half of `requests` that are all in the engine from the start.
    pub(crate) fn saturated_per_s(&self, requests: u64) -> f64 {
        let plan = self.plan(1e5, requests, Seed::new(1));
        let mut engine = Engine::new(self.setup());
        for number in 0..requests {
            let outline = plan.outline(number);
            engine
                .arrive(Offset::ZERO, Request::unique(number, outline.input_tokens, outline.output_tokens))
                .expect("it fits");
        }
        let mut ends = Vec::new();
        while engine.next_event().is_some() {
            engine.advance(|at, token| {
                if token.last {
                    ends.push(at);
                }
            });
        }
        let (from, until) = (ends.len() / 4, ends.len() * 3 / 4);
        (until - from) as f64 / ends[until].secs_since(ends[from])
    }
}

/// Finds the truth of `cell` and reports it line by line. It bisects over short runs, makes three longer runs, and at
/// last five runs of `requests` each close around the estimate. A line in the logarithms is fitted to their shares.
/// It uses no random numbers of the search.
pub(crate) fn truth(cell: &Served, requests: u64, told: impl Fn(String)) {
    let capacity = cell.saturated_per_s(10_000);
    let misses = |shares: &Shares| shares.share[0].max(shares.share[1]);
    let (mut low, mut high) = (0.1 * capacity, 1.1 * capacity);
    for round in 0..8 {
        let middle = f64::midpoint(low, high);
        let found = cell.long_run(middle, requests / 40, Seed::new(1_000 + round));
        if misses(&found) > ALLOWED { high = middle } else { low = middle }
    }
    let mut centre = f64::midpoint(low, high);
    let mut half = 0.03;
    for (stage, factors) in [[-1.0, 0.0, 1.0].as_slice(), &[-1.0, -0.5, 0.0, 0.5, 1.0]].into_iter().enumerate() {
        let each = if stage == 0 { requests / 6 } else { requests };
        let mut found = Vec::new();
        for (place, factor) in factors.iter().enumerate() {
            let rate = centre * libm::exp(half * factor);
            let shares = cell.long_run(rate, each, Seed::new(2_000 + 100 * stage as u64 + place as u64));
            told(format!(
                "{:10} {rate:9.4}/s: TTFT {:.4} % ± {:.4} %, TPOT {:.4} % ± {:.4} %  ({each} requests)",
                cell.name,
                100.0 * shares.share[0],
                196.0 * shares.error[0],
                100.0 * shares.share[1],
                196.0 * shares.error[1]
            ));
            found.push((libm::log(rate), shares));
        }
        let answers = [0, 1].map(|limit| {
            let points: Vec<_> = found
                .iter()
                .map(|(rate, shares)| (*rate, shares.share[limit], shares.error[limit]))
                .filter(|point| point.1 > 0.0)
                .collect();
            if points.len() < 3 { (f64::INFINITY, 0.0, 1.0) } else { crossing(&points, ALLOWED) }
        });
        let (limit, (rate, error, slope)) =
            answers.into_iter().enumerate().min_by(|one, other| one.1.0.total_cmp(&other.1.0)).expect("two limits");
        told(format!(
            "{:10} R* {rate:.4}/s ± {:.2} % by {} (beta {slope:.1}; the other limit at {:.4}/s), C {capacity:.4}/s, \
             R*/C {:.3}",
            cell.name,
            196.0 * error,
            ["TTFT", "TPOT"][limit],
            answers[1 - limit].0,
            rate / capacity
        ));
        // From half to twice the allowed share, where the curve is straight enough.
        (centre, half) = (rate, (0.5 / slope).clamp(0.002, 0.03));
    }
}

impl Served {
    pub(crate) fn slo(&self) -> String {
        format!("p99 ttft<={}ms, p99 tpot<={}ms", 1e3 * self.ttft_s, 1e3 * self.tpot_s)
    }

    /// The aim of the search over it.
    pub(crate) fn aim(&self, precision: f64) -> Aim {
        let objectives = Objectives::parse(&[self.slo()], None, None).expect("objectives");
        Aim::new(&objectives, precision).expect("an aim")
    }

    /// The question and load for the driver.
    pub(crate) fn asked<'a>(&'a self, slo: &'a str, precision: f64) -> Asked<'a> {
        Asked { slo, process: "poisson", tokens: (self.input_tokens, self.output_tokens), workload: None, precision }
    }

    /// A whole search over the simulated engine in virtual time, with the driver of live searches; returns the answer
    /// and the history.
    pub(crate) fn search(&self, precision: f64, seed: Seed) -> (Answer, History) {
        let mut session = VirtualPlayer::new(self.profile.parse().expect("a profile"), seed);
        let (conclusion, history) = self.asked(&self.slo(), precision).search(&mut session, seed);
        (answer_of(conclusion).unwrap_or_else(|| panic!("{} {seed}: no answer", self.name)), history)
    }
}
