//! Owns the shapes of a stage: the notation, the formula and the pieces of each.

use std::fmt;
use std::time::Duration;

use crate::error::Refusal;
use crate::schedule::clause::{Clause, Form, Level, Time, Values, secs};
use crate::schedule::piece::Layer;
use crate::schedule::profile::fluctuation::{Fluctuation, Preset};
use crate::schedule::profile::points;
use crate::seed::Stream;

/// The last word of a profile that starts again.
pub(crate) const REPEAT: &str = "repeat";

/// All shapes: `help profiles` prints this list, and the parser accepts it.
pub(crate) const FORMS: &[Form] = &[
    Form {
        name: "constant",
        words: &["rate", "for"],
        keys: &[],
        usage: "constant RATE [TIME]",
        formula: "λ = RATE",
        example: "constant 50/s 60s",
    },
    Form {
        name: "ramp",
        words: &["from..to", "for", "curve"],
        keys: &[],
        usage: "ramp FROM..TO TIME [linear|exponential]",
        formula: "λ = FROM + (TO − FROM)·t/TIME; exponential: λ = FROM·(TO/FROM)^(t/TIME)",
        example: "ramp 1/s..100/s 60s exponential",
    },
    Form {
        name: "hold",
        words: &["for"],
        keys: &[],
        usage: "hold [TIME]",
        formula: "λ = the rate at which the stage before it ends",
        example: "ramp 10/s..50/s 20s; hold 40s",
    },
    Form {
        name: "steps",
        words: &["rates", "each"],
        keys: &[],
        usage: "steps RATE,RATE,… TIME",
        formula: "λ = the k-th RATE for k·TIME ≤ t < (k + 1)·TIME",
        example: "steps 10/s,20/s,50/s,100/s 15s",
    },
    Form {
        name: "sine",
        words: &["mean", "for"],
        keys: &["amp", "period", "phase"],
        usage: "sine MEAN [TIME] amp=SHARE period=TIME [phase=SHARE]",
        formula: "λ = MEAN·(1 + amp·sin(2π·(t/period + phase))), amp up to 100%",
        example: "sine 50/s 120s amp=60% period=60s",
    },
    Form {
        name: "square",
        words: &["from..to", "for"],
        keys: &["period", "duty"],
        usage: "square FROM..TO [TIME] period=TIME [duty=50%]",
        formula: "λ = FROM, and TO for the last `duty` of each period",
        example: "square 10/s..90/s 120s period=40s duty=25%",
    },
    Form {
        name: "sawtooth",
        words: &["from..to", "for"],
        keys: &["period"],
        usage: "sawtooth FROM..TO [TIME] period=TIME",
        formula: "λ = FROM + (TO − FROM)·(t mod period)/period",
        example: "sawtooth 10/s..90/s 120s period=40s",
    },
    Form {
        name: "spike",
        words: &["from..to", "for"],
        keys: &["at", "rise", "decay"],
        usage: "spike BASE..PEAK [TIME] at=TIME decay=TIME [rise=0s]",
        formula: "λ = BASE; from `at` on it rises straight to PEAK within `rise`, then falls straight to \
            BASE within `decay`",
        example: "spike 10/s..100/s 120s at=40s rise=4s decay=40s",
    },
    Form {
        name: "points",
        words: &["points"],
        keys: &[],
        usage: "points TIME:RATE,TIME:RATE,…",
        formula: "λ is straight between points; two points at one TIME are a jump; as a file: CSV `t_s,rate`",
        example: "points 0s:10/s,30s:80/s,60s:80/s,60s:20/s,120s:40/s",
    },
    Form {
        name: "quick_rising",
        words: &["mean", "for"],
        keys: &[],
        usage: "quick_rising MEAN TIME",
        formula: "AIBrix: `fluctuation` with fluctuate=MEAN/2, noise=0.1/s, 5 periods, only_rise",
        example: "quick_rising 6/s 300s",
    },
    Form {
        name: "slow_rising",
        words: &["mean", "for"],
        keys: &[],
        usage: "slow_rising MEAN TIME",
        formula: "AIBrix: fluctuate=MEAN/2, noise=0.1/s, a quarter of a period, only_rise",
        example: "slow_rising 6/s 300s",
    },
    Form {
        name: "slight_fluctuation",
        words: &["mean", "for"],
        keys: &[],
        usage: "slight_fluctuation MEAN TIME",
        formula: "AIBrix: fluctuate=MEAN/10, noise=0.1/s, 1 period",
        example: "slight_fluctuation 6/s 300s",
    },
    Form {
        name: "severe_fluctuation",
        words: &["mean", "for"],
        keys: &[],
        usage: "severe_fluctuation MEAN TIME",
        formula: "AIBrix: fluctuate=MEAN/2, noise=0.1/s, 12 periods",
        example: "severe_fluctuation 6/s 300s",
    },
    Form {
        name: "fluctuation",
        words: &["mean", "for"],
        keys: &["fluctuate", "noise", "period", "only_rise"],
        usage: "fluctuation MEAN [TIME] fluctuate=RATE period=TIME [noise=RATE] [only_rise=true]",
        formula: "AIBrix: λ = max(0, MEAN + fluctuate·sin(2πt/period) + N(0, noise²)); the noise is drawn every 1 s \
            (period/64 if shorter); λ is straight between draws and not rounded; only_rise: the largest value so far",
        example: "fluctuation 6/s 300s fluctuate=2/s noise=0.4/s period=150s",
    },
    Form {
        name: REPEAT,
        words: &[],
        keys: &[],
        usage: "repeat",
        formula: "at the end of a profile: it starts again, until the load's duration or requests end it",
        example: "ramp 10/s..50/s 10s; hold 20s; repeat",
    },
];

/// One stage, valid by construction. Rates are in requests per second.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stage {
    Constant {
        rate: f64,
        length: Option<Duration>,
    },
    Ramp {
        from: f64,
        to: f64,
        length: Duration,
        exponential: bool,
    },
    Hold {
        length: Option<Duration>,
    },
    Steps {
        rates: Vec<f64>,
        each: Duration,
    },
    /// Amplitude and phase in percent, as typed.
    Sine {
        mean: f64,
        length: Option<Duration>,
        amplitude: f64,
        period: Duration,
        phase: f64,
    },
    Square {
        from: f64,
        to: f64,
        length: Option<Duration>,
        period: Duration,
        duty: f64,
    },
    Sawtooth {
        from: f64,
        to: f64,
        length: Option<Duration>,
        period: Duration,
    },
    Spike {
        base: f64,
        peak: f64,
        length: Option<Duration>,
        at: Duration,
        rise: Duration,
        decay: Duration,
    },
    /// Times never fall; the last time is above 0.
    Points {
        points: Vec<(Duration, f64)>,
    },
    Preset {
        preset: Preset,
        mean: f64,
        length: Duration,
    },
    Fluctuation {
        what: Fluctuation,
        length: Option<Duration>,
    },
}

impl Stage {
    /// Reads the values of a clause.
    pub(crate) fn read(values: Values<'_>) -> Result<Self, Refusal> {
        let (from_to, length) = (|| Ok((values.level("from")?, values.level("to")?)), || values.some_time("for"));
        let percent = |key: &str, otherwise: f64| values.percent(key, otherwise, 100.0);
        Ok(match values.name() {
            "constant" => Self::Constant { rate: values.level("rate")?, length: length()? },
            "ramp" => {
                let (from, to) = from_to()?;
                let exponential = match values.optional("curve") {
                    None | Some("linear") => false,
                    Some("exponential") if from > 0.0 && to > 0.0 => true,
                    Some("exponential") => return Err(values.refuse("an exponential ramp cannot start or end at 0/s")),
                    Some(other) => return Err(values.refuse(&format!("`{other}` is not a curve of a ramp"))),
                };
                Self::Ramp { from, to, length: values.time("for")?, exponential }
            }
            "hold" => Self::Hold { length: length()? },
            "steps" => {
                let rates: Result<Vec<f64>, Refusal> =
                    values.text("rates")?.split(',').map(|text| values.level_of(text)).collect();
                Self::Steps { rates: rates?, each: values.time("each")? }
            }
            "sine" => Self::Sine {
                mean: values.level("mean")?,
                length: length()?,
                amplitude: values.text("amp").and_then(|_| percent("amp", 0.0))?,
                period: values.time("period")?,
                phase: percent("phase", 0.0)?,
            },
            "square" => {
                let (from, to) = from_to()?;
                Self::Square {
                    from,
                    to,
                    length: length()?,
                    period: values.time("period")?,
                    duty: percent("duty", 50.0)?,
                }
            }
            "sawtooth" => {
                let (from, to) = from_to()?;
                Self::Sawtooth { from, to, length: length()?, period: values.time("period")? }
            }
            "spike" => {
                let (base, peak) = from_to()?;
                let (at, rise) = (values.span_of(values.text("at")?)?, values.span("rise", Duration::ZERO)?);
                Self::Spike { base, peak, length: length()?, at, rise, decay: values.span_of(values.text("decay")?)? }
            }
            "points" => Self::Points { points: points::parse(values)? },
            "fluctuation" => Self::Fluctuation { what: Fluctuation::read(values)?, length: length()? },
            name => match Preset::named(name) {
                Some(preset) => Self::Preset { preset, mean: values.level("mean")?, length: values.time("for")? },
                None => return Err(values.refuse(&format!("`{name}` is allowed only at the end of a profile"))),
            },
        })
    }

    /// The clause that [`Stage::read`] reads back.
    pub(crate) fn clause(&self) -> Clause {
        let new = Clause::new;
        let ends = |clause: Clause, from: f64, to: f64| clause.with("from", Level(from)).with("to", Level(to));
        let percent =
            |value: f64, otherwise: f64| (value.to_bits() != otherwise.to_bits()).then(|| format!("{value}%"));
        match self {
            Self::Constant { rate, length } => {
                new("constant").with("rate", Level(*rate)).with_some("for", length.map(Time))
            }
            Self::Ramp { from, to, length, exponential } => ends(new("ramp"), *from, *to)
                .with("for", Time(*length))
                .with_some("curve", exponential.then_some("exponential")),
            Self::Hold { length } => new("hold").with_some("for", length.map(Time)),
            Self::Steps { rates, each } => {
                let rates: Vec<String> = rates.iter().map(|rate| Level(*rate).to_string()).collect();
                new("steps").with("rates", rates.join(",")).with("each", Time(*each))
            }
            Self::Sine { mean, length, amplitude, period, phase } => new("sine")
                .with("mean", Level(*mean))
                .with_some("for", length.map(Time))
                .with("amp", format!("{amplitude}%"))
                .with("period", Time(*period))
                .with_some("phase", percent(*phase, 0.0)),
            Self::Square { from, to, length, period, duty } => ends(new("square"), *from, *to)
                .with_some("for", length.map(Time))
                .with("period", Time(*period))
                .with_some("duty", percent(*duty, 50.0)),
            Self::Sawtooth { from, to, length, period } => {
                ends(new("sawtooth"), *from, *to).with_some("for", length.map(Time)).with("period", Time(*period))
            }
            Self::Spike { base, peak, length, at, rise, decay } => ends(new("spike"), *base, *peak)
                .with_some("for", length.map(Time))
                .with("at", Time(*at))
                .with_some("rise", (!rise.is_zero()).then_some(Time(*rise)))
                .with("decay", Time(*decay)),
            Self::Points { points } => new("points").with("points", points::text(points)),
            Self::Preset { preset, mean, length } => {
                new(preset.name()).with("mean", Level(*mean)).with("for", Time(*length))
            }
            Self::Fluctuation { what, length } => what.clause(*length),
        }
    }

    /// The length of the stage; `None` if it has no end.
    pub(crate) fn length(&self) -> Option<Duration> {
        match self {
            Self::Ramp { length, .. } | Self::Preset { length, .. } => Some(*length),
            Self::Steps { rates, each } => u32::try_from(rates.len()).ok().and_then(|count| each.checked_mul(count)),
            Self::Points { points } => points.last().map(|(at, _)| *at),
            Self::Constant { length, .. }
            | Self::Hold { length }
            | Self::Sine { length, .. }
            | Self::Square { length, .. }
            | Self::Sawtooth { length, .. }
            | Self::Spike { length, .. }
            | Self::Fluctuation { length, .. } => *length,
        }
    }

    /// Adds the stage to `layer` until `until_s`, where the layer ends. Noise is drawn from `stream`.
    pub(crate) fn lay(&self, layer: &mut Layer, until_s: f64, stream: Stream) {
        let start_s = layer.at_s();
        match self {
            Self::Constant { rate, .. } => layer.flat(*rate, until_s),
            Self::Ramp { from, to, exponential: true, .. } => layer.exponential(*from, *to, until_s),
            Self::Ramp { from, to, .. } => layer.line(*from, *to, until_s),
            Self::Hold { .. } => layer.flat(layer.reached(), until_s),
            Self::Steps { rates, each } => {
                for (number, rate) in (1..).zip(rates) {
                    layer.flat(*rate, start_s + f64::from(number) * secs(*each));
                }
            }
            Self::Sine { mean, amplitude, period, phase, .. } => {
                layer.wave(*mean, mean * amplitude / 100.0, secs(*period), phase / 100.0, until_s);
            }
            Self::Square { from, to, period, duty, .. } => periods(layer, *period, |layer, end_s| {
                layer.flat(*from, end_s - secs(*period) * duty / 100.0);
                layer.flat(*to, end_s);
            }),
            Self::Sawtooth { from, to, period, .. } => {
                periods(layer, *period, |layer, end_s| layer.line(*from, *to, end_s));
            }
            Self::Spike { base, peak, at, rise, decay, .. } => {
                let top_s = start_s + secs(*at) + secs(*rise);
                layer.flat(*base, start_s + secs(*at));
                layer.line(*base, *peak, top_s);
                layer.line(*peak, *base, top_s + secs(*decay));
                layer.flat(*base, until_s);
            }
            Self::Points { points } => points::lay(points, layer),
            Self::Preset { preset, mean, length } => {
                preset.fluctuation(*mean, secs(*length)).lay(layer, until_s, stream);
            }
            Self::Fluctuation { what, .. } => what.lay(layer, until_s, stream),
        }
    }
}

/// Adds period after period until the layer is full; the last period may be cut. Each end is computed from the first
/// start.
fn periods(layer: &mut Layer, period: Duration, lay: impl Fn(&mut Layer, f64)) {
    let (start_s, mut number) = (layer.at_s(), 0.0);
    while !layer.is_full() {
        number += 1.0;
        lay(layer, start_s + number * secs(period));
    }
}

impl std::str::FromStr for Stage {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (clause, form) = Clause::parse(text, FORMS)?;
        Self::read(clause.values(form))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clause = self.clause();
        // Every clause of a stage has its form.
        FORMS.iter().find(|form| form.name == clause.name).map_or(Ok(()), |form| f.write_str(&clause.text(form)))
    }
}
