//! Owns the page of a sweep: latency, throughput and goodput against the offered load, with knee and saturation.

use maud::{Markup, html};

use crate::figures::{StatsView, TrialView};
use crate::metrics::Metric;
use crate::report::chart::{Axis, Chart, Form, Kind, Point};
use crate::report::html::course::{known, latency_axis, plain_axis, with_objectives};
use crate::report::html::parts::{Page, explained, section, sentences, table, warnings};
use crate::report::sweep::{
    FLOW_NOTE, PointRow, class_table, flow_table, heading, is_judged, judgement_table, ordered, token_table, told_of,
};
use crate::results::Report;
use crate::search::{Bound, SweepFindings};
use crate::units::{per_second, plain};

/// The sections of a sweep.
pub(super) fn content(page: &Page, report: &Report, found: &SweepFindings) -> Markup {
    let rows = ordered(report, found);
    let told = told_of(&rows);
    html! {
        p.sub { (heading(report, found)) }
        @if !told.plain.is_empty() || !told.warnings.is_empty() {
            (section("What to know", &html! { (warnings(&told.warnings)) (sentences(&told.plain)) }))
        }
        (section("Latency against load", &html! {
            (page.figures(&latencies(&rows, found)))
            (table(&flow_table(&rows), "loads"))
            p.note { (FLOW_NOTE) }
            (table(&token_table(&rows), "time between tokens by load"))
            @if let Some(classes) = class_table(&rows) { (table(&classes, "classes by load")) }
            (explained(&["p50, p90, p99", "95 % interval", "planned instant", "ttft", "e2e", "tpot", "itl", "knee",
                "saturation rate", "strained, saturated", "closed loop"]))
        }))
        (section("Throughput against load", &html! {
            (page.figures(&[throughput(&rows, found), speed(&rows)]))
            @if is_judged(&rows) {
                @let (judged, numbers) = judgement_table(&rows);
                (table(&judged, "objectives by load"))
                @if let Some(numbers) = numbers { p.note { (numbers) } }
            }
            (explained(&["goodput", "attained", "good request", "output_speed", "saturation rate"]))
        }))
    }
}

/// The place of a load on the horizontal axis: its rate, or its requests in flight where no load has a rate.
fn places<'a>(rows: &'a [PointRow<'a>]) -> (Axis, Vec<(f64, &'a PointRow<'a>)>) {
    let with_rate: Vec<_> = rows.iter().filter_map(|row| Some((row.point.rate_per_s?, row))).collect();
    if !with_rate.is_empty() {
        let has_sessions = rows.iter().any(|row| row.trial.load.sessions.is_some());
        let (name, show): (&str, fn(f64) -> String) =
            if has_sessions { ("new sessions per second", plain) } else { ("offered requests per second", per_second) };
        let axis = Axis { name: name.to_owned(), kind: Kind::Linear, show };
        return (axis, with_rate);
    }
    let axis = plain_axis("requests in flight (closed loop)");
    (axis, rows.iter().filter_map(|row| Some((f64::from(row.point.concurrency?), row))).collect())
}

/// `chart` with the knee and the saturation rate.
fn marked(mut chart: Chart, found: &SweepFindings, has_rates: bool) -> Chart {
    if let Some(knee) = found.knee_per_s.filter(|_| has_rates) {
        chart = chart.mark(&format!("knee {}", found.over.per_s(knee)), knee);
    }
    if let Some(saturation) = found.saturation.as_ref().filter(|_| has_rates) {
        let name = match saturation.bound {
            Bound::Measured => "saturation",
            Bound::AtLeast => "completes at least",
        };
        chart = chart.mark(&format!("{name} {}", found.over.per_s(saturation.per_s)), saturation.per_s);
    }
    chart
}

/// A quantile, and its interval where the load has enough requests for one.
type Quantile = (Option<crate::metrics::Known>, Option<[f64; 2]>);

/// p50, p90 and p99 of `metric` at each load in `loads`, with their intervals.
pub(super) fn latency_chart(axis: Axis, loads: &[(f64, &TrialView)], metric: Metric) -> Chart {
    let series = |pick: fn(&StatsView) -> Quantile| -> Vec<Point> {
        let point = |(x, trial): &(f64, &TrialView)| {
            let (figure, interval) = pick(trial.metrics.get(&metric)?.headline());
            Some(Point { x: *x, y: known(figure), interval })
        };
        loads.iter().filter_map(point).collect()
    };
    let row = metric.row();
    let told = format!(
        "{}: median, 90th and 99th percentile at each load; the bands are 95 % intervals, where the load has enough \
         requests for one.",
        row.title
    );
    let chart = Chart::new(&format!("{} against load", row.title), &told, axis, latency_axis(row.key))
        .series("p50", Form::MarkedLine, series(|stats| (stats.p50, stats.p50_ci95)))
        .series("p90", Form::MarkedLine, series(|stats| (stats.p90, stats.p90_ci95)))
        .series("p99", Form::MarkedLine, series(|stats| (stats.p99, stats.p99_ci95)));
    match loads.first() {
        Some((_, trial)) => with_objectives(chart, trial, metric),
        None => chart,
    }
}

fn latencies(rows: &[PointRow<'_>], found: &SweepFindings) -> Vec<Chart> {
    let (axis, placed) = places(rows);
    let has_rates = rows.iter().any(|row| row.point.rate_per_s.is_some());
    let loads: Vec<_> = placed.iter().map(|(x, row)| (*x, row.trial)).collect();
    [Metric::Ttft, Metric::E2e, Metric::Tpot]
        .into_iter()
        .map(|metric| marked(latency_chart(axis.clone(), &loads, metric), found, has_rates))
        .collect()
}

/// What is completed, and what is good, of what is offered.
fn throughput(rows: &[PointRow<'_>], found: &SweepFindings) -> Chart {
    let (axis, placed) = places(rows);
    let has_rates = rows.iter().any(|row| row.point.rate_per_s.is_some());
    let told = "Completed requests in the window, and good ones where objectives were given. Below the line of all \
                offered requests, the service does not keep up.";
    let mut chart =
        Chart::new("Completed and good requests against load", told, axis, plain_axis("requests per second")).series(
            "completed",
            Form::MarkedLine,
            placed.iter().map(|(x, row)| Point::at(*x, row.trial.throughput.requests_per_s)).collect(),
        );
    if is_judged(rows) {
        let good = placed.iter().map(|(x, row)| Point::at(*x, row.good_per_s())).collect();
        chart = chart.series("good", Form::MarkedLine, good);
    }
    if has_rates {
        let all = placed.iter().map(|(x, row)| Point::at(*x, Some(*x * requests_each(row.trial)))).collect();
        chart = chart.series("all offered", Form::Line, all);
    }
    marked(chart, found, has_rates)
}

/// What one user gets against what the service gives to all.
fn speed(rows: &[PointRow<'_>]) -> Chart {
    let told = "Each mark is one load, from few requests (left) to many. Up is faster for one user, right is more from \
                the service.";
    let axis = Axis { name: "output tokens per second, all users".to_owned(), kind: Kind::Linear, show: plain };
    let (_, placed) = places(rows);
    let mut points: Vec<Point> = placed
        .iter()
        .filter_map(|(_, row)| {
            let speed = known(row.stats(Metric::OutputSpeed)?.p50);
            Some(Point::at(row.trial.throughput.output_tokens_per_s?, speed))
        })
        .collect();
    points.sort_by(|one, other| one.x.total_cmp(&other.x));
    Chart::new(
        "Speed of one user against throughput",
        told,
        axis,
        plain_axis("output tokens per second of one user, median"),
    )
    .series("loads", Form::MarkedLine, points)
}

/// Requests for each arrival of a load: the mean number of turns of its sessions, or 1.
fn requests_each(trial: &TrialView) -> f64 {
    trial.load.sessions.map_or(1.0, |turns| turns.turns_mean)
}
