//! Owns `Pace`: how the speed of a service changes over time.

use rand_chacha::ChaCha8Rng;

use crate::seed::{Seed, exponential};

/// The speed of a service as a function of time; 1 is its normal speed.
#[derive(Debug, Clone)]
pub struct Pace {
    course: Speeds,
    /// The number of pieces returned so far.
    pieces: u64,
}

#[derive(Debug, Clone)]
enum Speeds {
    /// From one speed to another, linearly; constant after that.
    Ramp { from: f64, to: f64, length_s: f64 },
    /// One speed for a while, then another.
    Step { first: f64, length_s: f64, then: f64 },
    /// Two alternating speeds; each lasts an exponential time with its own mean.
    Regimes { speeds: [f64; 2], means_s: [f64; 2], draws: Box<ChaCha8Rng> },
    /// Normal speed for an exponential time, then a pause of fixed length.
    Pauses { mean_s: f64, pause_s: f64, draws: Box<ChaCha8Rng> },
}

/// A period over which the speed changes linearly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece {
    pub(super) length_s: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Pace {
    /// A service that warms up: it starts `times` times slower than normal, and its speed grows linearly to 1 within
    /// `over_s` seconds.
    #[must_use]
    pub fn warming(times: f64, over_s: f64) -> Self {
        Self::ramp(1.0 / times, 1.0, over_s)
    }

    /// Speed `from` at the start, linear to `to` at `length_s` seconds, then constant.
    #[must_use]
    pub fn ramp(from: f64, to: f64, length_s: f64) -> Self {
        Self { course: Speeds::Ramp { from, to, length_s }, pieces: 0 }
    }

    /// Normal speed for `after_s` seconds, then `speed`.
    #[must_use]
    pub fn step(after_s: f64, speed: f64) -> Self {
        Self { course: Speeds::Step { first: 1.0, length_s: after_s, then: speed }, pieces: 0 }
    }

    /// Two alternating speeds, starting with the first; each lasts an exponential time with its own mean. Drawn from
    /// `seed.stream("regimes")`.
    #[must_use]
    pub fn regimes(speeds: [f64; 2], means_s: [f64; 2], seed: Seed) -> Self {
        Self {
            course: Speeds::Regimes { speeds, means_s, draws: Box::new(seed.stream("regimes").sequence()) },
            pieces: 0,
        }
    }

    /// Normal speed for an exponential time with mean `mean_s`, then a pause of `pause_s`, repeatedly. Drawn from
    /// `seed.stream("pauses")`.
    #[must_use]
    pub fn pauses(mean_s: f64, pause_s: f64, seed: Seed) -> Self {
        Self {
            course: Speeds::Pauses { mean_s, pause_s, draws: Box::new(seed.stream("pauses").sequence()) },
            pieces: 0,
        }
    }

    /// The next piece; the last piece of a ramp or a step has no end.
    pub(super) fn next_piece(&mut self) -> Piece {
        let number = self.pieces;
        self.pieces += 1;
        let flat = |length_s: f64, speed: f64| Piece { length_s, from: speed, to: speed };
        let turn = (number % 2) as usize;
        match &mut self.course {
            Speeds::Ramp { from, to, length_s } if number == 0 => Piece { length_s: *length_s, from: *from, to: *to },
            Speeds::Ramp { to, .. } => flat(f64::INFINITY, *to),
            Speeds::Step { first, length_s, .. } if number == 0 => flat(*length_s, *first),
            Speeds::Step { then, .. } => flat(f64::INFINITY, *then),
            Speeds::Regimes { speeds, means_s, draws } => flat(means_s[turn] * exponential(&mut **draws), speeds[turn]),
            Speeds::Pauses { mean_s, draws, .. } if turn == 0 => flat(*mean_s * exponential(&mut **draws), 1.0),
            Speeds::Pauses { pause_s, .. } => flat(*pause_s, 0.0),
        }
    }
}
