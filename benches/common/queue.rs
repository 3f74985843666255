//! Owns queues in virtual time with a closed-form answer, and searches over them.
#![allow(dead_code, reason = "the bench and the test each use their part")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use tonnage::schedule::{Extent, Process, Timeline};
use tonnage::search::step::{Answer, Budget, Demand, History, Question};
use tonnage::seed::Seed;
use tonnage::sim::{Call, Law, Reply, Servers, Service as Served, Shared, VirtualPlayer};
use tonnage::units::{Offset, Rate};

use super::play::{Asked, answer_of};

/// The arrival process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrivals {
    Even,
    Poisson,
    /// Gamma gaps of CV 2: shape 1/4.
    GammaCv2,
}

/// The law of the service time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Service {
    Exponential,
    Constant,
}

/// The service discipline.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Discipline {
    /// First come, first served by this many servers.
    Fifo(usize),
    /// Processor sharing by one server.
    Shared,
}

/// A service, its objectives, and the highest rate that meets them.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) arrivals: Arrivals,
    pub(crate) service: Service,
    pub(crate) discipline: Discipline,
    /// Mean service time.
    pub(crate) mean_s: f64,
    /// (share allowed to exceed, sojourn time).
    pub(crate) limits: Vec<(f64, f64)>,
    pub(crate) truth: f64,
    /// Whether constants of the step were tuned on it.
    pub(crate) tuned_on: bool,
}

fn count(servers: usize) -> NonZeroU32 {
    u32::try_from(servers).ok().and_then(NonZeroU32::new).expect("servers")
}

impl Cell {
    fn new(
        name: &'static str,
        law: (Arrivals, Service, Discipline),
        limits: &[(f64, f64)],
        truth: f64,
        tuned_on: bool,
    ) -> Self {
        let (arrivals, service, discipline) = law;
        Self { name, arrivals, service, discipline, mean_s: 1.0, limits: limits.to_vec(), truth, tuned_on }
    }

    /// The law of the service time.
    fn law(&self) -> Law {
        let mean = Duration::from_secs_f64(self.mean_s);
        match self.service {
            Service::Exponential => Law::exponential(mean),
            Service::Constant => Law::constant(mean),
        }
        .expect("a law")
    }

    /// The idle service.
    pub(crate) fn open(&self, seed: Seed) -> Box<dyn Served> {
        match self.discipline {
            Discipline::Fifo(servers) => Box::new(Servers::new(count(servers), self.law(), seed)),
            Discipline::Shared => Box::new(Shared::new(self.law(), seed)),
        }
    }

    /// The arrival process, in the form of `--process`.
    pub(crate) const fn process(&self) -> &'static str {
        match self.arrivals {
            Arrivals::Even => "even",
            Arrivals::Poisson => "poisson",
            Arrivals::GammaCv2 => "gamma:2",
        }
    }

    /// The objectives, in the form of `--slo`.
    pub(crate) fn slo(&self) -> String {
        let one =
            |(allowed, limit_s): &(f64, f64)| format!("p{} e2e<={limit_s}s", libm::round((1.0 - allowed) * 1e4) / 1e2);
        self.limits.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn capacity(&self) -> f64 {
        match self.discipline {
            Discipline::Fifo(servers) => servers as f64 / self.mean_s,
            Discipline::Shared => 1.0 / self.mean_s,
        }
    }

    /// The same service with each request taking `by` times as long; relative to it, the first limit is shorter, and
    /// the highest rate is lower.
    pub(crate) fn slower(&self, by: f64) -> Self {
        let (allowed, limit) = self.limits[0];
        let rate = match (self.service, self.discipline) {
            (Service::Exponential, Discipline::Fifo(1)) => gim1_rate(self.arrivals, allowed, limit / by),
            (Service::Exponential, Discipline::Fifo(servers)) => mmc_rate(servers as u32, allowed, limit / by),
            (Service::Constant, Discipline::Fifo(1)) => md1_rate(allowed, limit / by),
            other => panic!("no closed form for {other:?}"),
        };
        Self { mean_s: by * self.mean_s, truth: rate / by, ..self.clone() }
    }

    fn arrival_cv2(&self) -> f64 {
        match self.arrivals {
            Arrivals::Even => 0.0,
            Arrivals::Poisson => 1.0,
            Arrivals::GammaCv2 => 4.0,
        }
    }

    pub(crate) fn question(&self, precision: f64, budget: Budget) -> Question {
        let demands = self
            .limits
            .iter()
            .map(|(allowed, limit_s)| Demand::new(*allowed, Some(*limit_s)).expect("a demand"))
            .collect();
        Question::new(demands, precision).expect("a question").arriving(self.arrival_cv2()).within(budget)
    }
}

/// The cells of the coverage table. Mean service 1; each truth has its own closed form.
pub(crate) fn cells() -> Vec<Cell> {
    use Arrivals::{Even, GammaCv2, Poisson};
    use Discipline::{Fifo, Shared};
    use Service::{Constant, Exponential};
    let p99 = |limit: f64| vec![(0.01, limit)];
    let markov = (Poisson, Exponential, Fifo(1));
    vec![
        Cell::new("M/M/1 T=15", markov, &p99(15.0), gim1_rate(Poisson, 0.01, 15.0), true),
        Cell::new("M/M/1 T=46", markov, &p99(46.0), gim1_rate(Poisson, 0.01, 46.0), true),
        Cell::new("M/D/1 T=8", (Poisson, Constant, Fifo(1)), &p99(8.0), md1_rate(0.01, 8.0), true),
        Cell::new("M/M/8 T=7.5", (Poisson, Exponential, Fifo(8)), &p99(7.5), mmc_rate(8, 0.01, 7.5), true),
        Cell::new("M/M/1-PS T=30", (Poisson, Exponential, Shared), &p99(30.0), PS_RATE, true),
        Cell::new("D/M/1 T=20", (Even, Exponential, Fifo(1)), &p99(20.0), gim1_rate(Even, 0.01, 20.0), false),
        Cell::new(
            "G(CV 2)/M/1 T=20",
            (GammaCv2, Exponential, Fifo(1)),
            &p99(20.0),
            gim1_rate(GammaCv2, 0.01, 20.0),
            false,
        ),
        Cell::new("M/M/4 T=7.5", (Poisson, Exponential, Fifo(4)), &p99(7.5), mmc_rate(4, 0.01, 7.5), false),
        Cell::new("M/M/1 p95 T=10", markov, &[(0.05, 10.0)], gim1_rate(Poisson, 0.05, 10.0), false),
        Cell::new("M/M/1 p99 & p90", markov, &[(0.01, 15.0), (0.1, 9.0)], gim1_rate(Poisson, 0.01, 15.0), false),
    ]
}

/// M/M/1-PS, p99 of the sojourn time at most 30 mean services. There is no closed form: four independent bisections
/// with 12 × 3 000 000 requests each give 0.7592 to 0.7599.
pub(crate) const PS_RATE: f64 = 0.759;

/// The rate at which a decreasing `slack` is 0.
fn root(mut low: f64, mut high: f64, slack: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if slack(middle) > 0.0 { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// M/M/1 of mean service 1: the sojourn time is exponential with rate 1 − λ.
pub(crate) fn mm1_rate(allowed: f64, limit: f64) -> f64 {
    1.0 + libm::log(allowed) / limit
}

/// GI/M/1: the sojourn time is exponential with rate 1 − σ, where σ = A*(1 − σ) and A* is the transform of the gaps.
fn gim1_rate(arrivals: Arrivals, allowed: f64, limit: f64) -> f64 {
    let transform = |rate: f64, at: f64| match arrivals {
        Arrivals::Even => libm::exp(-at / rate),
        Arrivals::Poisson => rate / (rate + at),
        Arrivals::GammaCv2 => libm::pow(1.0 + 4.0 * at / rate, -0.25),
    };
    // σ is the smallest root: before it the transform lies above the diagonal.
    let sigma = |rate: f64| root(0.0, 1.0 - 1e-9, |sigma| transform(rate, 1.0 - sigma) - sigma);
    root(1e-3, 1.0 - 1e-6, |rate| limit + libm::log(allowed) / (1.0 - sigma(rate)))
}

/// M/D/1 by Cramér and Lundberg: P(W > t) ≈ (1 − ρ)/(λ e^θ − 1) e^(−θt), λ(e^θ − 1) = θ; the sojourn time is W + 1.
fn md1_rate(allowed: f64, limit: f64) -> f64 {
    let tail = |rate: f64| {
        let theta = root(1e-9, 20.0, |theta| theta - rate * (libm::exp(theta) - 1.0));
        (1.0 - rate) / (rate * libm::exp(theta) - 1.0) * libm::exp(-theta * (limit - 1.0))
    };
    root(0.05, 0.999, |rate| allowed - tail(rate))
}

/// M/M/c: P(sojourn > t) = (1 − C)e^(−t) + C(θe^(−t) − e^(−θt))/(θ − 1), θ = c − λ, C by Erlang.
pub(crate) fn mmc_rate(servers: u32, allowed: f64, limit: f64) -> f64 {
    let tail = |rate: f64| {
        let blocked = (1..=servers).fold(1.0, |blocked, k| rate * blocked / (f64::from(k) + rate * blocked));
        let waits = blocked / (1.0 - rate / f64::from(servers) * (1.0 - blocked));
        let theta = f64::from(servers) - rate;
        (1.0 - waits) * libm::exp(-limit)
            + waits * (theta * libm::exp(-limit) - libm::exp(-theta * limit)) / (theta - 1.0)
    };
    root(0.01, f64::from(servers) * 0.9999, |rate| allowed - tail(rate))
}

/// The result of a search.
pub(crate) struct Searched {
    pub(crate) answer: Answer,
    pub(crate) history: History,
}

/// Runs a whole search over `cell` with the random numbers of `seed`.
pub(crate) fn search(cell: &Cell, question: &Question, seed: Seed) -> Searched {
    played(cell, question, &mut VirtualPlayer::over(cell.open(seed)), seed, |_| ())
}

/// Runs a search over a first-come, first-served queue that in each probe is as slow as `cell_of` the probe's number.
pub(crate) fn search_changing(question: &Question, seed: Seed, cell_of: impl Fn(usize) -> Cell) -> Searched {
    let cell = cell_of(0);
    let Discipline::Fifo(servers) = cell.discipline else { panic!("servers") };
    let mean_s = Arc::new(AtomicU64::new(cell.mean_s.to_bits()));
    let service = Changing {
        unit: Cell { mean_s: 1.0, ..cell.clone() }.law(),
        draws: seed.stream("service").sequence(),
        mean_s: Arc::clone(&mean_s),
        free: std::iter::repeat_n(Reverse(Offset::ZERO), servers).collect(),
    };
    let begins = |probe| mean_s.store(cell_of(probe).mean_s.to_bits(), Ordering::Relaxed);
    played(&cell, question, &mut VirtualPlayer::over(Box::new(service)), seed, begins)
}

fn played(
    cell: &Cell,
    question: &Question,
    session: &mut VirtualPlayer,
    seed: Seed,
    begins: impl FnMut(usize),
) -> Searched {
    let slo = cell.slo();
    let asked = Asked {
        slo: &slo,
        process: cell.process(),
        tokens: ("1", "1"),
        workload: None,
        precision: question.precision(),
    };
    let (conclusion, history) = asked.search_asking(session, seed, question.clone(), begins);
    Searched { answer: answer_of(conclusion).unwrap_or_else(|| panic!("{} {seed}: no answer", cell.name)), history }
}

/// Servers, first come, first served, with a mean service time set from outside.
#[derive(Debug, Clone)]
struct Changing {
    unit: Law,
    draws: ChaCha8Rng,
    /// Bits of the mean service in seconds.
    mean_s: Arc<AtomicU64>,
    free: BinaryHeap<Reverse<Offset>>,
}

impl Served for Changing {
    fn arrive(&mut self, at: Offset, _: Call) -> Option<Reply> {
        let mean_s = f64::from_bits(self.mean_s.load(Ordering::Relaxed));
        let service = Duration::from_nanos(self.unit.draw_ns(&mut self.draws)).mul_f64(mean_s);
        let mut earliest = self.free.peek_mut()?;
        let leaves = earliest.0.max(at).plus(service);
        *earliest = Reverse(leaves);
        Some(Reply::whole(leaves))
    }

    fn fork(&self) -> Box<dyn Served> {
        Box::new(self.clone())
    }
}

/// Plain bisection between 0 and the capacity: each of `probes` starts with an empty queue and sends `requests`.
/// Returns the middle of the last bracket.
pub(crate) fn bisection(cell: &Cell, probes: u32, requests: u32, seed: Seed) -> f64 {
    let (mut low, mut high) = (0.0, cell.capacity());
    let process: Process = cell.process().parse().expect("a process");
    for probe in 0..probes {
        let rate = f64::midpoint(low, high);
        let own = seed.derived(&format!("bisection/{probe}"));
        let extent = Extent::Requests(u64::from(requests));
        let timeline =
            Timeline::new(process, Rate::new(rate).expect("a rate"), extent, Duration::ZERO, Duration::ZERO, own);
        let arrivals: Vec<Offset> = timeline.arrivals().map(|arrival| arrival.at).collect();
        let sojourns = sojourns(&mut *cell.open(own), &arrivals);
        let meets = |(allowed, limit): &(f64, f64)| {
            sojourns.iter().filter(|sojourn| *sojourn > limit).count() as f64 <= allowed * f64::from(requests)
        };
        if cell.limits.iter().all(meets) { low = rate } else { high = rate }
    }
    f64::midpoint(low, high)
}

/// The sojourn time of each request in `service`, in seconds, in the order of the responses; the service is followed
/// until it is empty.
fn sojourns(service: &mut dyn Served, arrivals: &[Offset]) -> Vec<f64> {
    let mut sojourns = Vec::with_capacity(arrivals.len());
    let mut open: HashMap<u64, Offset> = HashMap::new();
    for (tag, at) in arrivals.iter().copied().chain([Offset::NEVER]).enumerate() {
        while service.next_event().is_some_and(|event| event < at) {
            service
                .advance(&mut |tag, reply| sojourns.extend(open.remove(&tag).map(|came| reply.last.secs_since(came))));
        }
        if at == Offset::NEVER {
            break;
        }
        match service.arrive(at, Call { tag: tag as u64, input_tokens: 1, output_tokens: 1 }) {
            Some(reply) => sojourns.push(reply.last.secs_since(at)),
            None => drop(open.insert(tag as u64, at)),
        }
    }
    sojourns
}
