//! Owns `Measured`: one measured rate of a saved result, and whether the objectives were met at it.

use std::fmt;

use crate::error::Refusal;
use crate::figures::{StatsView, TrialView};
use crate::metrics::{
    Ended, Known, Limit, LoadOrigin, Metric, Objective, Objectives, OriginOf, Statistic, VerdictResult,
};

/// Whether the objectives were met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// All objectives were met.
    Met,
    /// At least one objective was missed.
    Missed,
    /// The observed figures meet all objectives, but there were too few requests to be sure.
    Seems,
    /// The data cannot decide.
    Open,
}

impl Standing {
    /// The standing of two objectives together: the worse of the two.
    pub(super) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Missed, _) | (_, Self::Missed) => Self::Missed,
            (Self::Open, _) | (_, Self::Open) => Self::Open,
            (Self::Seems, _) | (_, Self::Seems) => Self::Seems,
            (Self::Met, Self::Met) => Self::Met,
        }
    }

    pub(super) const fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Missed }
    }
}

/// One measured rate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    /// Requests per second, > 0.
    pub rate_per_s: f64,
    /// Whether the objectives were met at this rate.
    pub standing: Standing,
    /// Mean output tokens of a request, if known.
    pub output_tokens: Option<f64>,
    /// The share of requests that met every objective, if known.
    pub good_share: Option<f64>,
    /// The arrival process as typed, if known.
    pub process: Option<String>,
}

/// The open loads among `trials`. A trial is judged by its own verdict if `objectives` is `None` or equals its own
/// objectives. Otherwise it is judged by its saved figures, without inference. Refused if the saved figures cannot
/// decide.
pub(super) fn rows_of(trials: &[TrialView], objectives: Option<&Objectives>) -> Result<Vec<Measured>, Refusal> {
    let open = trials.iter().filter(|trial| trial.load.origin == LoadOrigin::Planned);
    open.filter_map(|trial| Some((trial, trial.load.rate_per_s.filter(|rate| *rate > 0.0)?)))
        .map(|(trial, rate_per_s)| {
            let own = objectives.is_none_or(|asked| is_own(trial, asked));
            Ok(Measured {
                rate_per_s,
                standing: match objectives {
                    Some(asked) if !own => by_figures(trial, asked)?,
                    _ => by_verdict(trial)?,
                },
                output_tokens: trial.metrics.get(&Metric::OutputTokens).and_then(|view| view.headline().mean),
                // The saved share belongs to the trial's own objectives.
                good_share: trial.slo.attainment.filter(|_| own),
                process: trial.load.process.clone(),
            })
        })
        .collect()
}

/// Whether `asked` equals the objectives that the trial was judged by.
fn is_own(trial: &TrialView, asked: &Objectives) -> bool {
    let own = &trial.slo.objectives;
    let places = 0..asked.items().len();
    own.len() == places.len()
        && places.map(|place| asked.text(place)).all(|text| own.iter().any(|judged| judged.text == text))
}

fn by_verdict(trial: &TrialView) -> Result<Standing, Refusal> {
    Ok(match trial.verdict.result {
        VerdictResult::Pass => Standing::Met,
        VerdictResult::Fail => Standing::Missed,
        VerdictResult::Inconclusive => seen(trial),
        VerdictResult::None => {
            return Err(Refusal::new(
                "the result was measured without objectives",
                "give objectives here, as in the option slo 'p99 ttft<=200ms'",
            ));
        }
    })
}

/// The standing of a trial with an inconclusive verdict, by its observed figures and its own objectives: `Seems` or
/// `Open`.
fn seen(trial: &TrialView) -> Standing {
    let texts: Vec<&str> = trial.slo.objectives.iter().map(|objective| objective.text.as_str()).collect();
    let standing = Objectives::parse(&texts, None, None).and_then(|own| by_figures(trial, &own));
    match standing {
        Ok(Standing::Met) if !texts.is_empty() => Standing::Seems,
        _ => Standing::Open,
    }
}

fn by_figures(trial: &TrialView, asked: &Objectives) -> Result<Standing, Refusal> {
    let mut standing = Standing::Met;
    for (place, item) in asked.items().iter().enumerate() {
        standing = standing.and(match item {
            _ if asked.class_of(place).is_some() => return Err(not_saved(asked.text(place))),
            Objective::Latency(limit) => compare(figure(trial, limit)?, limit),
            Objective::ErrorRate(most) => {
                let counts = &trial.requests;
                let lost = counts.failed + counts.timed_out + counts.shed + counts.abandoned;
                if counts.planned == 0 {
                    Standing::Open
                } else {
                    Standing::of(lost as f64 <= most.share() * counts.planned as f64)
                }
            }
            Objective::Goodput(_) | Objective::Attainment(_) => return Err(not_saved(item)),
        });
    }
    let whole = trial.ended == Ended::Complete && trial.health.healthy;
    Ok(if whole || standing == Standing::Missed { standing } else { Standing::Open })
}

fn not_saved(item: impl fmt::Display) -> Refusal {
    Refusal::new(
        format!("`{item}` cannot be judged from saved figures"),
        "accepted is a quantile, a mean or a maximum of a latency, or error_rate; or measure again with this in the \
         option slo",
    )
}

fn figure(trial: &TrialView, limit: &Limit) -> Result<Option<Known>, Refusal> {
    let item = Objective::Latency(*limit);
    let Some(view) = trial.metrics.get(&limit.metric) else { return Ok(None) };
    let stats: &StatsView = match limit.origin {
        OriginOf::Service => view.service.as_ref().unwrap_or_else(|| view.headline()),
        OriginOf::Scheduled => view.headline(),
    };
    match limit.statistic {
        Statistic::Mean => Ok(stats.mean.filter(|_| stats.missed == 0 && stats.censored == 0).map(Known::At)),
        Statistic::Max => Ok(stats.max),
        Statistic::EachRequest => Err(not_saved(item)),
        Statistic::Quantile(quantile) => {
            let saved = [
                (0.5, stats.p50),
                (0.75, stats.p75),
                (0.9, stats.p90),
                (0.95, stats.p95),
                (0.99, stats.p99),
                (0.999, stats.p999),
            ];
            let found = saved.into_iter().find(|(share, _)| (share - quantile.share()).abs() < 1e-9);
            found.map(|(_, known)| known).ok_or_else(|| {
                Refusal::new(
                    format!("`{item}` cannot be judged from saved figures"),
                    "accepted is p50, p75, p90, p95, p99 or p99.9",
                )
            })
        }
    }
}

/// Compares an observed figure, in seconds, with its limit.
fn compare(observed: Option<Known>, limit: &Limit) -> Standing {
    let most_s = limit.limit.as_secs_f64();
    match observed {
        Some(Known::At(value_s)) => Standing::of(within(value_s, limit)),
        Some(Known::Above { above }) if above >= most_s => Standing::Missed,
        _ => Standing::Open,
    }
}

/// Whether `value_s` is within `limit`.
pub(super) fn within(value_s: f64, limit: &Limit) -> bool {
    let most_s = limit.limit.as_secs_f64();
    match limit.comparison {
        crate::metrics::Comparison::AtMost => value_s <= most_s,
        crate::metrics::Comparison::Below => value_s < most_s,
    }
}
