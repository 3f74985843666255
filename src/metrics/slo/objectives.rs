//! Owns `Objectives`, the validated set of the user's objectives.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::metrics::Metric;
use crate::metrics::slo::grammar;
use crate::metrics::slo::{Limit, Objective, Statistic};
use crate::units::Ratio;

/// The percentage of requests that must meet all bare objectives, unless another is given.
pub const DEFAULT_ATTAINMENT_PERCENT: f64 = 99.0;

/// A validated set of objectives; empty when none was given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Objectives {
    items: Vec<Objective>,
    attainment_implied: bool,
}

impl Objectives {
    /// Reads the texts of objectives (each may hold several, separated by commas or semicolons, and `@preset`) and the
    /// goodput text (`ttft:200 tpot:50`, milliseconds, bare objectives). If there are bare objectives and no
    /// attainment, the objective joint attainment ≥ `attainment` is added; where the default of 99 % was used,
    /// [`Objectives::attainment_implied`] is true.
    pub fn parse(texts: &[impl AsRef<str>], goodput: Option<&str>, attainment: Option<Ratio>) -> Result<Self, Refusal> {
        let mut items: Vec<Objective> = Vec::new();
        for text in texts {
            grammar::parse_list(text.as_ref(), &mut items)?;
        }
        if let Some(text) = goodput {
            grammar::parse_goodput(text, &mut items)?;
        }
        let mut distinct: Vec<Objective> = Vec::with_capacity(items.len());
        for item in items {
            if !distinct.contains(&item) {
                distinct.push(item);
            }
        }
        let mut objectives = Self { items: distinct, attainment_implied: false };
        let bare = objectives.limits().any(|(_, limit)| limit.statistic == Statistic::EachRequest);
        let stated = objectives.items.iter().any(|item| matches!(item, Objective::Attainment(_)));
        if !stated && (bare || (attainment.is_some() && objectives.limits().next().is_some())) {
            let share = attainment.map_or_else(|| Ratio::new(DEFAULT_ATTAINMENT_PERCENT / 100.0), Ok)?;
            objectives.items.push(Objective::Attainment(share));
            objectives.attainment_implied = attainment.is_none();
        }
        Ok(objectives)
    }

    /// The objectives in the order given; an added attainment is last.
    #[must_use]
    pub fn items(&self) -> &[Objective] {
        &self.items
    }

    /// Whether there are no objectives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether an attainment objective with the default share was added, so that it must be announced.
    #[must_use]
    pub fn attainment_implied(&self) -> bool {
        self.attainment_implied
    }

    /// The latency limits that apply to each request, with their places among the items.
    pub fn limits(&self) -> impl Iterator<Item = (usize, &Limit)> {
        self.latencies().filter(|(_, limit)| limit.is_per_request())
    }

    fn latencies(&self) -> impl Iterator<Item = (usize, &Limit)> {
        self.items.iter().enumerate().filter_map(|(place, item)| match item {
            Objective::Latency(limit) => Some((place, limit)),
            _ => None,
        })
    }

    /// Checks that every objective exists in this mode. Fails if an objective needs streamed answers and `streamed` is
    /// false.
    pub fn check_mode(&self, streamed: bool) -> Result<(), Refusal> {
        self.first_without(|metric| metric.is_defined(streamed, true)).map_or(Ok(()), |(objective, metric)| {
            Err(Refusal::new(
                format!("`{objective}` needs streamed answers: without them {metric} does not exist"),
                "judge e2e or ntpot, or stream",
            ))
        })
    }

    /// The first objective on a metric that does not exist by `defines`: its text, and the metric.
    pub fn first_without(&self, defines: impl Fn(Metric) -> bool) -> Option<(String, Metric)> {
        let (place, limit) = self.latencies().find(|(_, limit)| !defines(limit.metric))?;
        Some((self.items[place].to_string(), limit.metric))
    }

    /// The shortest drain after which every request that is still open is decided: the largest limit on ttft, ttfo, e2e
    /// or stall, plus `asked_output_tokens_max` × the largest limit per token.
    #[must_use]
    pub fn least_drain(&self, asked_output_tokens_max: u32) -> Duration {
        let per_token = |metric| matches!(metric, Metric::Tpot | Metric::Ntpot | Metric::Itl | Metric::Tbt);
        let largest = |wanted: bool| {
            let limits = self.latencies().filter(|(_, limit)| per_token(limit.metric) == wanted);
            limits.map(|(_, limit)| limit.limit).max().unwrap_or_default()
        };
        largest(false).saturating_add(largest(true).saturating_mul(asked_output_tokens_max))
    }
}

impl fmt::Display for Objectives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, item) in self.items.iter().enumerate() {
            write!(f, "{}{item}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
