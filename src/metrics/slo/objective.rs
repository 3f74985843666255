//! Owns `Objective`: one objective, with its limit on a latency.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metrics::{Metric, OriginOf, Value};
use crate::units::{Quantile, Rate, Ratio};

/// The statistic of a latency over the requests that an objective limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Statistic {
    /// At least this share of the requests meet the limit.
    Quantile(Quantile),
    /// The mean meets the limit.
    Mean,
    /// The largest observed value meets the limit. No inference is made.
    Max,
    /// No statistic: a limit for each request, judged through the joint attainment.
    EachRequest,
}

/// How a value is compared with the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `<=`: a value equal to the limit meets it.
    AtMost,
    /// `<`: a value equal to the limit misses it.
    Below,
}

/// A limit on a latency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// The statistic over the requests.
    pub statistic: Statistic,
    /// The metric.
    pub metric: Metric,
    /// Where the clock of the metric starts.
    pub origin: OriginOf,
    /// `<=` or `<`.
    pub comparison: Comparison,
    /// The limit, 1 µs to 1 h.
    pub limit: Duration,
}

/// Whether one request meets a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is within the limit.
    Met,
    /// It is beyond the limit.
    Missed,
    /// The metric does not exist for this request.
    Undefined,
    /// It was cut off before that was known.
    Undecided,
}

impl Limit {
    /// The limit in nanoseconds.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        u64::try_from(self.limit.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The standing of a request with this value.
    #[must_use]
    pub fn standing(&self, value: Value) -> Standing {
        let within = |ticks: u64| match self.comparison {
            Comparison::AtMost => ticks <= self.ticks(),
            Comparison::Below => ticks < self.ticks(),
        };
        match value {
            Value::Defined(ticks) if within(ticks) => Standing::Met,
            Value::Censored(bound) if within(bound) => Standing::Undecided,
            Value::Defined(_) | Value::Censored(_) | Value::Miss => Standing::Missed,
            Value::Undefined => Standing::Undefined,
        }
    }

    /// Whether the limit applies to each request (a bare limit, or the limit inside `pQ m<=T`).
    #[must_use]
    pub const fn is_per_request(&self) -> bool {
        matches!(self.statistic, Statistic::Quantile(_) | Statistic::EachRequest)
    }
}

/// One objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Objective {
    /// `p99 ttft<=200ms`, `mean e2e<2s`, `max stall<=1s`, `ttft<=200ms`.
    Latency(Limit),
    /// `error_rate<=0.1%`: failed, timed-out, shed and abandoned requests ÷ planned requests.
    ErrorRate(Ratio),
    /// `attainment>=99%`: good requests ÷ planned requests.
    Attainment(Ratio),
    /// `goodput>=5/s`: good requests per second of the window.
    Goodput(Rate),
}

impl Objective {
    /// The limit, if it applies to each request.
    #[must_use]
    pub fn per_request(&self) -> Option<&Limit> {
        match self {
            Self::Latency(limit) if limit.is_per_request() => Some(limit),
            Self::Latency(_) | Self::ErrorRate(_) | Self::Attainment(_) | Self::Goodput(_) => None,
        }
    }

    /// The limit, if the objective limits a mean.
    #[must_use]
    pub fn mean(&self) -> Option<&Limit> {
        match self {
            Self::Latency(limit) if limit.statistic == Statistic::Mean => Some(limit),
            Self::Latency(_) | Self::ErrorRate(_) | Self::Attainment(_) | Self::Goodput(_) => None,
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency(limit) => {
                match limit.statistic {
                    Statistic::Quantile(quantile) => write!(f, "{quantile} ")?,
                    Statistic::Mean => f.write_str("mean ")?,
                    Statistic::Max => f.write_str("max ")?,
                    Statistic::EachRequest => {}
                }
                let suffix = if limit.origin == OriginOf::Service { "_service" } else { "" };
                let sign = if limit.comparison == Comparison::AtMost { "<=" } else { "<" };
                write!(f, "{}{suffix}{sign}{}", limit.metric, span_text(limit.limit))
            }
            Self::ErrorRate(share) => write!(f, "error_rate<={share}"),
            Self::Attainment(share) => write!(f, "attainment>={share}"),
            Self::Goodput(rate) => write!(f, "goodput>={rate}"),
        }
    }
}

/// The text of a limit, in the largest unit (s, ms, us) that needs no fraction.
fn span_text(span: Duration) -> String {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    if micros.is_multiple_of(1_000_000) {
        format!("{}s", micros / 1_000_000)
    } else if micros.is_multiple_of(1_000) {
        format!("{}ms", micros / 1_000)
    } else {
        format!("{micros}us")
    }
}
