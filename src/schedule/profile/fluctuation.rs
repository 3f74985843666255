//! Owns AIBrix's fluctuating rate: its formula and its four presets.

use std::f64::consts::TAU;
use std::time::Duration;

use crate::error::Refusal;
use crate::schedule::clause::{Clause, Level, Time, Values, secs};
use crate::schedule::piece::Layer;
use crate::seed::{Stream, normal};

/// λ(t) = max(0, mean + fluctuate·sin(2πt/period) + noise): AIBrix's `sine_fluctuation` without its rounding to whole
/// numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fluctuation {
    /// Requests per second.
    mean: f64,
    /// Requests per second.
    fluctuate: f64,
    /// Standard deviation of the noise added at each step, in requests per second.
    noise: f64,
    period: Duration,
    /// The rate never falls.
    only_rise: bool,
}

impl Fluctuation {
    pub(super) fn read(values: Values<'_>) -> Result<Self, Refusal> {
        let only_rise = match values.optional("only_rise") {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(values.refuse(&format!("`only_rise={other}` is neither true nor false"))),
        };
        let noise = values.optional("noise").map_or(Ok(0.0), |text| values.level_of(text))?;
        let (mean, fluctuate) = (values.level("mean")?, values.level("fluctuate")?);
        Ok(Self { mean, fluctuate, noise, period: values.time("period")?, only_rise })
    }

    pub(super) fn clause(self, length: Option<Duration>) -> Clause {
        Clause::new("fluctuation")
            .with("mean", Level(self.mean))
            .with_some("for", length.map(Time))
            .with("fluctuate", Level(self.fluctuate))
            .with("period", Time(self.period))
            .with_some("noise", (self.noise > 0.0).then_some(Level(self.noise)))
            .with_some("only_rise", self.only_rise.then_some(true))
    }

    pub(super) fn lay(self, layer: &mut Layer, until_s: f64, stream: Stream) {
        let period_s = secs(self.period);
        if self.noise == 0.0 && !self.only_rise && self.fluctuate <= self.mean {
            return layer.wave(self.mean, self.fluctuate, period_s, 0.0, until_s);
        }
        let (start_s, step_s) = (layer.at_s(), (period_s / 64.0).min(1.0));
        let value = |step: u64| {
            let trend = self.mean + self.fluctuate * libm::sin(TAU * (step as f64 * step_s / period_s));
            (trend + self.noise * normal(&mut stream.at(step))).max(0.0)
        };
        let (mut step, mut before) = (0, value(0));
        while !layer.is_full() && layer.at_s() < until_s {
            step += 1;
            let next = if self.only_rise { before.max(value(step)) } else { value(step) };
            layer.line(before, next, start_s + step as f64 * step_s);
            before = next;
        }
    }
}

/// AIBrix's presets of a fluctuation with a given mean and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    QuickRising,
    SlowRising,
    SlightFluctuation,
    SevereFluctuation,
}

impl Preset {
    const ALL: [Self; 4] = [Self::QuickRising, Self::SlowRising, Self::SlightFluctuation, Self::SevereFluctuation];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::QuickRising => "quick_rising",
            Self::SlowRising => "slow_rising",
            Self::SlightFluctuation => "slight_fluctuation",
            Self::SevereFluctuation => "severe_fluctuation",
        }
    }

    /// AIBrix's values: fluctuate as a share of the mean, periods within the length, whether the rate only rises;
    /// noise 0.1/s.
    pub(super) fn fluctuation(self, mean: f64, length_s: f64) -> Fluctuation {
        let (share, periods, only_rise) = match self {
            Self::QuickRising => (0.5, 5.0, true),
            Self::SlowRising => (0.5, 0.25, true),
            Self::SlightFluctuation => (0.1, 1.0, false),
            Self::SevereFluctuation => (0.5, 12.0, false),
        };
        Fluctuation {
            mean,
            fluctuate: share * mean,
            noise: 0.1,
            period: Duration::from_secs_f64(length_s / periods).max(Duration::from_nanos(1)),
            only_rise,
        }
    }
}
