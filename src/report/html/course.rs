//! Owns the charts of one load: its course over time, and the distributions of its figures.

use crate::figures::TrialView;
use crate::metrics::{BlockPoint, Known, Metric, Objective, SamplePoint};
use crate::report::chart::{Axis, Chart, Form, Kind, Point};
use crate::units::{plain, seconds};

/// The most points of a series over time; neighbours are merged.
const MOST_POINTS: usize = 150;

/// The axis of time since the start.
fn time() -> Axis {
    Axis { name: "time since the start".to_owned(), kind: Kind::Linear, show: seconds }
}

/// An axis of seconds.
pub(super) fn latency_axis(name: &str) -> Axis {
    Axis { name: name.to_owned(), kind: Kind::Log, show: seconds }
}

/// A linear axis of plain numbers.
pub(super) fn plain_axis(name: &str) -> Axis {
    Axis { name: name.to_owned(), kind: Kind::Linear, show: plain }
}

/// The number, if it is known.
pub(super) fn known(figure: Option<Known>) -> Option<f64> {
    if let Some(Known::At(value)) = figure { Some(value) } else { None }
}

/// `chart` with a line for each objective on `metric`.
pub(super) fn with_objectives(mut chart: Chart, trial: &TrialView, metric: Metric) -> Chart {
    for objective in &trial.slo.objectives {
        if let Some(Objective::Latency(limit)) = objective.asked()
            && limit.metric == metric
        {
            chart = chart.level(&format!("objective {}", objective.text), limit.limit.as_secs_f64());
        }
    }
    chart
}

/// The charts of the load over time.
pub(super) fn over_time(trial: &TrialView) -> Vec<Chart> {
    let samples = merged(&trial.samples);
    let line = |value: &dyn Fn(&SamplePoint) -> f64| -> Vec<Point> {
        samples.iter().map(|sample| Point::at(sample.start_s + sample.width_s / 2.0, Some(value(sample)))).collect()
    };
    let rate = |number: fn(&SamplePoint) -> u64| line(&|sample| number(sample) as f64 / sample.width_s);
    let mut rates = Chart::new(
        "Requests per second over time",
        "Planned: as the plan asks. Sent: as they left. Completed: as answers ended. Missed: failed, timed out or \
         shed.",
        time(),
        plain_axis("requests per second"),
    )
    .series("planned", Form::Line, rate(|sample| sample.scheduled))
    .series("sent", Form::Line, rate(|sample| sample.sent))
    .series("completed", Form::Line, rate(|sample| sample.completed));
    if samples.iter().any(|sample| sample.missed > 0) {
        rates = rates.series("missed", Form::Line, rate(|sample| sample.missed));
    }
    let flight = Chart::new(
        "Requests in flight over time",
        "Sent and not yet ended. A number that keeps rising means that the service does not keep up.",
        time(),
        plain_axis("requests in flight"),
    )
    .series("in flight", Form::Line, line(&|sample| sample.in_flight));
    let blocks = |pick: fn(&BlockPoint) -> Option<Known>| -> Vec<Point> {
        let middle = |block: &BlockPoint| block.start_s + block.width_s / 2.0;
        let filled = trial.blocks.iter().filter(|block| block.planned > 0);
        filled.map(|block| Point::at(middle(block), known(pick(block)))).collect()
    };
    let told = "Median and 99th percentile of the requests planned in each part of the window. In a part with few \
                requests, p99 is the slowest request; a gap means that p99 falls among requests that missed.";
    let ttft = Chart::new("Time to first token over time", told, time(), latency_axis("ttft"))
        .series("p50", Form::Line, blocks(|block| block.ttft_p50_s))
        .series("p99", Form::Line, blocks(|block| block.ttft_p99_s));
    let e2e = Chart::new("End-to-end latency over time", told, time(), latency_axis("e2e"))
        .series("p50", Form::Line, blocks(|block| block.e2e_p50_s))
        .series("p99", Form::Line, blocks(|block| block.e2e_p99_s));
    let mut charts =
        vec![rates, flight, with_objectives(ttft, trial, Metric::Ttft), with_objectives(e2e, trial, Metric::E2e)];
    if samples.iter().any(|sample| sample.output_tokens > 0.0) {
        let told = "Output tokens, counted when they arrived.";
        let tokens = Chart::new("Output tokens per second over time", told, time(), plain_axis("tokens per second"));
        charts.push(tokens.series("output tokens", Form::Line, line(&|sample| sample.output_tokens / sample.width_s)));
    }
    let warmed_s = trial.window.start.as_secs();
    let with_warmup =
        |chart: Chart| if warmed_s > 0.0 { chart.range("warm-up, not counted", [0.0, warmed_s]) } else { chart };
    charts.into_iter().filter(|chart| !chart.is_empty()).map(with_warmup).collect()
}

/// `samples` in at most [`MOST_POINTS`] slots.
fn merged(samples: &[SamplePoint]) -> Vec<SamplePoint> {
    let each = samples.len().div_ceil(MOST_POINTS).max(1);
    let mean = |slots: &[SamplePoint]| {
        let sum = |number: fn(&SamplePoint) -> u64| slots.iter().map(number).sum();
        let width_s: f64 = slots.iter().map(|slot| slot.width_s).sum();
        let first = slots.first()?;
        Some(SamplePoint {
            width_s,
            scheduled: sum(|slot| slot.scheduled),
            sent: sum(|slot| slot.sent),
            completed: sum(|slot| slot.completed),
            missed: sum(|slot| slot.missed),
            output_tokens: slots.iter().map(|slot| slot.output_tokens).sum(),
            in_flight: slots.iter().map(|slot| slot.in_flight * slot.width_s).sum::<f64>() / width_s,
            ..first.clone()
        })
    };
    samples.chunks(each).filter_map(mean).collect()
}

/// The axis of shares of requests.
fn shares() -> Axis {
    Axis { name: "share of requests at or below".to_owned(), kind: Kind::Tail, show: quantile_name }
}

/// `p99.9` for 0.999.
fn quantile_name(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}

fn curve(trial: &TrialView, metric: Metric) -> Vec<Point> {
    trial.shares(metric).into_iter().map(|(share, value)| Point::at(share, Some(value))).collect()
}

/// The distributions of the latencies of the service.
pub(super) fn distributions(trial: &TrialView) -> Vec<Chart> {
    let told = "How slow the slowest requests are: at p99, 1 % of the requests were slower. Failed requests rank last, \
                so a curve that ends early shows misses.";
    let mut whole =
        Chart::new("Distribution of latency from the planned instant", told, shares(), latency_axis("latency"))
            .series("ttft", Form::Line, curve(trial, Metric::Ttft))
            .series("e2e", Form::Line, curve(trial, Metric::E2e));
    for metric in [Metric::Ttft, Metric::E2e] {
        whole = with_objectives(whole, trial, metric);
    }
    let told = "tpot is a mean over each request; itl are single gaps between events; stall is the longest gap of a \
                request.";
    let mut tokens = Chart::new("Distribution of the time between tokens", told, shares(), latency_axis("time"))
        .series("tpot", Form::Line, curve(trial, Metric::Tpot))
        .series("itl", Form::Line, curve(trial, Metric::Itl))
        .series("stall", Form::Line, curve(trial, Metric::Stall));
    for metric in [Metric::Tpot, Metric::Itl, Metric::Stall] {
        tokens = with_objectives(tokens, trial, metric);
    }
    vec![whole, tokens]
}

/// How late the generator was.
pub(super) fn lags(trial: &TrialView) -> Chart {
    let told = "Send lag: how much later than planned a request left. Wake lag: how much later than its arrival our \
                thread read the first token. Beyond the limit at p99, the load generator was late.";
    Chart::new("Lag of the load generator", told, shares(), latency_axis("lag"))
        .series("send lag", Form::Line, curve(trial, Metric::SendLag))
        .series("wake lag", Form::Line, curve(trial, Metric::WakeLag))
        .level("limit of the send lag", trial.health.send_lag_limit_s)
}
