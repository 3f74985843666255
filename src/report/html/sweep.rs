//! Owns the page of a sweep: latency, throughput and goodput against the offered load, with knee and saturation.

use maud::{Markup, html};

use crate::figures::{StatsView, TrialView};
use crate::metrics::Metric;
use crate::report::chart::{Axis, Chart, Form, Kind, Point};
use crate::report::html::course::{known, latency_axis, plain_axis, with_objectives};
use crate::report::html::parts::{Page, key_of};
use crate::report::sweep::{
    FLOW_NOTE, PointRow, class_table, flow_table, heading, is_judged, judgement_table, ordered, token_table, told_of,
};
use crate::report::text::{Said, Text};
use crate::report::words::terms::title;
use crate::report::words::{charts as words, page as labels};
use crate::results::Report;
use crate::search::{Bound, SweepFindings};
use crate::units::{per_second, plain};

/// The key of the metadata that says how many GPUs the service has.
const GPUS: &str = "gpus";

/// The sections of a sweep.
pub(super) fn content(page: &Page, report: &Report, found: &SweepFindings) -> Markup {
    let rows = ordered(report, found);
    let told = told_of(&rows);
    html! {
        p.sub { (page.english(&heading(report, found))) }
        @if !told.plain.is_empty() || !told.warnings.is_empty() {
            (page.section(labels::TO_KNOW, &html! { (page.warnings(&told.warnings)) (page.sentences(&told.plain)) }))
        }
        (page.section(labels::LATENCY_BY_LOAD, &html! {
            (page.figures(&latencies(&rows, found)))
            (page.table(&flow_table(&rows), labels::T_LOADS))
            p.note { (page.english(FLOW_NOTE)) }
            (page.table(&token_table(&rows), labels::T_GAPS))
            @if let Some(classes) = class_table(&rows) { (page.table(&classes, labels::T_CLASS_LOADS)) }
            (page.explained(&["p50, p90, p99", "95 % interval", "planned instant", "ttft", "e2e", "tpot", "itl", "knee",
                "saturation rate", "strained, saturated", "closed loop"]))
        }))
        (page.section(labels::THROUGHPUT_BY_LOAD, &html! {
            (page.figures(&[throughput(&rows, found), pareto(report, &rows)]))
            @if is_judged(&rows) {
                @let (judged, numbers) = judgement_table(&rows);
                (page.table(&judged, labels::T_JUDGED))
                @if let Some(numbers) = numbers { p.note { (numbers) } }
            }
            (page.explained(&["goodput", "attained", "good request", "output_speed", "saturation rate"]))
        }))
    }
}

/// The place of a load on the horizontal axis: its rate, or its requests in flight where no load has a rate.
fn places<'a>(rows: &'a [PointRow<'a>]) -> (Axis, Vec<(f64, &'a PointRow<'a>)>) {
    let with_rate: Vec<_> = rows.iter().filter_map(|row| Some((row.point.rate_per_s?, row))).collect();
    if !with_rate.is_empty() {
        let has_sessions = rows.iter().any(|row| row.trial.load.sessions.is_some());
        let (name, show): (Said, fn(f64) -> String) =
            if has_sessions { (words::SESSIONS_AXIS, plain) } else { (words::OFFERED_AXIS, per_second) };
        let axis = Axis { name: name.into(), kind: Kind::Linear, show };
        return (axis, with_rate);
    }
    let axis = plain_axis(words::CLOSED_AXIS);
    (axis, rows.iter().filter_map(|row| Some((f64::from(row.point.concurrency?), row))).collect())
}

/// `chart` with the knee and the saturation rate.
fn marked(mut chart: Chart, found: &SweepFindings, has_rates: bool) -> Chart {
    if let Some(knee) = found.knee_per_s.filter(|_| has_rates) {
        chart = chart.mark(words::KNEE.with([Text::data(found.over.per_s(knee))]), knee);
    }
    if let Some(saturation) = found.saturation.as_ref().filter(|_| has_rates) {
        let name = match saturation.bound {
            Bound::Measured => words::SATURATION,
            Bound::AtLeast => words::COMPLETES,
        };
        chart = chart.mark(name.with([Text::data(found.over.per_s(saturation.per_s))]), saturation.per_s);
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
    let heading = words::AGAINST_LOAD.with([title(metric)]);
    let told = words::LATENCIES_TOLD.with([title(metric)]);
    let chart = Chart::new(heading, told, axis, latency_axis(key_of(metric)))
        .series(Text::data("p50"), Form::MarkedLine, series(|stats| (stats.p50, stats.p50_ci95)))
        .series(Text::data("p90"), Form::MarkedLine, series(|stats| (stats.p90, stats.p90_ci95)))
        .series(Text::data("p99"), Form::MarkedLine, series(|stats| (stats.p99, stats.p99_ci95)));
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
    let up = plain_axis(words::RATE_AXIS);
    let mut chart = Chart::new(words::THROUGHPUT_TITLE, words::THROUGHPUT_TOLD, axis, up).series(
        words::COMPLETED,
        Form::MarkedLine,
        placed.iter().map(|(x, row)| Point::at(*x, row.trial.throughput.requests_per_s)).collect(),
    );
    if is_judged(rows) {
        let good = placed.iter().map(|(x, row)| Point::at(*x, row.good_per_s())).collect();
        chart = chart.series(words::GOOD, Form::MarkedLine, good);
    }
    if has_rates {
        let all = placed.iter().map(|(x, row)| Point::at(*x, Some(*x * requests_each(row.trial)))).collect();
        chart = chart.series(words::ALL_OFFERED, Form::Line, all);
    }
    marked(chart, found, has_rates)
}

/// What one user gets against what the service gives to all, or to one GPU where the metadata say how many it has.
fn pareto(report: &Report, rows: &[PointRow<'_>]) -> Chart {
    let gpus = gpus_of(report);
    let (axis, told) = match gpus {
        Some(gpus) => {
            let told = words::PARETO_GPU_TOLD.with([Text::data(plain(gpus).trim_end_matches(".00"))]);
            (words::PER_GPU_AXIS, Text::from(words::PARETO_TOLD).and(&told))
        }
        None => (words::ALL_USERS_AXIS, words::PARETO_TOLD.into()),
    };
    let point = |row: &PointRow<'_>| {
        let speed = known(row.stats(Metric::OutputSpeed)?.p50)?;
        Some([row.trial.throughput.output_tokens_per_s? / gpus.unwrap_or(1.0), speed])
    };
    let (best, others) = front(rows.iter().filter_map(point).collect());
    let points = |all: Vec<[f64; 2]>| all.into_iter().map(|[x, y]| Point::at(x, Some(y))).collect();
    Chart::new(words::PARETO_TITLE, told, plain_axis(axis), plain_axis(words::ONE_USER_AXIS))
        .series(words::BEST_LOADS, Form::MarkedLine, points(best))
        .series(words::OTHER_LOADS, Form::Marks, points(others))
}

/// The number of GPUs of the service, from the metadata `gpus`.
fn gpus_of(report: &Report) -> Option<f64> {
    report.metadata.get(GPUS)?.trim().parse().ok().filter(|gpus: &f64| gpus.is_finite() && *gpus > 0.0)
}

/// `points` in those that no other point exceeds in both coordinates, and the others; each ascending.
fn front(mut points: Vec<[f64; 2]>) -> (Vec<[f64; 2]>, Vec<[f64; 2]>) {
    points.sort_by(|one, other| one[0].total_cmp(&other[0]).then(one[1].total_cmp(&other[1])));
    let is_best = |place: usize, point: &[f64; 2]| points[place + 1..].iter().all(|other| other[1] < point[1]);
    let (mut best, mut others) = (Vec::new(), Vec::new());
    for (place, point) in points.iter().enumerate() {
        if is_best(place, point) { best.push(*point) } else { others.push(*point) }
    }
    (best, others)
}

/// Requests for each arrival of a load: the mean number of turns of its sessions, or 1.
fn requests_each(trial: &TrialView) -> f64 {
    trial.load.sessions.map_or(1.0, |turns| turns.turns_mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_on_the_front_unless_another_is_better_in_both() {
        let (best, others) = front(vec![[3.0, 1.0], [1.0, 5.0], [2.0, 4.0], [1.5, 3.0], [3.0, 0.5]]);
        assert_eq!(best, [[1.0, 5.0], [2.0, 4.0], [3.0, 1.0]]);
        assert_eq!(others, [[1.5, 3.0], [3.0, 0.5]]);
        assert_eq!(front(Vec::new()), (Vec::new(), Vec::new()));
    }
}
