//! Owns M/G/1: the law of the sojourn time by the Pollaczek–Khinchine formula, and the highest rate that meets an
//! objective.
#![allow(dead_code, reason = "each bench uses its part")]

/// Points of the grid between 0 and the limit. Twice as many points change no rate below by more than 0.02 %.
const POINTS: usize = 1_000;

/// A law of mean 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Need {
    /// Squared coefficient of variation.
    Lognormal(f64),
    /// Shape, and largest ÷ smallest value.
    Pareto(f64, f64),
    Exponential,
}

impl Need {
    /// P(S > x), and E min(S, x), which is the integral of P(S > x) from 0 to x.
    fn tail_and_bounded(self, x: f64) -> (f64, f64) {
        if x <= 0.0 {
            return (1.0, 0.0);
        }
        match self {
            Self::Exponential => (libm::exp(-x), -libm::expm1(-x)),
            Self::Lognormal(cv2) => {
                let variance = libm::log1p(cv2);
                let spread = libm::sqrt(variance);
                let above = |z: f64| 0.5 * libm::erfc(z / std::f64::consts::SQRT_2);
                let z = (libm::log(x) + variance / 2.0) / spread;
                // For mean 1, E(S; S ≤ x) is Φ(z − spread).
                (above(z), above(spread - z) + x * above(z))
            }
            Self::Pareto(shape, cut) => {
                let (beyond, short) = (libm::pow(cut, -shape), libm::pow(cut, 1.0 - shape));
                let least = (shape - 1.0) / shape * (1.0 - beyond) / (1.0 - short);
                let ratio = (x / least).min(cut);
                if ratio <= 1.0 {
                    return (1.0, x);
                }
                let tail = (libm::pow(ratio, -shape) - beyond) / (1.0 - beyond);
                // The integral of the tail from the smallest value on, in units of the smallest value.
                let from_least =
                    ((1.0 - libm::pow(ratio, 1.0 - shape)) / (shape - 1.0) - beyond * (ratio - 1.0)) / (1.0 - beyond);
                (tail, least * (1.0 + from_least))
            }
        }
    }
}

/// The highest Poisson rate at which P(sojourn > `limit`) of one server with mean service 1 is at most `allowed`.
pub(crate) fn mg1_rate(need: Need, allowed: f64, limit: f64) -> f64 {
    rate_on(need, allowed, limit, POINTS)
}

/// The same rate, computed on a grid with this number of points.
pub(crate) fn rate_on(need: Need, allowed: f64, limit: f64, points: usize) -> f64 {
    let step = limit / points as f64;
    let at: Vec<f64> = (0..=points).map(|place| need.tail_and_bounded((place as f64 + 0.5) * step).1).collect();
    // The wait is the sum of a geometric number of residual services, each rounded to the grid.
    let residual: Vec<f64> =
        (0..=points).map(|place| if place == 0 { at[0] } else { at[place] - at[place - 1] }).collect();
    let tails: Vec<f64> = (0..=points).map(|place| need.tail_and_bounded((points - place) as f64 * step).0).collect();
    let beyond = |rate: f64| {
        let factor = 1.0 / (1.0 - rate * residual[0]);
        let mut wait = vec![(1.0 - rate) * factor];
        // Panjer's recursion.
        for place in 1..=points {
            let sum: f64 = residual[1..=place].iter().zip(wait.iter().rev()).map(|(one, other)| one * other).sum();
            wait.push(rate * factor * sum);
        }
        let within: f64 = wait.iter().sum();
        (1.0 - within) + wait.iter().zip(&tails).map(|(one, other)| one * other).sum::<f64>()
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..24 {
        let middle = f64::midpoint(low, high);
        if beyond(middle) > allowed { high = middle } else { low = middle }
    }
    f64::midpoint(low, high)
}
