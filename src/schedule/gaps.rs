//! Owns the arrival instants of a random process in operational time, where the mean gap is 1.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::schedule::Process;
use crate::seed::{exponential, normal, open_unit};

/// The arrivals S₀ ≤ S₁ ≤ … of a stationary renewal process of rate 1, without end. Constant memory.
#[derive(Debug, Clone)]
pub(crate) struct UnitArrivals {
    gaps: Gaps,
    generator: ChaCha8Rng,
    next_index: u64,
    reached: f64,
}

/// The law of the gaps, with its parameters computed once.
#[derive(Debug, Clone, Copy)]
enum Gaps {
    Even,
    Poisson,
    /// Scale 1/shape.
    Gamma {
        shape: f64,
    },
    /// Scale 1/Γ(1 + 1/shape), so that the mean is 1.
    Weibull {
        shape: f64,
        scale: f64,
    },
}

impl From<Process> for Gaps {
    fn from(process: Process) -> Self {
        match process {
            Process::Even => Self::Even,
            Process::Poisson => Self::Poisson,
            Process::Gamma { cv } => Self::Gamma { shape: cv.gamma_shape() },
            Process::Weibull { cv } => {
                let shape = cv.weibull_shape();
                Self::Weibull { shape, scale: 1.0 / libm::tgamma(1.0 + 1.0 / shape) }
            }
        }
    }
}

impl UnitArrivals {
    pub(crate) fn new(process: Process, generator: ChaCha8Rng) -> Self {
        Self { gaps: process.into(), generator, next_index: 0, reached: 0.0 }
    }

    /// The next arrival, in mean gaps since the origin. An even arrival is its index, so that no error accumulates.
    pub(crate) fn advance(&mut self) -> f64 {
        let first = self.next_index == 0;
        let generator = &mut self.generator;
        self.reached = match self.gaps {
            Gaps::Even => self.next_index as f64,
            Gaps::Poisson => self.reached + exponential(generator),
            Gaps::Gamma { shape } => {
                // The gap around the origin is length-biased (shape + 1), and the origin is uniform inside it: the
                // equilibrium law (Cox, Renewal Theory, 1962, ch. 5). Otherwise the rate near the origin would be
                // wrong.
                let gap =
                    if first { open_unit(generator) * gamma(shape + 1.0, generator) } else { gamma(shape, generator) };
                self.reached + gap / shape
            }
            Gaps::Weibull { shape, scale } => {
                // Inversion: (gap/scale)^shape is exponential. The first gap is length-biased as above, with density
                // proportional to x·f(x): its power then has the gamma law of shape 1 + 1/c.
                let power = |of: f64| scale * libm::exp(libm::log(of) / shape);
                let gap = if first {
                    open_unit(generator) * power(gamma(1.0 + 1.0 / shape, generator))
                } else {
                    power(exponential(generator))
                };
                self.reached + gap
            }
        };
        self.next_index += 1;
        self.reached
    }
}

/// A draw of the gamma law of `shape` > 0 and scale 1: Marsaglia & Tsang, "A simple method for generating gamma
/// variables", ACM TOMS 26 (2000) 363–372; below shape 1 by its boost Gamma(k) = Gamma(k + 1) · U^(1/k).
pub(crate) fn gamma(shape: f64, generator: &mut impl Rng) -> f64 {
    if shape < 1.0 {
        let boosted = gamma_from_one(shape + 1.0, generator);
        return boosted * libm::exp(libm::log(open_unit(generator)) / shape);
    }
    gamma_from_one(shape, generator)
}

/// Like [`gamma`], for `shape` ≥ 1.
fn gamma_from_one(shape: f64, generator: &mut impl Rng) -> f64 {
    // The paper's d, c, x, v, U.
    let centre = shape - 1.0 / 3.0;
    let scale = 1.0 / libm::sqrt(9.0 * centre);
    loop {
        let x = normal(generator);
        let root = 1.0 + scale * x;
        if root <= 0.0 {
            continue;
        }
        let cube = root * root * root;
        let uniform = open_unit(generator);
        let squared = x * x;
        // The cheap test nearly always accepts, and saves two logarithms.
        if uniform < 1.0 - 0.0331 * squared * squared
            || libm::log(uniform) < 0.5 * squared + centre * (1.0 - cube + libm::log(cube))
        {
            return centre * cube;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn arrivals(process: &str, seed: u64) -> UnitArrivals {
        UnitArrivals::new(process.parse().unwrap(), Seed::new(seed).stream("arrivals").sequence())
    }

    #[test]
    fn gaps_have_mean_one_and_the_asked_variation() {
        for (process, cv) in [
            ("poisson", 1.0),
            ("gamma:0.1", 0.1),
            ("gamma:0.5", 0.5),
            ("gamma:1", 1.0),
            ("gamma:2", 2.0),
            ("gamma:4", 4.0),
        ] {
            let mut source = arrivals(process, 1);
            let (mut before, mut sum, mut squares) = (source.advance(), 0.0, 0.0);
            let n = 200_000.0;
            for _ in 0..200_000 {
                let now = source.advance();
                let gap = now - before;
                sum += gap;
                squares += gap * gap;
                before = now;
            }
            let mean = sum / n;
            let seen_cv = (squares / n - mean * mean).sqrt() / mean;
            // Five standard errors of the mean; the error of the CV grows with the fourth moment (kurtosis 3 + 6·CV²).
            assert!((mean - 1.0).abs() < 5.0 * cv / n.sqrt(), "{process}: mean {mean}");
            let cv_error = cv * ((2.0 + 6.0 * cv * cv + 4.0 * cv * cv) / (4.0 * n)).sqrt();
            assert!((seen_cv - cv).abs() < 5.0 * cv_error, "{process}: CV {seen_cv}");
        }
    }

    #[test]
    fn the_first_gap_has_the_equilibrium_law() {
        // The mean of the first gap is (1 + CV²)/2, not 1.
        for (process, mean) in [
            ("poisson", 1.0),
            ("gamma:0.5", 0.625),
            ("gamma:2", 2.5),
            ("weibull:0.5", 0.625),
            ("weibull:1", 1.0),
            ("weibull:1.5", 1.625),
        ] {
            let n = 20_000;
            let seen = (0..n).map(|seed| arrivals(process, seed).advance()).sum::<f64>() / n as f64;
            assert!((seen - mean).abs() < 0.05 * mean, "{process}: mean first gap {seen}, expected {mean}");
        }
    }

    #[test]
    fn even_arrivals_are_their_index() {
        let mut source = arrivals("even", 1);
        assert_eq!([(); 3].map(|()| source.advance().to_bits()), [0.0, 1.0, 2.0].map(f64::to_bits));
    }

    #[test]
    fn the_draws_are_the_same_on_every_machine() {
        let bits: Vec<String> = ["poisson", "gamma:0.5", "gamma:2", "weibull:2"]
            .map(|process| {
                let mut source = arrivals(process, 1);
                format!("{process} {:x?}", [source.advance(), source.advance(), source.advance()].map(f64::to_bits))
            })
            .into();
        insta::assert_snapshot!(bits.join("\n"), @r"
        poisson [3fe2149802708bf8, 3fe8a3e76a9dc308, 401da7413974b7d3]
        gamma:0.5 [3fec2637d0bc84c2, 3ff69a09906c7d5e, 4004648693c6c917]
        gamma:2 [400e7dac38196a54, 401124ef66b4d440, 4011376ab2d91928]
        weibull:2 [400ca8c3118c74a9, 400de059afa66c16, 400fbb1b0cb22d1e]
        ");
    }
}
