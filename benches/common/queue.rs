//! Owns queues in virtual time whose answer is known in closed form, and the search played over them.
#![allow(dead_code, reason = "the bench and the test each use their part")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use tonnage::search::step::{
    Answer, Budget, Capacity, Count, Demand, End, History, Look, Order, Picture, Probe, Question, Seen, Signs, Spent, Step, alarm,
    clusters, look, step,
};
use tonnage::seed::{Seed, exponential, open_unit};

/// When requests come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrivals {
    Even,
    Poisson,
    /// Gamma gaps of CV 2: shape 1/4.
    GammaCv2,
}

/// The law of what each needs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Service {
    Exponential,
    Constant,
}

/// Who is served.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Discipline {
    /// First come, first served by so many servers.
    Fifo(usize),
    /// All at once by one server, shared.
    Shared,
}

/// A service, what is asked of it, and the highest rate at which it gives that.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    pub(crate) name: &'static str,
    pub(crate) arrivals: Arrivals,
    pub(crate) service: Service,
    pub(crate) discipline: Discipline,
    /// Mean of what each needs.
    pub(crate) mean_s: f64,
    /// (share allowed to exceed, sojourn time).
    pub(crate) limits: Vec<(f64, f64)>,
    pub(crate) truth: f64,
    /// Whether constants of the step were chosen on it.
    pub(crate) tuned_on: bool,
}

impl Cell {
    fn new(name: &'static str, law: (Arrivals, Service, Discipline), limits: &[(f64, f64)], truth: f64, tuned_on: bool) -> Self {
        let (arrivals, service, discipline) = law;
        Self { name, arrivals, service, discipline, mean_s: 1.0, limits: limits.to_vec(), truth, tuned_on }
    }

    pub(crate) fn capacity(&self) -> f64 {
        match self.discipline {
            Discipline::Fifo(servers) => servers as f64 / self.mean_s,
            Discipline::Shared => 1.0 / self.mean_s,
        }
    }

    /// The same service, each request taking `by` times as long: the first limit is shorter for it, and so is the rate.
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
        let demands = self.limits.iter().map(|(allowed, limit_s)| Demand::new(*allowed, Some(*limit_s)).expect("a demand")).collect();
        Question::new(demands, precision).expect("a question").arriving(self.arrival_cv2()).within(budget)
    }
}

/// The cells of the coverage table. Mean service 1; each truth from a closed form of its own.
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
        Cell::new("G(CV 2)/M/1 T=20", (GammaCv2, Exponential, Fifo(1)), &p99(20.0), gim1_rate(GammaCv2, 0.01, 20.0), false),
        Cell::new("M/M/4 T=7.5", (Poisson, Exponential, Fifo(4)), &p99(7.5), mmc_rate(4, 0.01, 7.5), false),
        Cell::new("M/M/1 p95 T=10", markov, &[(0.05, 10.0)], gim1_rate(Poisson, 0.05, 10.0), false),
        Cell::new("M/M/1 p99 & p90", markov, &[(0.01, 15.0), (0.1, 9.0)], gim1_rate(Poisson, 0.01, 15.0), false),
    ]
}

/// M/M/1-PS, p99 of the sojourn at most 30 mean services: by simulation (`open_loop_science.md` B.8), there is no closed form. Four bisections of
/// our own with 12 × 3 000 000 requests each give 0.7592 to 0.7599.
const PS_RATE: f64 = 0.759;

/// The rate at which a falling `slack` is 0.
fn root(mut low: f64, mut high: f64, slack: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if slack(middle) > 0.0 { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// GI/M/1: the sojourn is exponential with rate 1 − σ, σ = A*(1 − σ) the transform of the gaps.
fn gim1_rate(arrivals: Arrivals, allowed: f64, limit: f64) -> f64 {
    let transform = |rate: f64, at: f64| match arrivals {
        Arrivals::Even => libm::exp(-at / rate),
        Arrivals::Poisson => rate / (rate + at),
        Arrivals::GammaCv2 => libm::pow(1.0 + 4.0 * at / rate, -0.25),
    };
    // σ is the smallest root: the transform lies above the diagonal before it.
    let sigma = |rate: f64| root(0.0, 1.0 - 1e-9, |sigma| transform(rate, 1.0 - sigma) - sigma);
    root(1e-3, 1.0 - 1e-6, |rate| limit + libm::log(allowed) / (1.0 - sigma(rate)))
}

/// M/D/1 by Cramér and Lundberg: P(W > t) ≈ (1 − ρ)/(λ e^θ − 1) e^(−θt), λ(e^θ − 1) = θ; the sojourn is W + 1.
fn md1_rate(allowed: f64, limit: f64) -> f64 {
    let tail = |rate: f64| {
        let theta = root(1e-9, 20.0, |theta| theta - rate * (libm::exp(theta) - 1.0));
        (1.0 - rate) / (rate * libm::exp(theta) - 1.0) * libm::exp(-theta * (limit - 1.0))
    };
    root(0.05, 0.999, |rate| allowed - tail(rate))
}

/// M/M/c: P(sojourn > t) = (1 − C)e^(−t) + C(θe^(−t) − e^(−θt))/(θ − 1), θ = c − λ, C by Erlang.
fn mmc_rate(servers: u32, allowed: f64, limit: f64) -> f64 {
    let tail = |rate: f64| {
        let blocked = (1..=servers).fold(1.0, |blocked, k| rate * blocked / (f64::from(k) + rate * blocked));
        let waits = blocked / (1.0 - rate / f64::from(servers) * (1.0 - blocked));
        let theta = f64::from(servers) - rate;
        (1.0 - waits) * libm::exp(-limit) + waits * (theta * libm::exp(-limit) - libm::exp(-theta * limit)) / (theta - 1.0)
    };
    root(0.01, f64::from(servers) * 0.9999, |rate| allowed - tail(rate))
}

/// An instant that orders itself.
#[derive(Debug, Clone, Copy, PartialEq)]
struct At(f64);

impl Eq for At {}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for At {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The state of a service.
struct Queue {
    now: f64,
    /// Fifo: when each server is free. Shared: empty.
    free_at: Vec<f64>,
    /// Fifo: when each request leaves. Shared: the virtual time at which it does, and its number.
    leaving: BinaryHeap<Reverse<(At, usize)>>,
    /// Shared: service that each request has had.
    virtual_time: f64,
    /// (arrival, sojourn) by number; the sojourn of who is still there is not known.
    sojourns: Vec<(f64, Option<f64>)>,
}

impl Queue {
    fn new(discipline: Discipline) -> Self {
        let servers = if let Discipline::Fifo(servers) = discipline { servers } else { 0 };
        Self { now: 0.0, free_at: vec![0.0; servers], leaving: BinaryHeap::new(), virtual_time: 0.0, sojourns: Vec::new() }
    }

    fn advance(&mut self, at: f64) {
        if self.free_at.is_empty() {
            while let Some(Reverse((At(leaves), number))) = self.leaving.peek().copied() {
                let sharing = self.leaving.len() as f64;
                let then = self.now + (leaves - self.virtual_time) * sharing;
                if then > at {
                    self.virtual_time += (at - self.now) / sharing;
                    break;
                }
                (self.now, self.virtual_time) = (then, leaves);
                self.leaving.pop();
                self.sojourns[number].1 = Some(then - self.sojourns[number].0);
            }
        } else {
            while self.leaving.peek().is_some_and(|Reverse((At(leaves), _))| *leaves <= at) {
                self.leaving.pop();
            }
        }
        self.now = at;
    }

    /// A request comes; (its number, requests there before it).
    fn arrive(&mut self, at: f64, work: f64) -> (usize, u32) {
        self.advance(at);
        let (number, there) = (self.sojourns.len(), self.leaving.len() as u32);
        if let Some(free) = self.free_at.iter_mut().min_by(|a, b| a.total_cmp(b)) {
            *free = free.max(at) + work;
            self.leaving.push(Reverse((At(*free), number)));
            self.sojourns.push((at, Some(*free - at)));
        } else {
            self.leaving.push(Reverse((At(self.virtual_time + work), number)));
            self.sojourns.push((at, None));
        }
        (number, there)
    }

    /// Whether a request has missed `limit` by now; unknown while it may still meet it.
    fn missed(&self, number: usize, limit: f64) -> Option<bool> {
        let (arrived, sojourn) = self.sojourns[number];
        let left = sojourn.filter(|sojourn| arrived + sojourn <= self.now);
        left.map(|sojourn| sojourn > limit).or_else(|| (self.now - arrived > limit).then_some(true))
    }
}

/// What a search came to.
pub(crate) struct Searched {
    pub(crate) answer: Answer,
    pub(crate) history: History,
}

/// Plays a whole search over `cell` with the draws of `seed`.
pub(crate) fn search(cell: &Cell, question: &Question, seed: Seed) -> Searched {
    search_changing(question, seed, |_| cell.clone())
}

/// The same over a service that is another one for each probe, by its number.
pub(crate) fn search_changing(question: &Question, seed: Seed, cell_of: impl Fn(usize) -> Cell) -> Searched {
    let mut history = History::default();
    let cell = &cell_of(0);
    let mut queue = Queue::new(cell.discipline);
    loop {
        match step(question, &history) {
            Step::Floor { requests } => {
                let mut draw = seed.stream("floor").sequence();
                let works: Vec<f64> = (0..requests).map(|_| work(cell, &mut draw)).collect();
                let count = |limit: f64| Count {
                    misses: works.iter().filter(|work| **work > limit).count() as u64,
                    decided: requests,
                    clusters: None,
                };
                history.floor = Some(cell.limits.iter().map(|(_, limit)| count(*limit)).collect());
                history.overhead.requests += requests;
                history.overhead.seconds += works.iter().sum::<f64>();
            }
            Step::Saturate { completions, most_per_s } => {
                let mut draw = seed.stream("saturation").sequence();
                let seconds = (0..completions).map(|_| work(cell, &mut draw)).sum::<f64>() / (cell.capacity() * cell.mean_s);
                let per_s = completions as f64 / seconds;
                let kept_up = most_per_s.filter(|most| *most < per_s);
                history.capacity = Some(kept_up.map_or(Capacity::Reached(per_s), Capacity::Above));
                history.overhead.requests += completions;
                history.overhead.seconds += seconds;
            }
            Step::Probe(order) => {
                let probe = play(&cell_of(history.probes.len()), question, &history, &order, &mut queue, seed);
                if probe.end == End::Overloaded {
                    queue = Queue::new(cell.discipline);
                }
                history.probes.push(probe);
            }
            Step::Done(answer) => return Searched { answer: *answer, history },
        }
    }
}

/// Plain bisection between 0 and the capacity: each of `probes` starts with an empty queue and asks `requests`; the middle of the last bracket.
pub(crate) fn bisection(cell: &Cell, probes: u32, requests: u32, seed: Seed) -> f64 {
    let (mut low, mut high) = (0.0, cell.capacity());
    for probe in 0..probes {
        let rate = f64::midpoint(low, high);
        let mut gaps = seed.stream(&format!("bisection/{probe}/arrivals")).sequence();
        let mut works = seed.stream(&format!("bisection/{probe}/work")).sequence();
        let mut queue = Queue::new(cell.discipline);
        let mut at = 0.0;
        for _ in 0..requests {
            at += gap(cell, &mut gaps) / rate;
            queue.arrive(at, work(cell, &mut works));
        }
        queue.advance(f64::MAX);
        let meets = |(allowed, limit): &(f64, f64)| {
            let misses = queue.sojourns.iter().filter(|(_, sojourn)| sojourn.is_none_or(|sojourn| sojourn > *limit)).count();
            misses as f64 <= allowed * f64::from(requests)
        };
        if cell.limits.iter().all(meets) { low = rate } else { high = rate }
    }
    f64::midpoint(low, high)
}

fn work(cell: &Cell, draw: &mut rand_chacha::ChaCha8Rng) -> f64 {
    cell.mean_s
        * match cell.service {
            Service::Exponential => exponential(draw),
            Service::Constant => 1.0,
        }
}

fn gap(cell: &Cell, draw: &mut rand_chacha::ChaCha8Rng) -> f64 {
    match cell.arrivals {
        Arrivals::Even => 1.0,
        Arrivals::Poisson => exponential(draw),
        Arrivals::GammaCv2 => {
            // Shape 1/4 as shape 5/4 (Marsaglia and Tsang 2000) times U^4, scale 4.
            let shape = 1.25 - 1.0 / 3.0;
            let spread = 1.0 / libm::sqrt(9.0 * shape);
            loop {
                let normal = tonnage::seed::normal(draw);
                let cube = (1.0 + spread * normal).powi(3);
                if cube > 0.0 && libm::log(open_unit(draw)) < 0.5 * normal * normal + shape * (1.0 - cube + libm::log(cube)) {
                    return 4.0 * shape * cube * open_unit(draw).powi(4);
                }
            }
        }
    }
}

/// Plays one probe: the discarded stretch, then blocks until it is decided, alarmed or over.
fn play(cell: &Cell, question: &Question, history: &History, order: &Order, queue: &mut Queue, seed: Seed) -> Probe {
    let number = history.probes.len();
    let picture = Picture::of(question, history).expect("the capacity is known");
    let mut gaps = seed.stream(&format!("probe/{number}/arrivals")).sequence();
    let mut works = seed.stream(&format!("probe/{number}/work")).sequence();
    let start = queue.now;
    let mut spent = Spent::default();
    let mut cohort: Vec<(usize, u32)> = Vec::new();
    let mut at = start + gap(cell, &mut gaps) / order.level.value();
    let (mut end, mut next_look) = (End::Full, 100);
    let longest = cell.limits.iter().map(|(_, limit)| *limit).fold(0.0, f64::max);
    'blocks: for block in 1..=order.most_blocks {
        let until = start + order.discard_s + order.block_s * f64::from(block);
        while at < until {
            let (request, there) = queue.arrive(at, work(cell, &mut works));
            spent.requests += 1;
            if at >= start + order.discard_s {
                cohort.push((request, there));
                if cohort.len() >= next_look {
                    next_look += 50 + cohort.len() / 20;
                    let (counts, oldest_age_s) = counted(cell, queue, &cohort, false);
                    if alarm(question, order, &counts, &Signs { oldest_ages_s: vec![oldest_age_s; counts.len()], ..Signs::default() })
                        .is_some()
                    {
                        end = End::Overloaded;
                        break 'blocks;
                    }
                }
            }
            at += gap(cell, &mut gaps) / order.level.value();
        }
        queue.advance(until);
        if block < order.most_blocks && look(question, &picture, order, &counted(cell, queue, &cohort, true).0) == Look::Decided {
            end = End::Decided;
            break;
        }
    }
    // The cohort is followed until each is decided, the load going on.
    let followed = queue.now + longest;
    while at < followed && end != End::Overloaded {
        queue.arrive(at, work(cell, &mut works));
        spent.requests += 1;
        at += gap(cell, &mut gaps) / order.level.value();
    }
    queue.advance(followed);
    let (counts, _) = counted(cell, queue, &cohort, true);
    let times: Vec<f64> = cohort.iter().filter_map(|(number, _)| queue.sojourns[*number].1).collect();
    spent.seconds = queue.now - start;
    Probe {
        level: order.level,
        counts,
        time_in_system_s: times.iter().sum::<f64>() / times.len().max(1) as f64,
        completed_per_s: None,
        end,
        spent,
    }
}

/// Counts of what is decided, and the age of the oldest that is there.
fn counted(cell: &Cell, queue: &Queue, cohort: &[(usize, u32)], clustered: bool) -> (Vec<Count>, f64) {
    let count = |limit: f64| {
        let seen: Vec<Seen> = cohort
            .iter()
            .filter_map(|(number, there)| queue.missed(*number, limit).map(|missed| Seen { missed, in_flight: *there }))
            .collect();
        let misses = seen.iter().filter(|request| request.missed).count() as u64;
        Count { misses, decided: seen.len() as u64, clusters: if clustered { clusters(&seen) } else { None } }
    };
    let age = |number: &usize| {
        let (arrived, sojourn) = queue.sojourns[*number];
        if sojourn.is_some_and(|sojourn| arrived + sojourn <= queue.now) { 0.0 } else { queue.now - arrived }
    };
    let oldest = cohort.iter().map(|(number, _)| age(number)).fold(0.0, f64::max);
    (cell.limits.iter().map(|(_, limit)| count(*limit)).collect(), oldest)
}
