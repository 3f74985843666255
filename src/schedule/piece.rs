//! Owns the pieces of a rate over time: each has one formula λ(τ) ≥ 0, its exact integral, and the integral's
//! inverse.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;

/// The rate inside one piece. τ is seconds since the piece began, λ is requests per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Law {
    /// λ(τ) = from + slope·τ.
    Line {
        /// λ(0).
        from: f64,
        /// Requests per second, per second.
        slope: f64,
    },
    /// λ(τ) = from·e^(growth·τ), from > 0, growth ≠ 0.
    Exponential {
        /// λ(0).
        from: f64,
        /// Per second.
        growth: f64,
    },
    /// λ(τ) = mean + amplitude·sin(phase + turn·τ), amplitude ≤ mean; at most a sixteenth of a period long.
    Wave {
        /// Requests per second.
        mean: f64,
        /// Requests per second.
        amplitude: f64,
        /// 2π over the period, in radians per second.
        turn: f64,
        /// In radians.
        phase: f64,
    },
}

impl Law {
    /// λ(τ) in requests per second.
    pub(crate) fn rate(self, tau_s: f64) -> f64 {
        let rate = match self {
            Self::Line { from, slope } => from + slope * tau_s,
            Self::Exponential { from, growth } => from * libm::exp(growth * tau_s),
            Self::Wave { mean, amplitude, turn, phase } => mean + amplitude * libm::sin(phase + turn * tau_s),
        };
        // A rate of 0 may be rounded to slightly below 0.
        rate.max(0.0)
    }

    /// ∫ λ from 0 to τ, in requests.
    pub(crate) fn area(self, tau_s: f64) -> f64 {
        match self {
            Self::Line { from, slope } => tau_s * (from + 0.5 * slope * tau_s),
            Self::Exponential { from, growth } => from * (libm::expm1(growth * tau_s) / growth),
            Self::Wave { mean, amplitude, turn, phase } => {
                // cos a − cos b as a product, which loses no digits if the piece is short.
                let half = 0.5 * turn * tau_s;
                mean * tau_s + 2.0 * amplitude / turn * libm::sin(phase + half) * libm::sin(half)
            }
        }
        .max(0.0)
    }

    /// The τ in [0, `length_s`] with area(τ) = `area`: closed form, and for a wave Newton's steps inside a bracket,
    /// to 10⁻¹² s or the last bit.
    fn inverse(self, area: f64, length_s: f64) -> f64 {
        if area <= 0.0 {
            // If λ begins at 0, the formulas below divide 0 by 0.
            return 0.0;
        }
        match self {
            Self::Line { from, slope: 0.0 } => area / from,
            // The root of slope/2·τ² + from·τ = area, in the form without cancellation.
            Self::Line { from, slope } => 2.0 * area / (from + libm::sqrt((from * from + 2.0 * slope * area).max(0.0))),
            Self::Exponential { from, growth } => libm::log1p(growth * (area / from)) / growth,
            Self::Wave { .. } => self.solve(area, length_s),
        }
        .clamp(0.0, length_s)
    }

    fn solve(self, area: f64, length_s: f64) -> f64 {
        let (mut low, mut high) = (0.0, length_s);
        // Starts from the straight line through both ends. In so short a piece its error is below 2 %.
        let (from, to) = (self.rate(0.0), self.rate(length_s));
        let line = Self::Line { from, slope: (to - from) / length_s };
        let mut tau = line.inverse(area * (line.area(length_s) / self.area(length_s)), length_s);
        for _ in 0..100 {
            let off = self.area(tau) - area;
            if off > 0.0 {
                high = tau;
            } else {
                low = tau;
            }
            let step = off / self.rate(tau);
            let next = tau - step;
            // Where λ touches 0, a step leaves the bracket or is not a number: halve instead.
            let next = if next > low && next < high { next } else { 0.5 * (low + high) };
            let moved = (next - tau).abs();
            tau = next;
            if moved <= 1e-12 || high - low <= 1e-12 {
                break;
            }
        }
        tau
    }

    /// The highest λ in [0, `length_s`]; of a wave, a bound.
    fn highest(self, length_s: f64) -> f64 {
        match self {
            Self::Wave { mean, amplitude, .. } => mean + amplitude,
            Self::Line { .. } | Self::Exponential { .. } => self.rate(0.0).max(self.rate(length_s)),
        }
    }
}

/// One piece on the clock of its curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Piece {
    start_s: f64,
    length_s: f64,
    /// ∫ λ of all pieces before it, in requests.
    before: f64,
    law: Law,
}

/// Consecutive pieces from 0 on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pieces {
    laid: Vec<Piece>,
    end_s: f64,
    total: f64,
}

impl Pieces {
    /// The most pieces of one curve: 16 MiB.
    pub(crate) const MOST: usize = 1 << 18;

    /// The end of the last piece, in seconds.
    pub(crate) fn end_s(&self) -> f64 {
        self.end_s
    }

    /// The piece that holds `at_s`. The end of a piece belongs to the next piece.
    fn at(&self, at_s: f64) -> Option<&Piece> {
        let next = self.laid.partition_point(|piece| piece.start_s <= at_s);
        self.laid.get(next.checked_sub(1)?)
    }

    /// The borders of pieces at which λ jumps: (seconds, λ before, λ after).
    pub(crate) fn borders(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        self.laid.windows(2).map(|pair| {
            let [before, after] = [pair[0], pair[1]];
            (after.start_s, before.law.rate(before.length_s), after.law.rate(0.0))
        })
    }

    /// λ at `at_s` by the law of the piece around `place_s`, so that both sides of a jump can be read.
    pub(crate) fn rate_near(&self, place_s: f64, at_s: f64) -> f64 {
        self.at(place_s).map_or(0.0, |piece| piece.law.rate((at_s - piece.start_s).clamp(0.0, piece.length_s)))
    }

    /// λ at `at_s`, in requests per second; 0 outside.
    pub(crate) fn rate(&self, at_s: f64) -> f64 {
        if (0.0..self.end_s).contains(&at_s) { self.rate_near(at_s, at_s) } else { 0.0 }
    }

    /// Λ, ∫ λ from 0 to `at_s`, in requests.
    pub(crate) fn area(&self, at_s: f64) -> f64 {
        if at_s >= self.end_s {
            return self.total;
        }
        self.at(at_s)
            .map_or(0.0, |piece| piece.before + piece.law.area((at_s - piece.start_s).clamp(0.0, piece.length_s)))
    }

    /// The number of the piece in which the integral passes `reached`, searched from piece `from` on: the last piece
    /// that begins at or below `reached`. So an arrival at the end of one piece moves to the beginning of the next
    /// piece with a rate above 0.
    pub(crate) fn find(&self, reached: f64, from: usize) -> usize {
        let begun = |number: usize| self.laid.get(number).is_some_and(|piece| piece.before <= reached);
        // It is nearly always this piece or one of the next: strides that double, then bisection of the last stride.
        let mut stride = 1;
        while begun(from + stride) {
            stride *= 2;
        }
        let (low, high) = (from + stride / 2, (from + stride).min(self.laid.len()));
        low + self
            .laid
            .get(low..high)
            .map_or(0, |rest| rest.partition_point(|piece| piece.before <= reached).saturating_sub(1))
    }

    /// The instant, in seconds, at which the integral passes `reached` inside piece `number`; `None` beyond the end.
    pub(crate) fn inverse_in(&self, number: usize, reached: f64) -> Option<f64> {
        let piece = self.laid.get(number).filter(|_| reached < self.total)?;
        Some(piece.start_s + piece.law.inverse(reached - piece.before, piece.length_s))
    }

    /// The highest λ; of a wave, a bound.
    pub(crate) fn highest(&self) -> f64 {
        self.laid.iter().map(|piece| piece.law.highest(piece.length_s)).fold(0.0, f64::max)
    }

    /// λ just before the end.
    pub(crate) fn last_rate(&self) -> f64 {
        self.laid.last().map_or(0.0, |piece| piece.law.rate(piece.length_s))
    }

    /// These pieces after `lead_s` seconds at rate `level`.
    pub(crate) fn after(self, level: f64, lead_s: f64) -> Result<Self, Refusal> {
        if lead_s == 0.0 {
            return Ok(self);
        }
        let mut layer = Layer::new(lead_s + self.end_s);
        layer.flat(level, lead_s);
        for piece in &self.laid {
            layer.lay(piece.law, lead_s + piece.start_s + piece.length_s);
        }
        layer.done()
    }

    /// Where pieces begin, in seconds.
    pub(crate) fn starts(&self) -> impl Iterator<Item = f64> {
        self.laid.iter().map(|piece| piece.start_s)
    }
}

/// Adds piece after piece up to an end, and cuts off the rest.
#[derive(Debug)]
pub(crate) struct Layer {
    so_far: Pieces,
    limit_s: f64,
    /// The rounding error of the total (Kahan, CACM 8 (1965) 40), so that the last of 262 144 sums is as exact as the
    /// first.
    lost: f64,
    /// How many pieces were added: more than there are now, if equal rates became one piece.
    times: usize,
}

impl Layer {
    /// An empty layer that ends at `limit_s`.
    pub(crate) fn new(limit_s: f64) -> Self {
        Self { so_far: Pieces { laid: Vec::new(), end_s: 0.0, total: 0.0 }, limit_s, lost: 0.0, times: 0 }
    }

    /// Where the next piece begins.
    pub(crate) fn at_s(&self) -> f64 {
        self.so_far.end_s
    }

    /// Runs `lay` with a limit of at most `limit_s`: nothing is added beyond it.
    pub(crate) fn within(&mut self, limit_s: f64, lay: impl FnOnce(&mut Self)) {
        let outer_s = self.limit_s;
        self.limit_s = outer_s.min(limit_s);
        lay(self);
        self.limit_s = outer_s;
    }

    /// λ at the end of the last piece; 0 without a piece.
    pub(crate) fn reached(&self) -> f64 {
        self.so_far.last_rate()
    }

    /// Whether no more can be added: the end is reached, or there are too many pieces.
    pub(crate) fn is_full(&self) -> bool {
        self.so_far.end_s >= self.limit_s || self.times > Pieces::MOST
    }

    fn lay(&mut self, law: Law, until_s: f64) {
        let until_s = until_s.min(self.limit_s);
        let start_s = self.so_far.end_s;
        if until_s <= start_s || self.times > Pieces::MOST {
            return;
        }
        self.times += 1;
        self.so_far.end_s = until_s;
        // Equal rates become one piece: its instants are then bit for bit those of a constant rate.
        if let (Law::Line { from, slope: 0.0 }, Some(last)) = (law, self.so_far.laid.last_mut())
            && last.law == (Law::Line { from, slope: 0.0 })
        {
            last.length_s = until_s - last.start_s;
            self.so_far.total = last.before + last.law.area(last.length_s);
            self.lost = 0.0;
            return;
        }
        let length_s = until_s - start_s;
        let before = self.so_far.total;
        self.so_far.laid.push(Piece { start_s, length_s, before, law });
        let (area, sum) = (law.area(length_s), before + law.area(length_s) + self.lost);
        self.lost += (before - sum) + area;
        self.so_far.total = sum;
    }

    /// λ = `level` until `until_s`.
    pub(crate) fn flat(&mut self, level: f64, until_s: f64) {
        self.lay(Law::Line { from: level, slope: 0.0 }, until_s);
    }

    /// λ from `from` to `to`, straight, until `until_s`.
    pub(crate) fn line(&mut self, from: f64, to: f64, until_s: f64) {
        let length_s = until_s - self.so_far.end_s;
        if length_s > 0.0 {
            self.lay(
                Law::Line { from, slope: if from.to_bits() == to.to_bits() { 0.0 } else { (to - from) / length_s } },
                until_s,
            );
        }
    }

    /// λ from `from` to `to`, both above 0, exponential (equal factors in equal times), until `until_s`.
    pub(crate) fn exponential(&mut self, from: f64, to: f64, until_s: f64) {
        let length_s = until_s - self.so_far.end_s;
        let growth = libm::log(to / from) / length_s;
        if growth == 0.0 {
            self.flat(from, until_s);
        } else if length_s > 0.0 {
            self.lay(Law::Exponential { from, growth }, until_s);
        }
    }

    /// λ = mean + amplitude·sin(2π(t/period + `turns`)), t from the next piece's beginning, until `until_s`.
    pub(crate) fn wave(&mut self, mean: f64, amplitude: f64, period_s: f64, turns: f64, until_s: f64) {
        let (start_s, turn) = (self.so_far.end_s, TAU / period_s);
        let mut slice = 0.0;
        while !self.is_full() && self.so_far.end_s < until_s {
            let phase = TAU * (turns + slice / 16.0);
            slice += 1.0;
            self.lay(Law::Wave { mean, amplitude, turn, phase }, (start_s + slice * period_s / 16.0).min(until_s));
        }
    }

    /// The pieces; refused if there are more than [`Pieces::MOST`].
    pub(crate) fn done(self) -> Result<Pieces, Refusal> {
        if self.times > Pieces::MOST {
            return Err(Refusal::new(
                format!("this needs more than {} pieces of rate", Pieces::MOST),
                "accepted is a longer period, step or tau, or a shorter load",
            ));
        }
        Ok(self.so_far)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pieces of every law, one after another, with silences between them.
    fn pieces() -> Pieces {
        let mut layer = Layer::new(1_000.0);
        layer.flat(0.0, 3.0);
        layer.line(0.0, 40.0, 10.0);
        layer.exponential(40.0, 0.5, 30.0);
        layer.flat(0.0, 31.0);
        layer.wave(20.0, 20.0, 12.5, 0.25, 80.0);
        layer.line(90.0, 0.0, 100.0);
        layer.flat(7.0, 120.0);
        layer.exponential(7.0, 700.0, 130.0);
        layer.done().unwrap()
    }

    #[test]
    fn the_integral_is_that_of_the_formulas_by_hand() {
        let pieces = pieces();
        let wave = 20.0 * 49.0 + 20.0 * 12.5 / TAU * ((TAU * 0.25).cos() - (TAU * (0.25 + 49.0 / 12.5)).cos());
        for (at_s, wanted) in [
            (3.0, 0.0),
            (10.0, 140.0),
            (30.0, 140.0 + 39.5 * 20.0 / (80.0_f64).ln()),
            (31.0, 140.0 + 39.5 * 20.0 / (80.0_f64).ln()),
            (80.0, 140.0 + 39.5 * 20.0 / (80.0_f64).ln() + wave),
            (120.0, 140.0 + 39.5 * 20.0 / (80.0_f64).ln() + wave + 900.0 + 140.0),
            (130.0, 140.0 + 39.5 * 20.0 / (80.0_f64).ln() + wave + 900.0 + 140.0 + 693.0 * 10.0 / (100.0_f64).ln()),
            (500.0, pieces.total),
        ] {
            assert!((pieces.area(at_s) - wanted).abs() < 1e-9, "{at_s}: {} against {wanted}", pieces.area(at_s));
        }
    }

    #[test]
    fn an_arrival_at_the_edge_of_a_silence_stands_behind_it() {
        let mut layer = Layer::new(30.0);
        layer.flat(10.0, 10.0);
        layer.flat(0.0, 20.0);
        layer.flat(10.0, 30.0);
        let pieces = layer.done().unwrap();
        let at = |reached: f64| pieces.inverse_in(pieces.find(reached, 0), reached);
        assert_eq!([0.0, 99.0, 100.0, 199.0, 200.0].map(at), [Some(0.0), Some(9.9), Some(20.0), Some(29.9), None]);
    }

    #[test]
    fn the_inverse_of_nothing_is_the_beginning() {
        for law in [
            Law::Line { from: 0.0, slope: 2.0 },
            Law::Line { from: 3.0, slope: 0.0 },
            Law::Exponential { from: 1.0, growth: 0.5 },
            Law::Wave { mean: 5.0, amplitude: 5.0, turn: 1.0, phase: -0.25 * TAU },
        ] {
            assert_eq!(law.inverse(0.0, 1.0).to_bits(), 0, "{law:?}");
            assert!((law.inverse(law.area(1.0), 1.0) - 1.0).abs() < 1e-12, "{law:?}");
            let late = law.inverse(1e-18, 1.0);
            assert!((0.0..1e-5).contains(&late), "{law:?}: {late}");
        }
    }

    #[test]
    fn what_never_ends_is_refused_and_does_not_hang() {
        for text in [
            "constant 5/s 1us; repeat",
            "square 5/s..5/s period=1us",
            "sawtooth 5/s..6/s period=1us",
            "sine 5/s amp=5% period=1us",
            "fluctuation 5/s fluctuate=1/s period=1us only_rise=true",
        ] {
            let mut layer = Layer::new(60.0);
            text.parse::<crate::schedule::Profile>().unwrap().lay(&mut layer, 60.0, crate::seed::Seed::new(1));
            assert!(layer.done().is_err(), "{text}");
        }
    }

    #[test]
    fn equal_rates_are_one_piece() {
        let mut layer = Layer::new(60.0);
        for until_s in [10.0, 20.0, 60.0] {
            layer.flat(33.3, until_s);
        }
        assert_eq!(layer.done().unwrap().starts().count(), 1);
    }

    proptest! {
        #[test]
        fn the_inverse_undoes_the_integral_to_the_nanosecond(share in 0.0..1.0f64) {
            let pieces = pieces();
            let reached = share * pieces.total;
            let at_s = pieces.inverse_in(pieces.find(reached, 0), reached).unwrap();
            // In seconds: the error of the integral ÷ the rate there, plus the rounding of the sum.
            let off = (pieces.area(at_s) - reached).abs();
            prop_assert!(off <= 1e-10 * pieces.rate(at_s) + 1e-11, "{} requests off at {}", off, at_s);
        }

        #[test]
        fn the_integral_rises_as_the_rate_says(from_s in 0.0..130.0f64, length_s in 0.0..5.0f64) {
            let pieces = pieces();
            // The trapezoidal rule on a fine mesh, from the rate alone.
            let n = 4_000;
            let h = length_s / f64::from(n);
            let rate = |i: i32| pieces.rate(from_s + f64::from(i) * h);
            let sum: f64 = (0..n).map(|i| h * 0.5 * (rate(i) + rate(i + 1))).sum();
            let exact = pieces.area(from_s + length_s) - pieces.area(from_s);
            prop_assert!((sum - exact).abs() <= 2.0 * h * pieces.highest() + 1e-6 * exact, "{} against {}", sum, exact);
        }
    }
}
