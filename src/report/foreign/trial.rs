//! Owns what the formats of other tools share: sums and statistics over completed requests, and objects whose keys keep
//! their order.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::error::Error;
use crate::figures::{StatsView, TrialView};
use crate::metrics::{Known, LoadOrigin, Metric};
use crate::results::Report;

/// A JSON object that keeps the order of its keys.
#[derive(Debug, Default)]
pub(super) struct Ordered(Vec<(String, Value)>);

impl Ordered {
    pub(super) fn put(&mut self, key: impl Into<String>, value: Value) {
        self.0.push((key.into(), value));
    }

    /// The keys with their values, in their order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The object on one line.
    pub(super) fn line(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|why| Error::Internal(why.to_string()))
    }

    /// The object over several lines, with a line end.
    pub(super) fn page(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|why| Error::Internal(why.to_string()))
    }
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.end()
    }
}

/// Selects a statistic.
pub(super) type Pick = fn(&StatsView) -> Option<f64>;

/// A trial with the sums that other tools print.
pub(super) struct Completed<'trial> {
    pub(super) trial: &'trial TrialView,
    /// The length of the window in seconds.
    pub(super) window_s: f64,
    /// Input tokens of the completed requests.
    pub(super) input_tokens: u64,
    /// Output tokens of the completed requests.
    pub(super) output_tokens: u64,
}

impl<'trial> Completed<'trial> {
    pub(super) fn of(trial: &'trial TrialView) -> Self {
        let sum = |metric: Metric| total(stats(trial, metric)).unwrap_or(0.0).round() as u64;
        Self {
            trial,
            window_s: trial.window.length_s(),
            input_tokens: sum(Metric::InputTokens),
            output_tokens: sum(Metric::OutputTokens),
        }
    }

    /// Statistics of `metric` over the completed requests; `None` if the trial has none.
    pub(super) fn stats(&self, metric: Metric) -> Option<&'trial StatsView> {
        stats(self.trial, metric)
    }

    /// `count` ÷ the length of the window.
    pub(super) fn per_s(&self, count: u64) -> Option<f64> {
        (self.window_s > 0.0).then(|| count as f64 / self.window_s)
    }

    /// Puts the statistics of each latency into `keys` in milliseconds: mean, median, standard deviation, then
    /// `quantiles`. `names` are the middles of the keys, as in `p99_ttft_ms`.
    pub(super) fn put_latencies(&self, keys: &mut Ordered, names: [(&str, Metric); 4], quantiles: &[(&str, Pick)]) {
        for (name, metric) in names {
            let stats = self.stats(metric);
            let mut put = |which: &str, pick: Pick| {
                keys.put(format!("{which}_{name}_ms"), json!(stats.and_then(pick).map(|seconds| seconds * 1e3)));
            };
            put("mean", |stats| stats.mean);
            put("median", |stats| known(stats.p50));
            put("std", |stats| stats.std);
            for (which, pick) in quantiles {
                put(which, *pick);
            }
        }
    }

    /// The mean of `metric` × `factor`.
    pub(super) fn mean(&self, metric: Metric, factor: f64) -> Option<f64> {
        Some(self.stats(metric)?.mean? * factor)
    }

    /// The mean number of requests in service: the sum of e2e ÷ the length of the window.
    pub(super) fn concurrency(&self) -> Option<f64> {
        total(self.stats(Metric::E2e)).filter(|_| self.window_s > 0.0).map(|sum| sum / self.window_s)
    }

    /// The most output tokens a second; `None` if they are not known.
    pub(super) fn most_tokens_per_s(&self) -> Option<f64> {
        let samples = self.trial.samples.iter().map(|sample| sample.output_tokens / sample.width_s);
        samples.reduce(f64::max).filter(|_| self.trial.throughput.output_tokens_per_s.is_some())
    }

    /// Good requests a second; `None` without objectives.
    pub(super) fn good_per_s(&self) -> Option<f64> {
        self.trial.rates.good_per_s.filter(|_| !self.trial.slo.objectives.is_empty())
    }

    /// The rate asked for, in requests a second; `None` where answers release the requests.
    pub(super) fn rate_per_s(&self) -> Option<f64> {
        self.trial.load.rate_per_s.filter(|_| self.trial.load.origin != LoadOrigin::Released)
    }

    /// The rate as these tools have it: a number, or `inf`.
    pub(super) fn rate(&self) -> Value {
        self.rate_per_s().map_or_else(|| json!("inf"), |per_s| json!(per_s))
    }
}

fn stats(trial: &TrialView, metric: Metric) -> Option<&StatsView> {
    trial.metrics.get(&metric).map(|view| &view.completed_only)
}

fn total(stats: Option<&StatsView>) -> Option<f64> {
    stats.and_then(|stats| Some(stats.mean? * stats.count as f64))
}

/// A value that is known exactly, for tools that have no bounds.
pub(super) fn known(value: Option<Known>) -> Option<f64> {
    if let Some(Known::At(value)) = value { Some(value) } else { None }
}

/// The name of the API that was asked, as the option endpoint has it.
pub(super) fn endpoint_of(report: &Report) -> &str {
    report.config.endpoint.as_ref().map_or("chat", |endpoint| endpoint.text())
}

/// The instant of the start as `20261130-182553`.
pub(super) fn date_of(report: &Report) -> String {
    let digits: String = report.started.chars().filter(char::is_ascii_digit).take(14).collect();
    match digits.split_at_checked(8) {
        Some((day, time)) => format!("{day}-{time}"),
        None => digits,
    }
}

/// The number that `name` has among `names`, from 1: two trials may share a name.
pub(super) fn numbered(name: String, names: &[String]) -> String {
    let again = names.iter().filter(|other| other.split('~').next() == Some(&name)).count();
    if again > 0 { format!("{name}~{}", again + 1) } else { name }
}
