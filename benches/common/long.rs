//! Owns long runs of simple services. They give the truths of cells without a closed form. Their loops share no code
//! and no random numbers with the simulator, the summary or the search.
#![allow(dead_code, reason = "each mode of the bench uses its part")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// xoshiro256++ (Blackman and Vigna 2019), seeded by `SplitMix64`.
#[derive(Debug, Clone)]
struct Draws([u64; 4]);

impl Draws {
    fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }))
    }

    /// A uniform number, strictly between 0 and 1.
    fn unit(&mut self) -> f64 {
        let [a, b, c, d] = &mut self.0;
        let drawn = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        ((drawn >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Gamma law of scale 1 (Marsaglia and Tsang 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * self.unit().powf(1.0 / shape);
        }
        let (centre, scale) = (shape - 1.0 / 3.0, 1.0 / (9.0 * shape - 3.0).sqrt());
        loop {
            let normal = self.normal();
            let cube = (1.0 + scale * normal).powi(3);
            if cube > 0.0 && self.unit().ln() < 0.5 * normal * normal + centre * (1.0 - cube + cube.ln()) {
                return centre * cube;
            }
        }
    }
}

/// A law of mean 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    Constant,
    Exponential,
    /// Squared coefficient of variation.
    Lognormal(f64),
    /// Squared coefficient of variation.
    Gamma(f64),
    /// Two branches, balanced means; squared coefficient of variation.
    Hyper(f64),
    /// Shape, and largest ÷ smallest value.
    Pareto(f64, f64),
    /// Shape, and Γ(1 + 1/shape).
    Weibull(f64, f64),
}

impl Unit {
    fn draw(self, draws: &mut Draws) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Exponential => draws.exponential(),
            Self::Lognormal(cv2) => {
                let variance = (1.0 + cv2).ln();
                (variance.sqrt() * draws.normal() - variance / 2.0).exp()
            }
            Self::Gamma(cv2) => cv2 * draws.gamma(1.0 / cv2),
            Self::Hyper(cv2) => {
                let likely = 0.5 * (1.0 + ((cv2 - 1.0) / (cv2 + 1.0)).sqrt());
                let mean = if draws.unit() < likely { 0.5 / likely } else { 0.5 / (1.0 - likely) };
                mean * draws.exponential()
            }
            Self::Pareto(shape, cut) => {
                let (beyond, short) = (cut.powf(-shape), cut.powf(1.0 - shape));
                let mean = shape / (shape - 1.0) * (1.0 - short) / (1.0 - beyond);
                // By inversion of the distribution function (1 − x^−shape)/(1 − cut^−shape).
                (1.0 - draws.unit() * (1.0 - beyond)).powf(-1.0 / shape) / mean
            }
            Self::Weibull(shape, mean) => draws.exponential().powf(1.0 / shape) / mean,
        }
    }
}

/// How the speed changes over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    /// Always 1.
    Steady,
    /// Two alternating speeds; each lasts an exponential time with its own mean, in seconds.
    Regimes([f64; 2], [f64; 2]),
    /// Speed 1 for an exponential time of this mean, then 0 for this long, both in seconds.
    Pauses(f64, f64),
}

/// How requests are served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// This many servers, first come, first served.
    Servers(u32),
    /// One server, shared by all requests.
    Shared,
    /// No request waits: a token bucket of this rate and size refuses. Refusals count as misses for any limit.
    Limiter(f64, f64),
}

/// A service with its arrivals, and the share of requests that may miss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Long {
    pub(crate) gaps: Unit,
    pub(crate) need: Unit,
    /// Mean service need of a request, in seconds.
    pub(crate) mean_s: f64,
    pub(crate) kind: Kind,
    pub(crate) speed: Speed,
    /// Share of requests that miss at any load.
    pub(crate) floor: f64,
    /// The limit of the sojourn time, in seconds; a longer sojourn is a miss.
    pub(crate) limit_s: f64,
    pub(crate) allowed: f64,
}

/// Batches for the standard error of a share (batch means).
const BATCHES: usize = 50;

impl Long {
    /// M/G/c of mean service 1 s.
    pub(crate) const fn queue(need: Unit, servers: u32, limit_s: f64, allowed: f64) -> Self {
        let (gaps, speed) = (Unit::Exponential, Speed::Steady);
        Self { gaps, need, mean_s: 1.0, kind: Kind::Servers(servers), speed, floor: 0.0, limit_s, allowed }
    }

    /// The highest completion rate, per second.
    pub(crate) fn capacity(&self) -> f64 {
        let speed = match self.speed {
            Speed::Steady => 1.0,
            Speed::Regimes(speeds, means) => (speeds[0] * means[0] + speeds[1] * means[1]) / (means[0] + means[1]),
            Speed::Pauses(mean, pause) => mean / (mean + pause),
        };
        speed
            * match self.kind {
                Kind::Servers(count) => f64::from(count) / self.mean_s,
                Kind::Shared => 1.0 / self.mean_s,
                Kind::Limiter(rate, _) => rate,
            }
    }

    /// The share of `requests` that miss at this rate, after a warm-up of a tenth as many, and its standard error by
    /// batch means.
    pub(crate) fn share(&self, rate_per_s: f64, requests: u64, seed: u64) -> (f64, f64) {
        let discarded = requests / 10;
        let mut misses = [0u64; BATCHES];
        let count = |number: u64, missed: bool| {
            if let Some(counted) = number.checked_sub(discarded).filter(|counted| *counted < requests) {
                misses[(counted * BATCHES as u64 / requests) as usize] += u64::from(missed);
            }
        };
        self.run(rate_per_s, discarded + requests, seed, count);
        let each = requests as f64 / BATCHES as f64;
        let mean = misses.iter().sum::<u64>() as f64 / requests as f64;
        let variance =
            misses.iter().map(|batch| (*batch as f64 / each - mean).powi(2)).sum::<f64>() / (BATCHES - 1) as f64;
        // The requests that miss at any load are known without a run.
        let others = 1.0 - self.floor;
        (self.floor + others * mean, others * (variance / BATCHES as f64).sqrt())
    }

    /// Calls `count` for each request with its number and whether it misses the limit.
    fn run(&self, rate_per_s: f64, requests: u64, seed: u64, mut count: impl FnMut(u64, bool)) {
        let (mut gaps, mut needs) = (Draws::new(2 * seed + 1), Draws::new(2 * seed + 2));
        let (gap_s, mut now) = (1.0 / rate_per_s, 0.0);
        let mut next = || {
            now += gap_s * self.gaps.draw(&mut gaps);
            now
        };
        match self.kind {
            Kind::Servers(1) if self.speed == Speed::Steady => {
                let mut free = 0.0_f64;
                for number in 0..requests {
                    let at = next();
                    free = free.max(at) + self.mean_s * self.need.draw(&mut needs);
                    count(number, free - at > self.limit_s);
                }
            }
            Kind::Servers(servers) => {
                let mut free: BinaryHeap<Reverse<At>> = (0..servers).map(|_| Reverse(At(0.0))).collect();
                let mut work = Work::new(self.speed, Draws::new(u64::MAX - seed));
                for number in 0..requests {
                    let at = next();
                    let done = work.done_at(at);
                    let mut earliest = free.peek_mut().expect("a server");
                    let leaves = earliest.0.0.max(done) + self.mean_s * self.need.draw(&mut needs);
                    *earliest = Reverse(At(leaves));
                    count(number, leaves > work.done_ahead(at + self.limit_s));
                }
            }
            Kind::Shared => self.shared(requests, next, &mut needs, count),
            Kind::Limiter(rate, burst) => {
                let (mut tokens, mut before) = (burst, 0.0);
                for number in 0..requests {
                    let at = next();
                    tokens = (tokens + rate * (at - before)).min(burst);
                    before = at;
                    let refused = tokens < 1.0;
                    if !refused {
                        tokens -= 1.0;
                    }
                    count(number, refused);
                }
            }
        }
    }

    fn shared(
        &self,
        requests: u64,
        mut next: impl FnMut() -> f64,
        needs: &mut Draws,
        mut count: impl FnMut(u64, bool),
    ) {
        // (attained service at which it leaves, number, arrival)
        let mut inside: BinaryHeap<Reverse<(At, u64, At)>> = BinaryHeap::new();
        let (mut now, mut attained) = (0.0, 0.0);
        for number in 0..requests {
            let at = next();
            while let Some(Reverse((At(leaves), who, At(came)))) = inside.peek().copied() {
                let then = now + (leaves - attained) * inside.len() as f64;
                if then > at {
                    break;
                }
                inside.pop();
                (now, attained) = (then, leaves);
                count(who, then - came > self.limit_s);
            }
            attained = if inside.is_empty() { 0.0 } else { attained + (at - now) / inside.len() as f64 };
            now = at;
            inside.push(Reverse((At(attained + self.mean_s * self.need.draw(needs)), number, At(at))));
        }
    }
}

/// Work done over time: the integral of the speed.
struct Work {
    speed: Speed,
    draws: Draws,
    turns: u64,
    /// (start, work done by then, speed) of each piece, and the end of the last piece.
    stretches: VecDeque<(f64, f64, f64)>,
    end: (f64, f64),
}

impl Work {
    fn new(speed: Speed, draws: Draws) -> Self {
        Self { speed, draws, turns: 0, stretches: VecDeque::new(), end: (0.0, 0.0) }
    }

    fn extend(&mut self, at: f64) {
        while self.end.0 <= at {
            let turn = (self.turns % 2) as usize;
            self.turns += 1;
            let (length, speed) = match self.speed {
                Speed::Steady => (f64::INFINITY, 1.0),
                Speed::Regimes(speeds, means) => (means[turn] * self.draws.exponential(), speeds[turn]),
                Speed::Pauses(mean, pause) => [(mean * self.draws.exponential(), 1.0), (pause, 0.0)][turn],
            };
            self.stretches.push_back((self.end.0, self.end.1, speed));
            self.end = (self.end.0 + length, self.end.1 + length * speed);
        }
    }

    /// The work done by `at`; later calls never ask for an earlier instant.
    fn done_at(&mut self, at: f64) -> f64 {
        if self.speed == Speed::Steady {
            return at;
        }
        self.extend(at);
        while self.stretches.get(1).is_some_and(|(begins, ..)| *begins <= at) {
            self.stretches.pop_front();
        }
        let (begins, done, speed) = self.stretches[0];
        done + speed * (at - begins)
    }

    /// The work done by an instant that may lie ahead of the latest arrival.
    fn done_ahead(&mut self, at: f64) -> f64 {
        if self.speed == Speed::Steady {
            return at;
        }
        self.extend(at);
        let (begins, done, speed) =
            *self.stretches.iter().rev().find(|(begins, ..)| *begins <= at).expect("it was extended");
        done + speed * (at - begins)
    }
}

/// An instant with a total order.
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

/// The rates of the runs of each stage, in half widths around the estimate so far.
const STAGES: [&[f64]; 3] = [&[-1.0, 0.0, 1.0], &[-1.0, 0.0, 1.0], &[-1.0, -0.5, 0.0, 0.5, 1.0]];

/// The highest rate at which the allowed share of misses is not exceeded, and half the width of its 95 % interval,
/// relative. It bisects over short runs, then makes three longer runs, twice, and at last five runs of `requests`
/// each close around the estimate. A parabola in the logarithms is fitted to their shares. `told` receives each line
/// of the report.
pub(crate) fn truth(name: &str, long: &Long, requests: u64, told: impl Fn(String)) -> (f64, f64) {
    let capacity = long.capacity();
    // A limiter accepts slightly more than its rate.
    let (mut low, mut high) = (0.02 * capacity, 1.02 * capacity);
    for round in 0..10 {
        let middle = f64::midpoint(low, high);
        if long.share(middle, requests / 50, 1_000 + round).0 > long.allowed { high = middle } else { low = middle }
    }
    let (mut found, mut half): ((f64, f64), f64) = ((f64::midpoint(low, high), 1.0), 0.05);
    for (stage, factors) in STAGES.into_iter().enumerate() {
        let is_last = stage + 1 == STAGES.len();
        let each = if is_last { requests } else { requests / 5 };
        let rates: Vec<f64> = factors.iter().map(|factor| found.0 * (half * factor).exp()).collect();
        let shares = std::thread::scope(|scope| {
            let runs: Vec<_> = rates
                .iter()
                .enumerate()
                .map(|(place, rate)| {
                    scope.spawn(move || long.share(*rate, each, 2_000 + 100 * stage as u64 + place as u64))
                })
                .collect();
            runs.into_iter().map(|run| run.join().expect("a run")).collect::<Vec<_>>()
        });
        let points = rates.iter().zip(&shares).map(|(rate, (share, error))| (rate.ln(), *share, *error));
        let points: Vec<_> = points.filter(|point| point.1 > 0.0).collect();
        for (rate, (share, error)) in rates.iter().zip(&shares) {
            told(format!("{name:22} {rate:9.4}/s: {:.4} % ± {:.4} %  ({each} requests)", 100.0 * share, 196.0 * error));
        }
        let (rate, error, slope) =
            if is_last { bent_crossing(&points, long.allowed) } else { crossing(&points, long.allowed) };
        found = (rate, 1.96 * error);
        told(format!(
            "{name:22} R* {rate:.5}/s ± {:.2} % (slope {slope:.1}), R*/C {:.3}",
            196.0 * error,
            rate / capacity
        ));
        // From half to twice the allowed share, where the curve is straight enough.
        half = (0.5 / slope).clamp(0.002, 0.05);
    }
    found
}

/// Fits ln q = ln α + β ln(r ÷ R*) to points (ln r, q, standard error of q) by weighted least squares; returns (R*,
/// standard error of ln R*, β).
pub(crate) fn crossing(points: &[(f64, f64, f64)], allowed: f64) -> (f64, f64, f64) {
    // The standard error of ln q is the relative error of q.
    let weight = |(_, share, error): &(f64, f64, f64)| share * share / (error * error);
    let total: f64 = points.iter().map(weight).sum();
    let mean = |of: &dyn Fn(&(f64, f64, f64)) -> f64| {
        points.iter().map(|point| weight(point) * of(point)).sum::<f64>() / total
    };
    let (rate, depth) = (mean(&|point| point.0), mean(&|point| point.1.ln()));
    let spread = mean(&|point| (point.0 - rate) * (point.0 - rate));
    let slope = mean(&|point| (point.0 - rate) * (point.1.ln() - depth)) / spread;
    let away = (allowed.ln() - depth) / slope;
    let error = ((1.0 + away * away / spread) / total).sqrt() / slope;
    ((rate + away).exp(), error, slope)
}

/// Fits a parabola instead of a line; returns (R*, standard error of ln R*, slope at R*).
fn bent_crossing(points: &[(f64, f64, f64)], allowed: f64) -> (f64, f64, f64) {
    let (start, _, first_slope) = crossing(points, allowed);
    let start = start.ln();
    // Rates in units of the widest distance keep the equations well conditioned.
    let unit = points.iter().map(|point| (point.0 - start).abs()).fold(1e-12, f64::max);
    let mut rows = [[0.0; 6]; 3];
    for (rate, share, error) in points {
        let (x, weight) = ((rate - start) / unit, share * share / (error * error));
        let powers = [1.0, x, x * x];
        for (row, power) in rows.iter_mut().zip(powers) {
            for (cell, other) in row.iter_mut().zip(powers) {
                *cell += weight * power * other;
            }
        }
    }
    let right: [f64; 3] = std::array::from_fn(|place| {
        let of = |(rate, share, error): &(f64, f64, f64)| {
            share * share / (error * error) * ((rate - start) / unit).powf(place as f64) * (share.ln() - allowed.ln())
        };
        points.iter().map(of).sum()
    });
    // Gauss–Jordan elimination: the last three columns become the inverse.
    for (place, row) in rows.iter_mut().enumerate() {
        row[3 + place] = 1.0;
    }
    for pivot in 0..3 {
        let scale = rows[pivot][pivot];
        rows[pivot].iter_mut().for_each(|cell| *cell /= scale);
        let by = rows[pivot];
        for (_, row) in rows.iter_mut().enumerate().filter(|(place, _)| *place != pivot) {
            let factor = row[pivot];
            row.iter_mut().zip(by).for_each(|(cell, other)| *cell -= factor * other);
        }
    }
    let inverse = |row: usize, column: usize| rows[row][3 + column];
    let [level, slope, bend]: [f64; 3] =
        std::array::from_fn(|row| (0..3).map(|column| inverse(row, column) * right[column]).sum());
    let (mut x, mut steep) = (0.0, first_slope * unit);
    for _ in 0..50 {
        steep = slope + 2.0 * bend * x;
        x -= (level + slope * x + bend * x * x) / steep;
    }
    let powers = [1.0, x, x * x];
    let variance: f64 = (0..3)
        .flat_map(|row| (0..3).map(move |column| (row, column)))
        .map(|(row, column)| powers[row] * powers[column] * inverse(row, column))
        .sum();
    ((start + unit * x).exp(), unit * variance.sqrt() / steep, steep / unit)
}
