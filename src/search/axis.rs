//! Owns `Axis`, the quantity that a sweep or a search varies, and `Level`, one load on that axis: unit, bounds, and
//! how both are written for people and in JSON.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::metrics::{LoadFacts, LoadKind};
use crate::schedule::TimeScale;
use crate::search::rates::significant;
use crate::units::{Rate, per_second, plain};
use crate::workload::Closed;

/// The quantity that a sweep or a search varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// The rate of an open load, in requests per second.
    #[default]
    Rate,
    /// The rate of new sessions of an open load, in sessions per second. The later turns of a session follow its
    /// answers.
    Sessions,
    /// Requests in flight of a closed loop. A user sends the next request after the response to the last one.
    Concurrency,
    /// The speed of a trace as a multiple of its recorded speed.
    TimeScale,
}

impl Axis {
    /// Each axis that a user chooses, with its name on the command line. A rate of sessions follows from the workload.
    pub const NAMES: [(Self, &str); 3] =
        [(Self::Rate, "rate"), (Self::Concurrency, "concurrency"), (Self::TimeScale, "time-scale")];

    /// The level at `value`, in the unit of the axis; a concurrency is rounded to a whole number.
    #[must_use]
    pub fn level(self, value: f64) -> Level {
        match self {
            Self::Rate => Level::RatePerS(value),
            Self::Sessions => Level::SessionsPerS(value),
            Self::Concurrency => Level::Concurrency(libm::round(value).clamp(1.0, f64::from(Closed::MOST)) as u32),
            Self::TimeScale => Level::TimeScale(value),
        }
    }

    /// An amount with its unit: `7.8/s`, `22 users in flight`.
    #[must_use]
    pub fn amount(self, number: &str) -> String {
        match self {
            Self::Rate => format!("{number}/s"),
            Self::Sessions => format!("{number} sessions/s"),
            Self::Concurrency => format!("{number} user{} in flight", if number == "1" { "" } else { "s" }),
            Self::TimeScale => format!("{number} × the trace"),
        }
    }

    /// The highest level that can be sent at all; `None` if there is no bound.
    #[must_use]
    pub fn most(self) -> Option<f64> {
        match self {
            Self::Rate | Self::Sessions => None,
            Self::Concurrency => Some(f64::from(Closed::MOST)),
            Self::TimeScale => Some(TimeScale::MOST),
        }
    }

    /// A rate of arrivals or completions in words: `7.80/s`, `1.9 sessions/s`.
    #[must_use]
    pub(crate) fn per_s(self, per_s: f64) -> String {
        match self {
            Self::Sessions => self.amount(&plain(per_s)),
            Self::Rate | Self::Concurrency | Self::TimeScale => per_second(per_s),
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
    pub(super) const fn is_rate(&self) -> bool {
        matches!(self, Self::Rate)
    }

    /// Whether the level is a rate of arrivals of an open load: of requests, or of sessions.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Rate | Self::Sessions)
    }

    /// The name of the quantity in words: `rate`, `number in flight`.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Sessions => "session rate",
            Self::Concurrency => "number in flight",
            Self::TimeScale => "time scale",
        }
    }

    /// The heading of a column of levels.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Sessions => "sessions/s",
            Self::Concurrency => "users",
            Self::TimeScale => "scale",
        }
    }

    /// The value of `limited_by` if no objective limits the load, but the highest level allowed.
    #[must_use]
    pub const fn limit(self) -> &'static str {
        match self {
            Self::Rate | Self::Sessions => "max_rate",
            Self::Concurrency => "max_concurrency",
            Self::TimeScale => "max_time_scale",
        }
    }

    /// Keys of the lower bound, the best estimate and the interval in `result.json`.
    #[must_use]
    pub const fn keys(self) -> [&'static str; 3] {
        match self {
            Self::Rate => ["safe_rate_per_s", "best_rate_per_s", "interval_per_s"],
            Self::Sessions => ["safe_sessions_per_s", "best_sessions_per_s", "interval_sessions_per_s"],
            Self::Concurrency => ["safe_concurrency", "best_concurrency", "interval_concurrency"],
            Self::TimeScale => ["safe_time_scale", "best_time_scale", "interval_time_scale"],
        }
    }
}

impl std::str::FromStr for Axis {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let known = Self::NAMES.into_iter().find(|(_, name)| *name == text.trim());
        let names = Self::NAMES.map(|(_, name)| name).join(", ");
        known
            .map(|(over, _)| over)
            .ok_or_else(|| Refusal::new(format!("`{text}` cannot be searched over"), format!("accepted is {names}")))
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::Sessions {
            return f.write_str("session rate");
        }
        f.write_str(Self::NAMES.into_iter().find(|(over, _)| over == self).map_or("", |(_, name)| name))
    }
}

/// One load on the axis of a sweep or a search. In JSON the key gives the unit: `rate_per_s`, `sessions_per_s`,
/// `concurrency`, `time_scale`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Requests per second.
    RatePerS(f64),
    /// New sessions per second.
    SessionsPerS(f64),
    /// Requests in flight.
    Concurrency(u32),
    /// The speed of a trace as a multiple of its recorded speed.
    TimeScale(f64),
}

impl Level {
    /// The level of the load that `facts` describe; `None` for a replay, whose scale they do not hold, and for a
    /// rate that no open load can have.
    #[must_use]
    pub fn of(facts: &LoadFacts) -> Option<Self> {
        match facts.kind {
            LoadKind::Open => {
                let per_s = Rate::new(facts.rate_per_s?).ok()?.per_s();
                Some(if facts.sessions.is_some() { Self::SessionsPerS(per_s) } else { Self::RatePerS(per_s) })
            }
            LoadKind::Synchronous | LoadKind::Concurrent | LoadKind::Throughput => {
                facts.concurrency.map(Self::Concurrency)
            }
            LoadKind::Replay => None,
        }
    }

    /// The rate of arrivals, in requests or in sessions per second; `None` if the level is not a rate.
    #[must_use]
    pub const fn rate_per_s(self) -> Option<f64> {
        match self {
            Self::RatePerS(per_s) | Self::SessionsPerS(per_s) => Some(per_s),
            Self::Concurrency(_) | Self::TimeScale(_) => None,
        }
    }

    /// The label of a load of a sweep: `synchronous`, `throughput`, `concurrent:50`, `12.6/s`.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Concurrency(1) => "synchronous".to_owned(),
            Self::Concurrency(Closed::THROUGHPUT) => "throughput".to_owned(),
            Self::Concurrency(in_flight) => format!("concurrent:{in_flight}"),
            Self::RatePerS(_) | Self::SessionsPerS(_) | Self::TimeScale(_) => self.to_string(),
        }
    }

    /// The value of the level, in the unit of its axis.
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Self::RatePerS(level) | Self::SessionsPerS(level) | Self::TimeScale(level) => level,
            Self::Concurrency(in_flight) => f64::from(in_flight),
        }
    }

    /// The level rounded to four significant digits, so that it can be read.
    #[must_use]
    pub fn shortened(self) -> Self {
        let rate = |per_s| significant(per_s, 4).clamp(Rate::MIN_PER_S, Rate::MAX_PER_S);
        match self {
            Self::RatePerS(per_s) => Self::RatePerS(rate(per_s)),
            Self::SessionsPerS(per_s) => Self::SessionsPerS(rate(per_s)),
            Self::Concurrency(_) => self,
            Self::TimeScale(scale) => Self::TimeScale(significant(scale, 4).clamp(TimeScale::LEAST, TimeScale::MOST)),
        }
    }

    /// The text for a column, in three digits: `29.7/s`, `12`, `2.31 ×`.
    #[must_use]
    pub fn figure(self) -> String {
        match self {
            Self::RatePerS(per_s) => per_second(per_s),
            Self::SessionsPerS(per_s) => plain(per_s),
            Self::Concurrency(in_flight) => in_flight.to_string(),
            Self::TimeScale(scale) => format!("{} ×", plain(scale)),
        }
    }
}

impl From<Rate> for Level {
    fn from(rate: Rate) -> Self {
        Self::RatePerS(rate.per_s())
    }
}

impl fmt::Display for Level {
    /// The label of a probe of a search, with every digit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatePerS(per_s) => write!(f, "{per_s}/s"),
            Self::SessionsPerS(per_s) => write!(f, "{per_s} sessions/s"),
            Self::Concurrency(in_flight) => write!(f, "{in_flight} in flight"),
            Self::TimeScale(scale) => write!(f, "{scale} ×"),
        }
    }
}
