//! Owns the charts of one load over time, and the axes that charts share.

use crate::figures::TrialView;
use crate::metrics::{BlockPoint, Known, Metric, Objective, SamplePoint};
use crate::report::chart::{Axis, Chart, Form, Kind, Point};
use crate::report::numbers::percent;
use crate::report::text::{Said, Text};
use crate::report::words::charts as words;
use crate::telemetry::Quantity;
use crate::units::{plain, seconds};

/// The most points of a series over time; neighbours are merged.
const MOST_POINTS: usize = 150;

/// The axis of time since the start.
fn time() -> Axis {
    Axis { name: words::TIME.into(), kind: Kind::Linear, show: seconds }
}

/// An axis of seconds.
pub(super) fn latency_axis(name: impl Into<Text>) -> Axis {
    Axis { name: name.into(), kind: Kind::Log, show: seconds }
}

/// A linear axis of plain numbers.
pub(super) fn plain_axis(name: Said) -> Axis {
    Axis { name: name.into(), kind: Kind::Linear, show: plain }
}

/// The number, if it is known.
pub(super) fn known(figure: Option<Known>) -> Option<f64> {
    if let Some(Known::At(value)) = figure { Some(value) } else { None }
}

/// The objectives on `metric`: the text and the limit of each, in seconds.
pub(super) fn limits(trial: &TrialView, metric: Metric) -> Vec<(Text, f64)> {
    let limit = |text: &str, asked: Option<Objective>| match asked {
        Some(Objective::Latency(limit)) if limit.metric == metric => {
            Some((words::OBJECTIVE.with([Text::data(text)]), limit.limit.as_secs_f64()))
        }
        _ => None,
    };
    trial.slo.objectives.iter().filter_map(|objective| limit(&objective.text, objective.asked())).collect()
}

/// `chart` with a line for each objective on `metric`.
pub(super) fn with_objectives(chart: Chart, trial: &TrialView, metric: Metric) -> Chart {
    limits(trial, metric).into_iter().fold(chart, |chart, (name, limit_s)| chart.level(name, limit_s))
}

/// `chart` with the warm-up, which is not counted.
fn with_warmup(chart: Chart, trial: &TrialView) -> Chart {
    let warmed_s = trial.window.start.as_secs();
    if warmed_s > 0.0 { chart.range(words::WARM_UP, [0.0, warmed_s]) } else { chart }
}

/// The points of a series over time.
fn line(samples: &[SamplePoint], value: impl Fn(&SamplePoint) -> Option<f64>) -> Vec<Point> {
    samples.iter().map(|sample| Point::at(sample.start_s + sample.width_s / 2.0, value(sample))).collect()
}

/// The charts of the load over time.
pub(super) fn over_time(trial: &TrialView) -> Vec<Chart> {
    let samples = merged(&trial.samples);
    let rate = |number: fn(&SamplePoint) -> u64| line(&samples, |sample| Some(number(sample) as f64 / sample.width_s));
    let mut rates = Chart::new(words::RATES_TITLE, words::RATES_TOLD, time(), plain_axis(words::RATE_AXIS))
        .series(words::PLANNED, Form::Line, rate(|sample| sample.scheduled))
        .series(words::SENT, Form::Line, rate(|sample| sample.sent))
        .series(words::COMPLETED, Form::Line, rate(|sample| sample.completed));
    if samples.iter().any(|sample| sample.missed > 0) {
        rates = rates.series(words::MISSED, Form::Line, rate(|sample| sample.missed));
    }
    let flight = Chart::new(words::FLIGHT_TITLE, words::FLIGHT_TOLD, time(), plain_axis(words::IN_FLIGHT_AXIS)).series(
        words::IN_FLIGHT,
        Form::Line,
        line(&samples, |sample| Some(sample.in_flight)),
    );
    let blocks = |pick: fn(&BlockPoint) -> Option<Known>| -> Vec<Point> {
        let middle = |block: &BlockPoint| block.start_s + block.width_s / 2.0;
        let filled = trial.blocks.iter().filter(|block| block.planned > 0);
        filled.map(|block| Point::at(middle(block), known(pick(block)))).collect()
    };
    let latency = |title: Said, metric: Metric, picks: [fn(&BlockPoint) -> Option<Known>; 2]| {
        let [p50, p99] = picks.map(blocks);
        let chart = Chart::new(title, words::BLOCKS_TOLD, time(), latency_axis(Text::data(metric.key())))
            .series(Text::data("p50"), Form::Line, p50)
            .series(Text::data("p99"), Form::Line, p99);
        with_objectives(chart, trial, metric)
    };
    let ttft = latency(words::TTFT_TIME, Metric::Ttft, [|block| block.ttft_p50_s, |block| block.ttft_p99_s]);
    let e2e = latency(words::E2E_TIME, Metric::E2e, [|block| block.e2e_p50_s, |block| block.e2e_p99_s]);
    let mut charts = vec![rates, flight, ttft, e2e];
    if samples.iter().any(|sample| sample.output_tokens > 0.0) {
        let tokens = Chart::new(words::TOKENS_TITLE, words::TOKENS_TOLD, time(), plain_axis(words::TOKENS_PER_S));
        let per_s = line(&samples, |sample| Some(sample.output_tokens / sample.width_s));
        charts.push(tokens.series(words::OUTPUT_TOKENS, Form::Line, per_s));
    }
    charts.into_iter().filter(|chart| !chart.is_empty()).map(|chart| with_warmup(chart, trial)).collect()
}

/// The send lag over time: how late requests left against the plan.
pub(super) fn lag_over_time(trial: &TrialView) -> Chart {
    let samples = merged(&trial.samples);
    let chart = Chart::new(words::LAG_TIME_TITLE, words::LAG_TIME_TOLD, time(), latency_axis(words::LAG_AXIS))
        .series(words::LAG_MEAN, Form::Line, line(&samples, |sample| sample.send_lag_mean_s))
        .series(words::LAG_MAX, Form::Line, line(&samples, |sample| sample.send_lag_max_s))
        .level(words::LAG_LIMIT, trial.health.send_lag_limit_s);
    with_warmup(chart, trial)
}

/// What servers and host said over time: requests in the server, then shares.
pub(super) fn server_over_time(trial: &TrialView) -> Vec<Chart> {
    let points = trial.server.as_ref().map(|server| server.points.as_slice()).unwrap_or_default();
    let series = |chart: Chart, names: &[(Said, Quantity)]| {
        names.iter().fold(chart, |chart, (name, quantity)| {
            let line = points
                .iter()
                .map(|point| Point::at(point.at_s.max(0.0), point.values.get(quantity).copied()))
                .collect();
            let is_known = points.iter().any(|point| point.values.contains_key(quantity));
            if is_known { chart.series(*name, Form::Line, line) } else { chart }
        })
    };
    let requests = series(
        Chart::new(words::SERVER_TITLE, words::SERVER_TOLD, time(), plain_axis(words::SERVER_AXIS)),
        &[(words::RUNNING, Quantity::Running), (words::QUEUED, Quantity::Waiting)],
    );
    let shares = series(
        Chart::new(words::SHARES_TITLE, words::SHARES_TOLD, time(), share_axis()),
        &[(words::KV_USE, Quantity::KvUse), (words::GPU_USE, Quantity::GpuUse), (words::HOST_CPU, Quantity::HostCpu)],
    );
    let power = series(
        Chart::new(words::POWER_TITLE, words::POWER_TOLD, time(), plain_axis(words::POWER_AXIS)),
        &[(words::POWER, Quantity::PowerW)],
    );
    let charts = [requests, shares, power].into_iter().filter(|chart| !chart.is_empty());
    charts.map(|chart| with_warmup(chart, trial)).collect()
}

/// A linear axis of shares.
fn share_axis() -> Axis {
    Axis { name: words::SHARE_AXIS.into(), kind: Kind::Linear, show: percent }
}

/// `samples` in at most [`MOST_POINTS`] slots.
fn merged(samples: &[SamplePoint]) -> Vec<SamplePoint> {
    let each = samples.len().div_ceil(MOST_POINTS).max(1);
    let mean = |slots: &[SamplePoint]| {
        let sum = |number: fn(&SamplePoint) -> u64| slots.iter().map(number).sum();
        let width_s: f64 = slots.iter().map(|slot| slot.width_s).sum();
        let first = slots.first()?;
        // Few requests of a slot are never sent, so their number stands for that of the lags.
        let lags = || slots.iter().filter_map(|slot| Some((slot.scheduled as f64, slot.send_lag_mean_s?)));
        let weight: f64 = lags().map(|(number, _)| number).sum();
        Some(SamplePoint {
            width_s,
            scheduled: sum(|slot| slot.scheduled),
            sent: sum(|slot| slot.sent),
            completed: sum(|slot| slot.completed),
            missed: sum(|slot| slot.missed),
            output_tokens: slots.iter().map(|slot| slot.output_tokens).sum(),
            in_flight: slots.iter().map(|slot| slot.in_flight * slot.width_s).sum::<f64>() / width_s,
            send_lag_mean_s: (weight > 0.0)
                .then(|| lags().map(|(number, mean_s)| number * mean_s).sum::<f64>() / weight),
            send_lag_max_s: slots.iter().filter_map(|slot| slot.send_lag_max_s).reduce(f64::max),
            ..*first
        })
    };
    samples.chunks(each).filter_map(mean).collect()
}
