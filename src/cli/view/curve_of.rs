//! Owns the making of a [`Curve`] from the findings of a sweep or a search.

use crate::cli::view::curve::{Curve, CurvePoint, Mark};
use crate::figures::{MetricView, StatsView, TrialView};
use crate::metrics::{Known, Metric, Objective, Objectives, Statistic, VerdictResult};
use crate::results::Report;
use crate::search::maximum::{Purpose, SearchFindings};
use crate::search::{Axis, Kept, Stability, SweepFindings};
use crate::units::plain;

/// The figure that is drawn: a metric, and which of its statistics.
struct Figure {
    metric: Metric,
    name: String,
    of: fn(&StatsView) -> Option<f64>,
    limit_s: Option<f64>,
}

/// A bound counts as its value: the chart shows where a latency lies at least. `None` where nothing is known.
fn number(known: Option<Known>) -> Option<f64> {
    let value = known.map(|known| match known {
        Known::At(value) | Known::Above { above: value } | Known::Below { below: value } => value,
    });
    value.filter(|value| *value > 0.0)
}

impl Figure {
    /// p99 of ttft; of e2e where no trial has ttft.
    fn usual(trials: &[TrialView]) -> Self {
        let has_ttft = trials.iter().any(|trial| trial.metrics.contains_key(&Metric::Ttft));
        let metric = if has_ttft { Metric::Ttft } else { Metric::E2e };
        Self { metric, name: format!("p99 {metric}"), of: |stats| number(stats.p99), limit_s: None }
    }

    /// The statistic that objective number `place` limits; [`Figure::usual`] where it limits no latency.
    fn limited(objectives: &Objectives, place: usize, trials: &[TrialView]) -> Self {
        let Some(Objective::Latency(limit)) = objectives.items().get(place) else { return Self::usual(trials) };
        let (name, of): (String, fn(&StatsView) -> Option<f64>) = match limit.statistic {
            Statistic::Mean => ("mean".to_owned(), |stats| stats.mean),
            Statistic::Max => ("max".to_owned(), |stats| number(stats.max)),
            Statistic::Quantile(quantile) if quantile.share() <= 0.5 => ("p50".to_owned(), |stats| number(stats.p50)),
            Statistic::Quantile(quantile) if quantile.share() <= 0.9 => ("p90".to_owned(), |stats| number(stats.p90)),
            Statistic::Quantile(quantile) if quantile.share() <= 0.95 => ("p95".to_owned(), |stats| number(stats.p95)),
            Statistic::Quantile(quantile) if quantile.share() > 0.99 => {
                ("p99.9".to_owned(), |stats| number(stats.p999))
            }
            Statistic::Quantile(_) | Statistic::EachRequest => ("p99".to_owned(), |stats| number(stats.p99)),
        };
        let limit_s = Some(limit.limit.as_secs_f64());
        Self { metric: limit.metric, name: format!("{name} {}", limit.metric), of, limit_s }
    }

    fn of(&self, trial: &TrialView) -> Option<f64> {
        trial.metrics.get(&self.metric).map(MetricView::headline).and_then(self.of)
    }
}

/// What a sweep has found so far. `are_loops`: it varies the requests in flight of closed loops, and not a rate.
pub(in crate::cli) fn of_sweep(trials: &[TrialView], findings: &SweepFindings, are_loops: bool) -> Curve {
    let figure = Figure::usual(trials);
    let points = trials.iter().zip(&findings.points).filter_map(|(trial, point)| {
        let mark = match point.stability {
            Some(Stability::Stable) => Mark::Good,
            Some(Stability::Saturated) => Mark::Bad,
            Some(Stability::TooShort | Stability::Strained) => Mark::Open,
            // Nothing was answered.
            None if point.rate_per_s.is_some() => Mark::Bad,
            None => Mark::Loop,
        };
        // Among rates, a closed loop stands at the rate that it completed.
        let completed = || point.completion.as_ref().map(|completion| completion.per_s);
        let level = if are_loops { point.concurrency.map(f64::from) } else { point.rate_per_s.or_else(completed) };
        Some(CurvePoint { level: level?, latency_s: figure.of(trial), mark })
    });
    let knee = findings.knee.as_ref();
    let ends = [knee.and_then(|knee| knee.low_per_s), knee.and_then(|knee| knee.high_per_s)];
    let amount = |per_s: f64| findings.over.per_s(per_s);
    let knee_words = match ends {
        [Some(low), Some(high)] => Some(format!("knee {} to {}", plain(low), amount(high))),
        [Some(low), None] => Some(format!("knee at least {}", amount(low))),
        [None, Some(high)] => Some(format!("knee below {}", amount(high))),
        [None, None] => None,
    };
    let saturation =
        findings.saturation.as_ref().map(|saturation| format!("saturates at {}", amount(saturation.per_s)));
    Curve {
        figure: figure.name.clone(),
        axis: if are_loops { "in flight".to_owned() } else { axis_name(findings.over) },
        is_of_loops: are_loops,
        signs: ["stable", "saturated", "undecided"],
        points: points.collect(),
        limit_s: None,
        bracket: ends,
        best: None,
        words: knee_words.into_iter().chain(saturation).collect::<Vec<_>>().join(" · "),
    }
}

/// What a search has found so far.
pub(in crate::cli) fn of_search(report: &Report, findings: &SearchFindings, objectives: &Objectives) -> Curve {
    let texts = || (0..objectives.items().len()).map(|place| objectives.text(place));
    let limiting = texts().position(|text| findings.limited_by.as_deref() == Some(text.as_str()));
    let first = || objectives.items().iter().position(|item| matches!(item, Objective::Latency(_)));
    let place = limiting.or_else(first).unwrap_or(usize::MAX);
    let figure = Figure::limited(objectives, place, &report.trials);
    let probes = report.trials.iter().zip(&findings.loads);
    let probes = probes.filter(|(_, load)| load.purpose == Purpose::Probe && load.kept == Kept::Evidence);
    let points = probes.zip(&findings.probes).map(|((trial, _), probe)| CurvePoint {
        level: probe.level.value(),
        latency_s: figure.of(trial),
        mark: match trial.verdict.result {
            VerdictResult::Pass => Mark::Good,
            VerdictResult::Fail => Mark::Bad,
            VerdictResult::Inconclusive | VerdictResult::None => Mark::Open,
        },
    });
    let over = findings.figures.over;
    let words = match findings.figures.texts() {
        Some(([low, best], Some(high))) => format!("{} to {}, best {best}", low, over.amount(&high)),
        Some(([low, _], None)) => format!("at least {}", over.amount(&low)),
        None => String::new(),
    };
    let limited = findings.limited_by.as_ref().filter(|_| !words.is_empty());
    Curve {
        figure: figure.name.clone(),
        axis: axis_name(over),
        is_of_loops: over == Axis::Concurrency,
        signs: ["meets", "misses", "undecided"],
        points: points.collect(),
        limit_s: figure.limit_s,
        bracket: findings.figures.interval.unwrap_or_default(),
        best: findings.figures.best,
        words: limited.map_or_else(|| words.clone(), |by| format!("{words} · limited by {by}")),
    }
}

fn axis_name(over: Axis) -> String {
    match over {
        Axis::Rate => "requests/s".to_owned(),
        Axis::Sessions => "sessions/s".to_owned(),
        Axis::Concurrency => "in flight".to_owned(),
        Axis::TimeScale => "× recorded speed".to_owned(),
    }
}
