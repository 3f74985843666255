//! Owns services in virtual time (queues, independent latencies, stalls) whose sojourn times go directly into a
//! `Summary`.
#![allow(dead_code, reason = "the bench and the test each use their part")]

use std::sync::Arc;

use tonnage::metrics::{Concurrency, Ended, Frame, LoadFacts, Objectives, Summary};
use tonnage::play::Trial;
use tonnage::record::{Exchange, Failure, FailureClass, Origin, Outcome, Record};
use tonnage::seed::{Seed, exponential, open_unit};
use tonnage::units::{Offset, Window};

/// Mean service time of one server, in seconds.
pub(crate) const SERVICE_S: f64 = 0.1;

/// The law of a service time with mean 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Law {
    Exponential,
    Constant,
    /// Lognormal with this squared coefficient of variation.
    Lognormal(f64),
    /// Pareto with this tail exponent.
    Pareto(f64),
    /// Two exponential branches of balanced means, with this squared coefficient of variation.
    Hyper(f64),
}

/// What happens to a request besides its service time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// First come, first served, by this many servers.
    Fifo(usize),
    /// No queue: each latency is an independent draw.
    Independent,
    /// One server that stalls for exponential times: (mean time between stalls, mean length), in mean service times.
    Stalls(f64, f64),
    /// One server that alternates between fast and slow periods: (slowdown factor, mean length of a fast and of a
    /// slow period in mean service times).
    Spells(f64, f64),
}

/// A service and its load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Station {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) law: Law,
    pub(crate) even: bool,
    /// Arrivals per mean service time and server.
    pub(crate) load: f64,
    /// True p50, p90, p95, p99 and mean of the sojourn time, in mean service times.
    pub(crate) truth: [f64; 5],
    /// Whether constants of the method were tuned on it.
    pub(crate) tuned_on: bool,
}

type Draw = rand_chacha::ChaCha8Rng;

fn normal(draw: &mut Draw) -> f64 {
    libm::sqrt(2.0 * exponential(draw)) * libm::cos(std::f64::consts::TAU * open_unit(draw))
}

impl Law {
    fn draw(self, draw: &mut Draw) -> f64 {
        match self {
            Self::Exponential => exponential(draw),
            Self::Constant => 1.0,
            Self::Lognormal(cv2) => {
                let variance = libm::log(1.0 + cv2);
                libm::exp(libm::sqrt(variance) * normal(draw) - variance / 2.0)
            }
            Self::Pareto(exponent) => (exponent - 1.0) / exponent * libm::pow(open_unit(draw), -1.0 / exponent),
            Self::Hyper(cv2) => {
                let often = 0.5 * (1.0 + libm::sqrt((cv2 - 1.0) / (cv2 + 1.0)));
                let share = if open_unit(draw) < often { often } else { 1.0 - often };
                exponential(draw) / (2.0 * share)
            }
        }
    }
}

/// The requests of a station, one after another: (instant, sojourn time) in mean service times.
pub(crate) struct Requests {
    station: Station,
    draw: Draw,
    clock: f64,
    free: Vec<f64>,
    next_stall: f64,
    slow: bool,
}

impl Station {
    pub(crate) fn requests(self, seed: u64) -> Requests {
        let mut draw = Seed::new(seed).stream(self.name).sequence();
        let servers = if let Kind::Fifo(servers) = self.kind { servers } else { 1 };
        let next_stall = match self.kind {
            Kind::Stalls(apart, _) => exponential(&mut draw) * apart,
            Kind::Spells(_, length) => exponential(&mut draw) * length,
            _ => f64::INFINITY,
        };
        Requests { station: self, draw, clock: 0.0, free: vec![0.0; servers], next_stall, slow: false }
    }

    pub(crate) fn rate_per_s(self) -> f64 {
        let servers = if let Kind::Fifo(servers) = self.kind { servers } else { 1 };
        self.load * servers as f64 / SERVICE_S
    }
}

impl Iterator for Requests {
    type Item = (f64, f64);

    fn next(&mut self) -> Option<(f64, f64)> {
        let gap = if self.station.even { 1.0 } else { exponential(&mut self.draw) };
        self.clock += gap / (self.station.load * self.free.len() as f64);
        let mut need = self.station.law.draw(&mut self.draw);
        match self.station.kind {
            Kind::Independent => return Some((self.clock, need)),
            Kind::Stalls(apart, length) => {
                // A stall waits in the queue as work does.
                while self.next_stall <= self.clock {
                    let begun = self.free[0].max(self.next_stall);
                    self.free[0] = begun + exponential(&mut self.draw) * length;
                    self.next_stall = self.free[0] + exponential(&mut self.draw) * apart;
                }
            }
            Kind::Spells(factor, length) => {
                while self.next_stall <= self.clock {
                    self.slow = !self.slow;
                    self.next_stall += exponential(&mut self.draw) * length;
                }
                need *= if self.slow { factor } else { 1.0 };
            }
            Kind::Fifo(_) => {}
        }
        let (place, free) = self.free.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1))?;
        self.free[place] = free.max(self.clock) + need;
        Some((self.clock, self.free[place] - self.clock))
    }
}

/// `count` requests of `station` after `warmup` others, summarised as a trial. Each request fails independently with
/// probability `error`.
pub(crate) fn trial(station: Station, (warmup, count): (u64, u64), seed: u64, error: f64, asked: &[&str]) -> Trial {
    let objectives = Arc::new(Objectives::parse(asked, None, None).expect("objectives"));
    let mut errors = Seed::new(seed).stream("errors").sequence();
    let name: Arc<str> = Arc::from("q");
    let mut requests = station.requests(seed);
    let start = (0..warmup).filter_map(|_| requests.next()).last().map_or(0.0, |(at, _)| at);
    let window = Window { start: Offset::ZERO, end: Offset::from_secs(1e7) };
    let mut summary = Summary::new(Frame { window, load_end: window.end, streamed: false }, objectives);
    let mut end = Offset::ZERO;
    for (id, (at, sojourn)) in requests.take(count as usize).enumerate() {
        let scheduled = Offset::from_secs((at - start) * SERVICE_S);
        let failed = error > 0.0 && open_unit(&mut errors) < error;
        let outcome =
            if failed { Outcome::Failed(Failure::new(FailureClass::Status, "no")) } else { Outcome::Completed };
        end = Offset::from_nanos(scheduled.as_nanos() + 1);
        summary.add(&Record {
            id: id as u64,
            class: name.clone(),
            session: None,
            turn: None,
            turns: None,
            origin: Origin::Planned,
            scheduled,
            asked_input_tokens: 0,
            asked_output_tokens: 0,
            cancel_after: None,
            target: name.clone(),
            model: name.clone(),
            exchange: Exchange {
                sent: Some(scheduled),
                ended: Some(Offset::from_secs((at - start + sojourn) * SERVICE_S)),
                outcome,
                ..Exchange::default()
            },
        });
    }
    summary.end_window_at(end);
    let integral_s = summary.flow().total_flight_ns as f64 / 1e9;
    Trial {
        body_fingerprint: None,
        label: station.name.to_owned(),
        load: LoadFacts::default(),
        drain_end: end,
        ended: Ended::Complete,
        not_due: 0,
        due: None,
        concurrency: Some(Concurrency { peak: 0, integral_s }),
        sequence: None,
        summary,
    }
}

const fn station(name: &'static str, kind: Kind, law: Law, load: f64, truth: [f64; 5], tuned_on: bool) -> Station {
    Station { name, kind, law, even: false, load, truth, tuned_on }
}

/// The stations. Truths: closed forms for M/M/1 and independent latencies, otherwise from `cargo bench --bench
/// verdict -- truths`.
pub(crate) const STATIONS: &[Station] = &[
    station("M/M/1 0.7", Kind::Fifo(1), Law::Exponential, 0.7, [2.3105, 7.6753, 9.9858, 15.3506, 3.3333], true),
    station("M/M/1 0.9", Kind::Fifo(1), Law::Exponential, 0.9, [6.9315, 23.0259, 29.9573, 46.0517, 10.0], true),
    station("M/M/8 0.9", Kind::Fifo(8), Law::Exponential, 0.9, [1.4889, 3.9579, 4.9245, 7.0782, 1.8765], true),
    station("M/LN(3)/1 0.8", Kind::Fifo(1), Law::Lognormal(3.0), 0.8, [4.5906, 22.9926, 32.3417, 56.9921, 9.0], true),
    station("M/Pareto 2.5/1 0.7", Kind::Fifo(1), Law::Pareto(2.5), 0.7, [1.7887, 6.2048, 8.7924, 18.2158, 3.1], true),
    station("M/D/1 0.8", Kind::Fifo(1), Law::Constant, 0.8, [2.2761, 6.0146, 7.6241, 11.3538, 3.0], true),
    station(
        "independent LN(1)",
        Kind::Independent,
        Law::Lognormal(1.0),
        2.0,
        [std::f64::consts::FRAC_1_SQRT_2, 2.0553, 2.7809, 4.9053, 1.0],
        true,
    ),
    station(
        "rare stalls",
        Kind::Stalls(500.0, 20.0),
        Law::Lognormal(0.1),
        0.4,
        [1.2050, 2.9294, 6.8973, 39.3451, 2.6884],
        true,
    ),
    station("M/H2(5)/2 0.8", Kind::Fifo(2), Law::Hyper(5.0), 0.8, [2.7455, 16.6164, 22.6353, 36.5703, 6.1132], false),
    Station {
        even: true,
        ..station(
            "D/LN(3)/1 0.85",
            Kind::Fifo(1),
            Law::Lognormal(3.0),
            0.85,
            [4.2927, 23.9410, 34.0636, 60.9449, 9.1393],
            false,
        )
    },
    station("M/M/32 0.95", Kind::Fifo(32), Law::Exponential, 0.95, [1.1475, 2.9758, 3.7037, 5.3560, 1.4335], true),
    station(
        "M/LN(1)/4 0.88",
        Kind::Fifo(4),
        Law::Lognormal(1.0),
        0.88,
        [1.8590, 5.5138, 7.0885, 10.7689, 2.5430],
        false,
    ),
    station(
        "spells",
        Kind::Spells(1.6, 300.0),
        Law::Exponential,
        0.5,
        [2.5801, 12.2749, 17.3043, 29.1315, 4.8101],
        false,
    ),
];
