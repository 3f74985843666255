//! Owns the charts of the requests of one load: histograms, percentiles, lengths, lags, and single requests.

use crate::figures::{MetricView, TrialView};
use crate::metrics::{MOST_DRAWN, MOST_MISSED, Metric, RequestPoint};
use crate::record::OutcomeName;
use crate::report::chart::{Axis, Chart, Form, Kind, Lane, Lanes, Point};
use crate::report::html::course::{known, latency_axis, limits, with_objectives};
use crate::report::html::parts::key_of;
use crate::report::numbers::percent;
use crate::report::text::{Said, Text};
use crate::report::words::charts as words;
use crate::report::words::terms::title;
use crate::units::{Offset, count, plain};

/// The axis of shares of requests, as percentiles.
pub(super) fn percentile_axis() -> Axis {
    Axis { name: words::SHARE_BELOW.into(), kind: Kind::Tail, show: quantile_name }
}

/// `p99.9` for 0.999.
fn quantile_name(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}

fn curve(trial: &TrialView, metric: Metric) -> Vec<Point> {
    points(trial.shares(metric))
}

/// Pairs of share and value as points.
pub(super) fn points(shares: Vec<(f64, f64)>) -> Vec<Point> {
    shares.into_iter().map(|(share, value)| Point::at(share, Some(value))).collect()
}

/// The percentiles of the latencies of the service.
pub(super) fn percentiles(trial: &TrialView) -> Vec<Chart> {
    let of = |said: [Said; 2], axis: Said, metrics: &[Metric]| {
        let chart = Chart::new(said[0], said[1], percentile_axis(), latency_axis(axis));
        metrics.iter().fold(chart, |chart, metric| {
            with_objectives(chart.series(key_of(*metric), Form::Line, curve(trial, *metric)), trial, *metric)
        })
    };
    vec![
        of([words::TAIL_TITLE, words::TAIL_TOLD], words::LATENCY_AXIS, &[Metric::Ttft, Metric::E2e]),
        of(
            [words::TOKEN_TAIL_TITLE, words::TOKEN_TAIL_TOLD],
            words::TIME_AXIS,
            &[Metric::Tpot, Metric::Itl, Metric::Stall],
        ),
    ]
}

/// The bars of one histogram as points.
fn bars(ends: &[f64], shares: &[f64]) -> Vec<Point> {
    ends.iter().enumerate().map(|(place, end)| Point::at(*end, shares.get(place).copied())).collect()
}

/// The histograms of the latencies of the service, with p50, p90, p99 and the objectives.
pub(super) fn histograms(trial: &TrialView) -> Vec<Chart> {
    [Metric::Ttft, Metric::E2e, Metric::Tpot, Metric::Itl]
        .into_iter()
        .filter_map(|metric| histogram(trial, metric))
        .collect()
}

fn histogram(trial: &TrialView, metric: Metric) -> Option<Chart> {
    let found = trial.bars(metric)?;
    let stats = trial.metrics.get(&metric).map(MetricView::headline)?;
    let of_gaps = metric == Metric::Itl;
    let (told, series, axis) = if of_gaps {
        (words::SPREAD_OF_GAPS_TOLD.into(), words::GAPS, words::SHARE_OF_GAPS)
    } else {
        let without = Text::data(count(stats.missed + stats.censored));
        (words::SPREAD_TOLD.with([without]), words::REQUESTS, words::SHARE_OF_REQUESTS)
    };
    let up = Axis { name: axis.into(), kind: Kind::Linear, show: percent };
    let mut chart = Chart::new(words::SPREAD_TITLE.with([title(metric)]), told, latency_axis(key_of(metric)), up)
        .series(series, Form::Bars, bars(&found.ends, found.shares.first()?));
    for (name, figure) in [("p50", stats.p50), ("p90", stats.p90), ("p99", stats.p99)] {
        if let Some(value) = known(figure) {
            chart = chart.mark(Text::data(name), value);
        }
    }
    // An objective on itl judges the mean gap of each request, not a single gap.
    let limits = if of_gaps { Vec::new() } else { limits(trial, metric) };
    Some(limits.into_iter().fold(chart, |chart, (name, limit_s)| chart.mark(name, limit_s)))
}

/// The lengths of the requests: asked for, and as they came.
pub(super) fn lengths(trial: &TrialView) -> Vec<Chart> {
    let of = |metric: Metric, title: Said, axis: Said| {
        let found = trial.lengths(metric)?;
        let across = Axis { name: axis.into(), kind: Kind::Near, show: plain };
        let up = Axis { name: words::SHARE_OF_REQUESTS.into(), kind: Kind::Linear, show: percent };
        let [asked, came] = found.shares.as_slice() else { return None };
        let chart = Chart::new(title, words::LENGTHS_TOLD, across, up);
        let chart = chart.series(words::ASKED, Form::Bars, bars(&found.ends, asked));
        Some(chart.series(words::CAME, Form::Bars, bars(&found.ends, came)))
    };
    [
        of(Metric::InputTokens, words::INPUT_TITLE, words::INPUT_AXIS),
        of(Metric::OutputTokens, words::OUTPUT_TITLE, words::OUTPUT_AXIS),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How late the generator was.
pub(super) fn lags(trial: &TrialView) -> Chart {
    Chart::new(words::LAG_TITLE, words::LAG_TOLD, percentile_axis(), latency_axis(words::LAG_AXIS))
        .series(words::SEND_LAG, Form::Line, curve(trial, Metric::SendLag))
        .series(words::WAKE_LAG, Form::Line, curve(trial, Metric::WakeLag))
        .level(words::LAG_LIMIT, trial.health.send_lag_limit_s)
}

/// Some requests, one by one.
pub(super) fn one_by_one(trial: &TrialView) -> Lanes {
    let numbers = [
        count(trial.sampled.len() as u64),
        count(trial.requests.planned),
        count(trial.requests.planned.min(MOST_DRAWN as u64)),
        count(MOST_MISSED as u64),
    ];
    Lanes {
        title: words::LANES_TITLE.into(),
        description: words::LANES_TOLD.with(numbers.map(Text::data)),
        requests: trial.sampled.iter().map(lane).collect(),
    }
}

fn lane(point: &RequestPoint) -> Lane {
    let since = |at: Option<Offset>| at.map(|at| (at.as_secs() - point.scheduled_s.as_secs()).max(0.0));
    let missed = match point.outcome {
        OutcomeName::Completed => None,
        OutcomeName::Failed => Some(words::O_FAILED),
        OutcomeName::TimedOut => Some(words::O_TIMED_OUT),
        OutcomeName::Unresolved => Some(words::O_UNRESOLVED),
        OutcomeName::Shed => Some(words::O_SHED),
        OutcomeName::Cancelled => Some(words::O_CANCELLED),
        OutcomeName::Skipped => Some(words::O_SKIPPED),
        OutcomeName::Abandoned => Some(words::O_ABANDONED),
    };
    Lane {
        id: point.id,
        planned_s: point.scheduled_s.as_secs(),
        sent_s: since(point.sent_s),
        first_s: since(point.first_token_s),
        end_s: since(point.ended_s),
        missed: missed.map(Text::from),
    }
}
