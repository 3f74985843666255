//! Owns `Objectives`, the validated set of the user's objectives.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::metrics::Metric;
use crate::metrics::slo::grammar;
use crate::metrics::slo::{Limit, Objective, Statistic};
use crate::units::Ratio;

/// The percentage of requests that must meet all bare objectives, unless another is given.
pub(crate) const DEFAULT_ATTAINMENT_PERCENT: f64 = 99.0;

/// A validated set of objectives; empty when none was given. Each is about all requests, or about those of one class
/// (`chat: p99 ttft<=200ms`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Objectives {
    items: Vec<Objective>,
    /// The class of each item; an item without one, or beyond the end, is about all requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    classes: Vec<Option<Arc<str>>>,
    attainment_implied: bool,
}

impl Objectives {
    /// Reads the texts of objectives (each may hold several, separated by commas or semicolons, and `@preset`) and the
    /// goodput text (`ttft:200 tpot:50`, milliseconds, bare objectives). A class in front (`chat: …`) holds up to the
    /// next semicolon, line or class. If there are bare objectives and no attainment, the objective joint attainment ≥
    /// `attainment` is added, for a class with bare objectives of its own its attainment; where the default of 99 % was
    /// used, [`Objectives::attainment_implied`] is true.
    pub fn parse(texts: &[impl AsRef<str>], goodput: Option<&str>, attainment: Option<Ratio>) -> Result<Self, Refusal> {
        let mut scoped = Vec::new();
        for text in texts {
            grammar::parse_list(text.as_ref(), &mut scoped)?;
        }
        if let Some(text) = goodput {
            let mut items = Vec::new();
            grammar::parse_goodput(text, &mut items)?;
            scoped.extend(items.into_iter().map(|item| (None, item)));
        }
        let mut objectives = Self::default();
        for (class, item) in scoped {
            objectives.push(class, item);
        }
        let scopes: BTreeSet<Option<Arc<str>>> =
            (0..objectives.items.len()).map(|place| objectives.class_of(place).cloned()).collect();
        for scope in scopes {
            let own = |place: &usize| objectives.class_of(*place) == scope.as_ref();
            let items: Vec<Objective> =
                (0..objectives.items.len()).filter(own).map(|place| objectives.items[place]).collect();
            let stated = items.iter().any(|item| matches!(item, Objective::Attainment(_)));
            let limits = || items.iter().filter_map(Objective::per_request);
            let bare = limits().any(|limit| limit.statistic == Statistic::EachRequest);
            let asked = attainment.is_some() && scope.is_none() && limits().next().is_some();
            if !stated && (bare || asked) {
                let share = attainment.map_or_else(|| Ratio::new(DEFAULT_ATTAINMENT_PERCENT / 100.0), Ok)?;
                objectives.push(scope, Objective::Attainment(share));
                objectives.attainment_implied |= attainment.is_none();
            }
        }
        Ok(objectives)
    }

    /// Adds an objective, unless it is there already.
    fn push(&mut self, class: Option<Arc<str>>, item: Objective) {
        let known = |place: usize| self.items[place] == item && self.class_of(place) == class.as_ref();
        if (0..self.items.len()).any(known) {
            return;
        }
        if class.is_some() {
            self.classes.resize(self.items.len(), None);
            self.classes.push(class);
        }
        self.items.push(item);
    }

    /// The class that objective number `place` is about; `None` if it is about all requests.
    #[must_use]
    pub fn class_of(&self, place: usize) -> Option<&Arc<str>> {
        self.classes.get(place)?.as_ref()
    }

    /// The classes that objectives name.
    #[must_use]
    pub fn classes(&self) -> BTreeSet<Arc<str>> {
        self.classes.iter().flatten().cloned().collect()
    }

    /// Objective number `place` in its canonical text, with its class; empty beyond the end.
    #[must_use]
    pub fn text(&self, place: usize) -> String {
        let Some(item) = self.items.get(place) else { return String::new() };
        self.class_of(place).map_or_else(|| item.to_string(), |class| format!("{class}: {item}"))
    }

    /// The objectives that apply to each request of `class`: its own, then those about all requests.
    #[must_use]
    pub fn of_class(&self, class: &str) -> Self {
        let places = || 0..self.items.len();
        let own = places().filter(|place| self.class_of(*place).is_some_and(|named| **named == *class));
        let joint = places().filter(|place| self.class_of(*place).is_none());
        Self {
            items: own.chain(joint).map(|place| self.items[place]).collect(),
            classes: Vec::new(),
            attainment_implied: self.attainment_implied,
        }
    }

    /// The number that objective number `place` has in [`Objectives::of_class`] of its class.
    #[must_use]
    pub(crate) fn place_in_class(&self, place: usize) -> usize {
        (0..place).filter(|before| self.class_of(*before) == self.class_of(place)).count()
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

    /// The latency limits that apply to each request, of all classes.
    pub fn limits(&self) -> impl Iterator<Item = &Limit> {
        self.items.iter().filter_map(Objective::per_request)
    }

    /// The latency limits that apply to each request of `class`; with `None`, those that apply to every request.
    pub fn limits_of(&self, class: Option<&str>) -> impl Iterator<Item = &Limit> {
        self.items.iter().enumerate().filter_map(move |(place, item)| {
            let applies = self.class_of(place).is_none_or(|named| class == Some(named));
            item.per_request().filter(|_| applies)
        })
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

    /// The metric whose latency objective number `place` limits; `None` for an objective of another kind.
    #[must_use]
    pub fn metric_of(&self, place: usize) -> Option<Metric> {
        match self.items.get(place)? {
            Objective::Latency(limit) => Some(limit.metric),
            _ => None,
        }
    }

    /// The first objective on a metric that does not exist by `defines`: its text, and the metric.
    pub fn first_without(&self, defines: impl Fn(Metric) -> bool) -> Option<(String, Metric)> {
        let (place, limit) = self.latencies().find(|(_, limit)| !defines(limit.metric))?;
        Some((self.text(place), limit.metric))
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
        for place in 0..self.items.len() {
            let same = place > 0 && self.class_of(place) == self.class_of(place - 1);
            let between = if place == 0 {
                ""
            } else if same && self.class_of(place).is_none() {
                ", "
            } else {
                "; "
            };
            write!(f, "{between}{}", self.text(place))?;
        }
        Ok(())
    }
}
