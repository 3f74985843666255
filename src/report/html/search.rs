//! Owns the page of a search: its probes against the level, the interval and the best estimate, and the order of loads.

use maud::{Markup, html};

use crate::figures::TrialView;
use crate::metrics::{Limit, Metric, Objective};
use crate::report::chart::{Axis, Chart, Form, Kind, Point};
use crate::report::html::course::latency_axis;
use crate::report::html::parts::{Page, explained, section, table, tiles, warnings};
use crate::report::html::sweep::latency_chart;
use crate::report::numbers::percent;
use crate::report::search::{faults, probe_table};
use crate::results::Report;
use crate::search::maximum::{Purpose, SearchFindings};
use crate::search::step::{Count, End, Probe};
use crate::search::{Axis as Over, Kept, Level};
use crate::stats::proportion::{lower_bound, upper_bound};
use crate::units::{count, per_second, plain, seconds};

/// Confidence of each end of the interval of a probe's share.
const ONE_SIDED: f64 = 0.975;

/// The sections of a search.
pub(super) fn content(page: &Page, report: &Report, found: &SearchFindings) -> Markup {
    let spoilt: Vec<String> = report
        .trials
        .iter()
        .zip(&found.loads)
        .flat_map(|(trial, load)| {
            let each = faults(trial, load.kept);
            each.iter().map(|fault| format!("{}: {fault}", trial.label)).collect::<Vec<_>>()
        })
        .collect();
    let place = limiting(found);
    let (grid, note) = probe_table(found);
    html! {
        (tiles(&key_figures(found)))
        @if !spoilt.is_empty() { (section("What to know", &warnings(&spoilt))) }
        @if !found.probes.is_empty() {
            (section("Probes", &html! {
                (page.figures(&[misses(report, found, place), latency(report, found, place), order(report, found)]))
                (table(&grid, "probes"))
                p.note { (note) }
                (explained(&["probe", "interval of the search", "best estimate", "objective", "95 % interval",
                    "episodes of misses", "certificate", "knee"]))
            }))
        }
    }
}

/// The place of the objective that limits the level; the first if none does.
fn limiting(found: &SearchFindings) -> usize {
    found.objectives.iter().position(|text| Some(text) == found.limited_by.as_ref()).unwrap_or(0)
}

fn key_figures(found: &SearchFindings) -> Vec<(&'static str, String, String)> {
    let over = found.figures.over;
    let mut tiles = Vec::new();
    if let Some(([low, best], high)) = found.figures.texts() {
        let sure = format!("with {:.0} % confidence", 100.0 * found.confidence);
        tiles.push(("carries at least", over.amount(&low), sure));
        tiles.push(("best estimate", over.amount(&best), String::new()));
        let range = high.map_or_else(|| format!("from {low}"), |high| format!("{low}–{high}"));
        tiles.push(("interval", over.amount(&range), String::new()));
    }
    tiles.push(("requests", count(found.requests), format!("{} probes", found.probes.len())));
    tiles.push(("time", seconds(found.spent_s), String::new()));
    tiles
}

fn level_axis(over: Over) -> Axis {
    let (name, show): (&str, fn(f64) -> String) = match over {
        Over::Rate => ("offered requests per second", per_second),
        Over::Sessions => ("new sessions per second", plain),
        Over::Concurrency => ("users in flight", plain),
        Over::TimeScale => ("speed of the trace", plain),
    };
    Axis { name: name.to_owned(), kind: Kind::Near, show }
}

/// `chart` with the interval and the best estimate of the search.
fn with_answer(mut chart: Chart, found: &SearchFindings) -> Chart {
    if let Some([Some(low), Some(high)]) = found.figures.interval {
        chart = chart.range("interval of the answer", [low, high]);
    }
    if let Some(best) = found.figures.best {
        let text = found.figures.texts().map_or_else(String::new, |([_, best], _)| found.figures.over.amount(&best));
        chart = chart.mark(&format!("best estimate {text}"), best);
    }
    chart
}

/// The share of requests that miss the limiting objective at each probe, or the mean that it limits.
fn misses(report: &Report, found: &SearchFindings, place: usize) -> Chart {
    let text = found.objectives.get(place).map_or("", String::as_str);
    let of_mean = found.mean_whole_s.get(place).is_some_and(Option::is_some);
    let allowed = report.trials.iter().flat_map(|trial| &trial.slo.objectives).find(|objective| objective.text == text);
    let points = |wanted: &dyn Fn(End) -> bool| -> Vec<Point> {
        let kept = found.probes.iter().filter(|probe| wanted(probe.end));
        let mut points: Vec<Point> = kept.filter_map(|probe| point(found, probe, place)).collect();
        points.sort_by(|one, other| one.x.total_cmp(&other.x));
        points
    };
    let (title, told, axis) = if of_mean {
        (format!("Mean of {text} against load"), "The mean at each probe.", latency_axis("mean"))
    } else {
        let axis = Axis { name: "share of requests that missed".to_owned(), kind: Kind::Log, show: percent };
        let told = "Each mark is one probe; its bar is the 95 % interval, widened where misses come in groups. A mark \
                    at the bottom is a probe without a miss. The answer is where the shares reach the allowed share.";
        (format!("Requests that miss {text}, against load"), told, axis)
    };
    let chart = Chart::new(&title, told, level_axis(found.figures.over), axis)
        .series("probe", Form::Marks, points(&|end| end != End::Overloaded))
        .series("probe that ended in overload", Form::Marks, points(&|end| end == End::Overloaded));
    let chart = match allowed {
        Some(objective) if of_mean => chart.level("allowed", objective.limit),
        Some(objective) => match objective.allowed_share {
            Some(share) => chart.level(&format!("allowed {}", percent(share)), share),
            None => chart,
        },
        None => chart,
    };
    with_answer(chart, found)
}

fn point(found: &SearchFindings, probe: &Probe, place: usize) -> Option<Point> {
    let counted = probe.counts.get(place).filter(|counted| counted.decided > 0)?;
    let x = probe.level.value();
    Some(match found.mean_s(place, counted) {
        Some(mean_s) => Point::at(x, Some(mean_s)),
        None => Point { x, y: Some(counted.share()), interval: Some(interval(counted)) },
    })
}

/// The 95 % interval of a share of misses: Clopper and Pearson, with the counts divided by the overdispersion.
fn interval(counted: &Count) -> [f64; 2] {
    let phi = counted.clusters.map_or(1.0, |clusters| clusters.phi).max(1.0);
    let (hits, trials) = (counted.misses as f64 / phi, counted.decided as f64 / phi);
    [lower_bound(hits, trials, ONE_SIDED), upper_bound(hits, trials, ONE_SIDED)]
}

/// The loads that are evidence, by their level.
fn evidence<'a>(report: &'a Report, found: &SearchFindings) -> Vec<(f64, &'a TrialView)> {
    let kept = found.loads.iter().filter(|load| load.purpose == Purpose::Probe && load.kept == Kept::Evidence);
    let levels = kept.map(|load| load.point).zip(found.probes.iter().map(|probe| probe.level));
    let trial = |number: usize| {
        report.trials.iter().zip(&found.loads).find(|(_, load)| load.point == number).map(|(trial, _)| trial)
    };
    let mut loads: Vec<_> =
        levels.filter_map(|(number, level): (usize, Level)| Some((level.value(), trial(number)?))).collect();
    loads.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    loads
}

/// The latency that the limiting objective limits, at each probe.
fn latency(report: &Report, found: &SearchFindings, place: usize) -> Chart {
    let asked = report
        .trials
        .iter()
        .flat_map(|trial| &trial.slo.objectives)
        .find(|objective| Some(&objective.text) == found.objectives.get(place))
        .and_then(|objective| objective.asked());
    let metric = match asked {
        Some(Objective::Latency(Limit { metric, .. })) => metric,
        _ => Metric::E2e,
    };
    let chart = latency_chart(level_axis(found.figures.over), &evidence(report, found), metric);
    with_answer(chart, found)
}

/// The loads in the order in which they were sent.
fn order(report: &Report, found: &SearchFindings) -> Chart {
    let point = |trial: &TrialView, number: usize| {
        let level = Level::of(&trial.load)?;
        let on_axis = matches!(
            (found.figures.over, level),
            (Over::Rate, Level::RatePerS(_))
                | (Over::Sessions, Level::SessionsPerS(_))
                | (Over::Concurrency, Level::Concurrency(_))
                | (Over::TimeScale, Level::TimeScale(_))
        );
        on_axis.then(|| Point::at(number as f64, Some(level.value())))
    };
    let series = |probing: bool| -> Vec<Point> {
        let loads = report.trials.iter().zip(&found.loads);
        let loads = loads.filter(|(_, load)| (load.purpose == Purpose::Probe) == probing);
        loads.filter_map(|(trial, load)| point(trial, load.point)).collect()
    };
    let axis = level_axis(found.figures.over);
    let steps =
        Axis { name: "number of the load".to_owned(), kind: Kind::Linear, show: |number| format!("{number:.0}") };
    let told = "The level of each load, in the order in which they were sent. The search closes in on the answer.";
    let mut chart = Chart::new("Course of the search", told, steps, axis)
        .series("probe", Form::MarkedLine, series(true))
        .series("other load", Form::Marks, series(false));
    if let Some(best) = found.figures.best {
        chart = chart.level("best estimate", best);
    }
    chart
}
