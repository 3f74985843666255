//! Owns `Overlay`: a variation of the rate around itself, and its notation.

mod blend;
mod track;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Refusal;
use crate::schedule::clause::{Clause, Form, Level, Time, Values};
use crate::units::{parse_per_s, yaml_words};
pub(crate) use blend::blend;

/// All overlays: `help profiles` prints this list, and the parser accepts it.
pub(crate) const FORMS: &[Form] = &[
    Form {
        name: "sine",
        words: &[],
        keys: &["amp", "period", "phase"],
        usage: "sine amp=SIZE period=TIME [phase=SHARE]",
        formula: "f = 1 + amp·sin(2π·(t/period + phase)), amp up to 100%",
        example: "sine amp=50% period=60s",
    },
    Form {
        name: "diurnal",
        words: &[],
        keys: &["amp", "period", "peak"],
        usage: "diurnal amp=SIZE [period=24h] [peak=TIME]",
        formula: "f = 1 + amp·(cos x + ¼·cos 2x)/1.25, x = 2π·(t − peak)/period: a peak by day, a long flat night at \
            1 − 0.6·amp; peak is half a period by default; amp up to 100%",
        example: "diurnal amp=80% period=60s peak=35s",
    },
    Form {
        name: "square",
        words: &[],
        keys: &["amp", "period", "duty"],
        usage: "square amp=SIZE period=TIME [duty=50%]",
        formula: "f = 1 + amp in the first `duty` of each period, 1 − amp·duty/(1 − duty) in the rest; the rest must \
            not be below 0",
        example: "square amp=60% period=30s duty=40%",
    },
    Form {
        name: "spikes",
        words: &[],
        keys: &["height", "rise", "decay", "rate", "every", "at"],
        usage: "spikes height=SIZE decay=TIME [rise=0s] rate=RATE|every=TIME|at=TIME,TIME,…",
        formula: "f = (1 + height·s)/(1 + height·m); s is a sum of triangles, m its mean; each triangle \
            rises straight from 0 to 1 within `rise` and falls straight to 0 within `decay`; triangles begin at \
            Poisson instants of `rate`, or at every/2 and then each `every`, or at the times in `at` (m is then the \
            mean over the measured window)",
        example: "spikes height=300% rise=1s decay=8s rate=4/min",
    },
    Form {
        name: "ou",
        words: &[],
        keys: &["sd", "tau"],
        usage: "ou sd=SIZE tau=TIME",
        formula: "f = exp(σx − σ²/2), σ² = ln(1 + sd²): f has mean 1 and standard deviation sd; x is the stationary \
            Ornstein–Uhlenbeck process with correlation e^(−Δt/tau), drawn every tau/32; f is straight between \
            draws; if sd is a rate, sd·x is added",
        example: "ou sd=40% tau=10s",
    },
    Form {
        name: "noise",
        words: &[],
        keys: &["sd", "step"],
        usage: "noise sd=SIZE [step=1s]",
        formula: "f = exp(σz − σ²/2), σ² = ln(1 + sd²); z is a new normal draw for each step; if sd is a rate, sd·z is \
            added",
        example: "noise sd=30% step=1s",
    },
    Form {
        name: "bursts",
        words: &[],
        keys: &["height", "burst", "calm"],
        usage: "bursts height=SIZE burst=TIME calm=TIME",
        formula: "f = (1 + height·b)/(1 + height·p), b = 1 in a burst and 0 between bursts, p = burst/(burst + calm): \
            a Poisson process becomes a two-state MMPP; `burst` and `calm` are the means of exponential durations",
        example: "bursts height=400% burst=5s calm=20s",
    },
];

/// How much an overlay varies the rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Size {
    /// In percent, as typed.
    Percent(f64),
    /// In requests per second.
    PerS(f64),
}

impl Size {
    /// A share if the overlay multiplies, requests per second if it adds.
    fn value(self) -> f64 {
        match self {
            Self::Percent(percent) => percent / 100.0,
            Self::PerS(per_s) => per_s,
        }
    }

    const fn adds(self) -> bool {
        matches!(self, Self::PerS(_))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::PerS(per_s) => Level(*per_s).fmt(f),
        }
    }
}

/// A variation over a rate: it multiplies λ by f(t) ≥ 0, or adds requests per second. The mean does not change.
///
/// A SIZE with `%` multiplies. A SIZE that is a rate (`5/s`) adds the formula's variation around 0, in requests per
/// second. Several overlays apply in the given order. t counts from the beginning of the measured window. Draws come
/// from the seed's streams `overlay/0`, `overlay/1`, …
///
/// E[f(t)] = 1 at every t of a random overlay, and f has mean 1 over a whole period of a periodic one. Where an
/// adding overlay would take λ below 0, λ is 0. Then the whole of λ is scaled so that its integral over the measured
/// window equals the integral without adding overlays.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Sine { amplitude: Size, period: Duration, phase: f64 },
    Diurnal { amplitude: Size, period: Duration, peak: Duration },
    Square { amplitude: Size, period: Duration, duty: f64 },
    Spikes { height: Size, rise: Duration, decay: Duration, when: When },
    Wander { sd: Size, tau: Duration },
    Noise { sd: Size, step: Duration },
    Bursts { height: Size, burst: Duration, calm: Duration },
}

/// When spikes begin.
#[derive(Debug, Clone, PartialEq)]
enum When {
    /// A Poisson process of this rate, per second.
    Rate(f64),
    Every(Duration),
    At(Vec<Duration>),
}

const DAY: Duration = Duration::from_hours(24);
const SECOND: Duration = Duration::from_secs(1);

impl Overlay {
    /// Whether the overlay adds requests per second instead of multiplying.
    #[must_use]
    pub fn adds(&self) -> bool {
        self.size().adds()
    }

    /// Whether the overlay does not change the first `length`, because its first spike comes later.
    #[must_use]
    pub fn comes_after(&self, length: Duration) -> bool {
        match &self.0 {
            Kind::Spikes { when: When::At(times), .. } => times.first().is_some_and(|first| *first >= length),
            Kind::Spikes { when: When::Every(period), .. } => *period / 2 >= length,
            _ => false,
        }
    }

    fn size(&self) -> Size {
        match &self.0 {
            Kind::Sine { amplitude, .. } | Kind::Diurnal { amplitude, .. } | Kind::Square { amplitude, .. } => {
                *amplitude
            }
            Kind::Spikes { height, .. } | Kind::Bursts { height, .. } => *height,
            Kind::Wander { sd, .. } | Kind::Noise { sd, .. } => *sd,
        }
    }

    fn read(values: Values<'_>) -> Result<Self, Refusal> {
        let size = |key: &str, most_percent: f64| {
            let text = values.text(key)?;
            if text.ends_with('%') {
                return values.percent(key, 0.0, most_percent).map(Size::Percent);
            }
            match parse_per_s(text) {
                Ok(per_s) if text.contains('/') && per_s >= 0.0 => values.level(key).map(Size::PerS),
                _ => Err(values.refuse(&format!(
                    "`{key}={text}` is neither a share (50%), which multiplies, nor a rate (5/s), which adds"
                ))),
            }
        };
        Ok(Self(match values.name() {
            "sine" => Kind::Sine {
                amplitude: size("amp", 100.0)?,
                period: values.time("period")?,
                phase: values.percent("phase", 0.0, 100.0)?,
            },
            "diurnal" => {
                let period = values.some_time("period")?.unwrap_or(DAY);
                Kind::Diurnal { amplitude: size("amp", 100.0)?, period, peak: values.span("peak", period / 2)? }
            }
            "square" => {
                let (amplitude, duty) = (size("amp", MOST_PERCENT)?, values.percent("duty", 50.0, 99.9)?);
                if matches!(amplitude, Size::Percent(percent) if percent * duty > 100.0 * (100.0 - duty)) {
                    return Err(values.refuse("amp·duty/(1 − duty) is above 1, which takes the rate below 0"));
                }
                Kind::Square { amplitude, period: values.time("period")?, duty }
            }
            "spikes" => {
                let (rise, decay) = (values.span("rise", Duration::ZERO)?, values.span_of(values.text("decay")?)?);
                if (rise + decay).is_zero() {
                    return Err(values.refuse("a spike without rise and decay has no length"));
                }
                Kind::Spikes { height: size("height", MOST_PERCENT)?, rise, decay, when: When::read(values)? }
            }
            "ou" => Kind::Wander { sd: size("sd", MOST_PERCENT)?, tau: values.time("tau")? },
            "noise" => Kind::Noise { sd: size("sd", MOST_PERCENT)?, step: values.some_time("step")?.unwrap_or(SECOND) },
            _ => Kind::Bursts {
                height: size("height", MOST_PERCENT)?,
                burst: values.time("burst")?,
                calm: values.time("calm")?,
            },
        }))
    }

    fn clause(&self) -> Clause {
        let new = Clause::new;
        let percent =
            |value: f64, otherwise: f64| (value.to_bits() != otherwise.to_bits()).then(|| format!("{value}%"));
        match &self.0 {
            Kind::Sine { amplitude, period, phase } => new("sine")
                .with("amp", amplitude)
                .with("period", Time(*period))
                .with_some("phase", percent(*phase, 0.0)),
            Kind::Diurnal { amplitude, period, peak } => new("diurnal")
                .with("amp", amplitude)
                .with_some("period", (*period != DAY).then_some(Time(*period)))
                .with_some("peak", (*peak != *period / 2).then_some(Time(*peak))),
            Kind::Square { amplitude, period, duty } => new("square")
                .with("amp", amplitude)
                .with("period", Time(*period))
                .with_some("duty", percent(*duty, 50.0)),
            Kind::Spikes { height, rise, decay, when } => {
                let clause = new("spikes")
                    .with("height", height)
                    .with_some("rise", (!rise.is_zero()).then_some(Time(*rise)))
                    .with("decay", Time(*decay));
                match when {
                    When::Rate(per_s) => clause.with("rate", Level(*per_s)),
                    When::Every(period) => clause.with("every", Time(*period)),
                    When::At(times) => {
                        clause.with("at", times.iter().map(|at| Time(*at).to_string()).collect::<Vec<_>>().join(","))
                    }
                }
            }
            Kind::Wander { sd, tau } => new("ou").with("sd", sd).with("tau", Time(*tau)),
            Kind::Noise { sd, step } => {
                new("noise").with("sd", sd).with_some("step", (*step != SECOND).then_some(Time(*step)))
            }
            Kind::Bursts { height, burst, calm } => {
                new("bursts").with("height", height).with("burst", Time(*burst)).with("calm", Time(*calm))
            }
        }
    }
}

/// Maximum SIZE, 100 times the rate: for larger variations, a profile is clearer.
const MOST_PERCENT: f64 = 10_000.0;

impl When {
    fn read(values: Values<'_>) -> Result<Self, Refusal> {
        match (values.optional("rate"), values.optional("every"), values.optional("at")) {
            (Some(_), None, None) => match values.level("rate")? {
                0.0 => Err(values.refuse("spikes at a rate of 0 never occur")),
                per_s => Ok(Self::Rate(per_s)),
            },
            (None, Some(_), None) => values.time("every").map(Self::Every),
            (None, None, Some(times)) => {
                let mut times = times.split(',').map(|text| values.span_of(text)).collect::<Result<Vec<_>, _>>()?;
                times.sort_unstable();
                Ok(Self::At(times))
            }
            _ => Err(values.refuse("spikes need exactly one of `rate`, `every` and `at`")),
        }
    }
}

impl std::str::FromStr for Overlay {
    type Err = Refusal;

    /// Reads `NAME KEY=VALUE…`.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.trim_start().starts_with('{') {
            // The mapping of a configuration file.
            return serde_saphyr::from_str(text).map_err(|why| {
                Refusal::new(yaml_words(&why), "see `tonnage help profiles` for the keys of each overlay")
            });
        }
        let (clause, form) = Clause::parse(text, FORMS)?;
        Self::read(clause.values(form))
    }
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clause = self.clause();
        // Every clause of an overlay has its form.
        FORMS.iter().find(|form| form.name == clause.name).map_or(Ok(()), |form| f.write_str(&clause.text(form)))
    }
}

impl Serialize for Overlay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.clause().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Overlay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (clause, form) = Clause::deserialize(deserializer, FORMS)?;
        Self::read(clause.values(form)).map_err(serde::de::Error::custom)
    }
}
