//! Owns `Measure`: a figure of a trial that is compared between runs, and how people write it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Refusal;
use crate::metrics::{Direction, Metric};
use crate::units::Quantile;

/// A figure of a trial that is compared between runs.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum Measure {
    /// A quantile of one of [`Measure::METRICS`], from the planned instant.
    Quantile(Quantile, Metric),
    /// Output tokens per second that arrived in the window.
    OutputTokensPerS,
    /// Requests per second that completed in the window.
    RequestsPerS,
    /// Good requests per second of the window.
    Goodput,
    /// Share of the planned requests that failed, timed out, were shed or abandoned.
    ErrorRate,
}

/// The unit of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureUnit {
    /// Seconds.
    Seconds,
    /// A number per second.
    PerSecond,
    /// A share, 0 to 1.
    Share,
}

const ACCEPTED: &str =
    "accepted is a quantile of ttft, tpot, itl or e2e (`p99 ttft`), tokens/s, requests/s, goodput or error_rate";

impl Measure {
    /// The latencies that are compared.
    pub const METRICS: [Metric; 4] = [Metric::Ttft, Metric::Tpot, Metric::Itl, Metric::E2e];

    /// The measures of every comparison, in the order of the table.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let quantiles: Vec<Quantile> = ["p50", "p90", "p99"].iter().filter_map(|text| text.parse().ok()).collect();
        let latencies = Self::METRICS.into_iter();
        latencies
            .flat_map(|metric| quantiles.iter().map(move |quantile| Self::Quantile(*quantile, metric)))
            .chain([Self::OutputTokensPerS, Self::RequestsPerS, Self::Goodput, Self::ErrorRate])
            .collect()
    }

    /// Which way is better.
    #[must_use]
    pub const fn better(self) -> Direction {
        match self {
            Self::Quantile(..) | Self::ErrorRate => Direction::Lower,
            Self::OutputTokensPerS | Self::RequestsPerS | Self::Goodput => Direction::Higher,
        }
    }

    /// Its unit.
    #[must_use]
    pub const fn unit(self) -> MeasureUnit {
        match self {
            Self::Quantile(..) => MeasureUnit::Seconds,
            Self::OutputTokensPerS | Self::RequestsPerS | Self::Goodput => MeasureUnit::PerSecond,
            Self::ErrorRate => MeasureUnit::Share,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantile(quantile, metric) => write!(f, "{quantile} {metric}"),
            Self::OutputTokensPerS => f.write_str("tokens/s"),
            Self::RequestsPerS => f.write_str("requests/s"),
            Self::Goodput => f.write_str("goodput"),
            Self::ErrorRate => f.write_str("error_rate"),
        }
    }
}

impl std::str::FromStr for Measure {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_latency = |name: &str| name.parse::<Metric>().ok().filter(|metric| Self::METRICS.contains(metric));
        let refuse = |why: String| Refusal::new(why, ACCEPTED);
        match words.as_slice() {
            ["tokens/s" | "output_tokens_per_s" | "output_throughput" | "tps"] => Ok(Self::OutputTokensPerS),
            ["requests/s" | "requests_per_s" | "request_throughput" | "rps"] => Ok(Self::RequestsPerS),
            ["goodput"] => Ok(Self::Goodput),
            ["error_rate" | "errors"] => Ok(Self::ErrorRate),
            [name] if is_latency(name).is_some() => {
                Err(Refusal::new(format!("`{text}` has no quantile"), format!("write `p99 {name}`")))
            }
            [quantile, name] => match is_latency(name) {
                Some(metric) => Ok(Self::Quantile(quantile.parse()?, metric)),
                None => Err(refuse(format!("`{name}` is not compared"))),
            },
            _ => Err(refuse(format!("`{text}` is not compared"))),
        }
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'text> Deserialize<'text> for Measure {
    fn deserialize<D: Deserializer<'text>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_is_read_by_its_own_name() {
        for measure in Measure::all() {
            assert_eq!(measure.to_string().parse(), Ok(measure));
        }
        assert_eq!("p95 e2el".parse::<Measure>().unwrap().to_string(), "p95 e2e");
    }

    #[test]
    fn what_is_not_compared_is_refused_with_what_is() {
        for (text, wanted) in [
            ("ttft", "write `p99 ttft`"),
            ("p99 stall", "`stall` is not compared; accepted is a quantile of ttft"),
            ("speed", "`speed` is not compared"),
            ("px ttft", "`px` is not a quantile"),
        ] {
            let said = text.parse::<Measure>().unwrap_err().to_string();
            assert!(said.contains(wanted), "{text}: {said}");
        }
    }
}
