//! Owns `ThinkLaw`: the law of the time between an answer and the next turn, and its notation.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::seed::{Stream, exponential, normal, open_unit};
use crate::units::parse_duration;

/// A law of think times. Each draw is limited to 0 s to 7 days.
///
/// | written | law |
/// |---|---|
/// | `5s` | always 5 s |
/// | `2s..10s` | uniform from 2 s to 10 s |
/// | `exp:5s` | exponential of mean 5 s |
/// | `normal:5s,1s` | normal of mean 5 s and standard deviation 1 s; 0 s instead of less |
/// | `lognormal:5s,1.2` | lognormal of *mean* 5 s; 1.2 is the standard deviation of the logarithm |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum ThinkLaw {
    /// Always this time.
    Fixed(Duration),
    /// Uniform between two times.
    Uniform {
        /// The shortest time.
        low: Duration,
        /// The longest time, at least `low`.
        high: Duration,
    },
    /// Exponential.
    Exponential {
        /// The mean.
        mean: Duration,
    },
    /// Normal, without negative times.
    Normal {
        /// The mean of the law before negative times become 0.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// Lognormal.
    LogNormal {
        /// The mean.
        mean: Duration,
        /// The standard deviation of the logarithm, 0 to 5.
        sigma: f64,
    },
}

/// The longest think time: 7 days. A session that thinks longer outlives every run.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// A time without rounding.
fn shown(time: Duration) -> String {
    format!("{}s", time.as_secs_f64())
}

const ACCEPTED: &str = "accepted is 5s, 2s..10s, exp:5s, normal:5s,1s or lognormal:5s,1.2";

impl ThinkLaw {
    /// No think time.
    pub const NONE: Self = Self::Fixed(Duration::ZERO);

    /// The think time of request `id` in nanoseconds: a pure function of the law, the stream and `id`.
    pub(super) fn draw_ns(&self, stream: &Stream, id: u64) -> u64 {
        self.drawn_s(&mut stream.at(id)).map_or_else(
            || if let Self::Fixed(time) = self { time.as_nanos() as u64 } else { 0 },
            |seconds| (seconds.clamp(0.0, LONGEST.as_secs_f64()) * 1e9) as u64,
        )
    }

    /// A draw in seconds; `None` for a fixed time.
    fn drawn_s(&self, generator: &mut impl Rng) -> Option<f64> {
        Some(match self {
            Self::Fixed(_) => return None,
            Self::Uniform { low, high } => {
                low.as_secs_f64() + (high.as_secs_f64() - low.as_secs_f64()) * open_unit(generator)
            }
            Self::Exponential { mean } => mean.as_secs_f64() * exponential(generator),
            Self::Normal { mean, deviation } => mean.as_secs_f64() + deviation.as_secs_f64() * normal(generator),
            Self::LogNormal { mean, sigma } => {
                mean.as_secs_f64() * libm::exp(sigma * normal(generator) - 0.5 * sigma * sigma)
            }
        })
    }
}

impl FromStr for ThinkLaw {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let refuse = || Refusal::new(format!("`{text}` is not a think time"), ACCEPTED);
        let time = |part: &str| {
            let read = parse_duration(part.trim()).map_err(|_| refuse())?;
            if read > LONGEST {
                return Err(Refusal::new(
                    format!("a think time of {} is out of range", shown(read)),
                    "accepted is 0s to 168h (7 days)",
                ));
            }
            Ok(read)
        };
        if let Some((law, arguments)) = text.split_once(':') {
            let pair = || arguments.split_once(',').ok_or_else(refuse);
            return match law {
                "exp" => Ok(Self::Exponential { mean: time(arguments)? }),
                "normal" => pair()
                    .and_then(|(mean, deviation)| Ok(Self::Normal { mean: time(mean)?, deviation: time(deviation)? })),
                "lognormal" => pair().and_then(|(mean, sigma)| {
                    let sigma = sigma.trim().parse::<f64>().ok().filter(|sigma| (0.0..=5.0).contains(sigma));
                    Ok(Self::LogNormal { mean: time(mean)?, sigma: sigma.ok_or_else(refuse)? })
                }),
                _ => Err(refuse()),
            };
        }
        match text.split_once("..") {
            None => Ok(Self::Fixed(time(text)?)),
            Some((low, high)) => {
                let (low, high) = (time(low)?, time(high)?);
                if low > high {
                    return Err(Refusal::new(
                        format!("the range `{text}` is empty"),
                        "accepted is LOW..HIGH with LOW at most HIGH",
                    ));
                }
                Ok(Self::Uniform { low, high })
            }
        }
    }
}

impl fmt::Display for ThinkLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(time) => f.write_str(&shown(*time)),
            Self::Uniform { low, high } => write!(f, "{}..{}", shown(*low), shown(*high)),
            Self::Exponential { mean } => write!(f, "exp:{}", shown(*mean)),
            Self::Normal { mean, deviation } => {
                write!(f, "normal:{},{}", shown(*mean), shown(*deviation))
            }
            Self::LogNormal { mean, sigma } => write!(f, "lognormal:{},{sigma}", shown(*mean)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn think_times_are_read_as_they_are_shown() {
        for text in ["5s", "0s", "0.25s", "2s..10s", "exp:5s", "normal:5s,1s", "lognormal:5s,1.2"] {
            let law: ThinkLaw = text.parse().unwrap();
            assert_eq!(law.to_string().parse::<ThinkLaw>().unwrap(), law, "{text}");
        }
        for text in ["", "5", "-1s", "9s..2s", "exp:", "exp:5", "gamma:5s", "normal:5s", "lognormal:5s,9", "9999h"] {
            let refusal = text.parse::<ThinkLaw>().unwrap_err();
            assert!(refusal.accepted.contains("accepted is"), "{text}: {refusal:?}");
        }
    }

    #[test]
    fn draws_have_the_mean_of_their_law() {
        let stream = Seed::new(3).stream("think_times");
        for (text, mean_s, tolerance_s) in [
            ("2s", 2.0, 0.0),
            ("2s..10s", 6.0, 0.05),
            ("exp:5s", 5.0, 0.1),
            ("normal:5s,1s", 5.0, 0.015),
            ("lognormal:5s,0.8", 5.0, 0.15),
        ] {
            let law: ThinkLaw = text.parse().unwrap();
            let total: u64 = (0..80_000).map(|id| law.draw_ns(&stream, id)).sum();
            let mean = total as f64 / 80_000.0 / 1e9;
            assert!((mean - mean_s).abs() <= tolerance_s + 1e-12, "{text}: {mean}");
        }
    }
}
