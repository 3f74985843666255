//! Owns the page of a search: its probes against the level, the interval and the best estimate, and the order of loads.

use maud::{Markup, html};

use crate::figures::TrialView;
use crate::metrics::{Limit, Metric, Objective};
use crate::report::chart::{Axis, Chart, Form, Kind, Point};
use crate::report::html::course::latency_axis;
use crate::report::html::parts::{Page, Tile};
use crate::report::html::sweep::latency_chart;
use crate::report::numbers::percent;
use crate::report::search::{faults, probe_table};
use crate::report::text::{Said, Text};
use crate::report::words::{charts as words, page as labels};
use crate::results::Report;
use crate::search::maximum::{BracketAfter, Purpose, SearchFindings};
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
        (page.tiles(&key_figures(found)))
        @if !spoilt.is_empty() { (page.section(labels::TO_KNOW, &page.warnings(&spoilt))) }
        @if !found.probes.is_empty() {
            (page.section(labels::PROBES, &html! {
                (page.figures(&[misses(report, found, place), latency(report, found, place), narrowing(found),
                    posterior(found), order(report, found)]))
                (page.table(&grid, labels::T_PROBES))
                p.note { (page.english(&note)) }
                (page.explained(&["probe", "interval of the search", "best estimate", "objective", "95 % interval",
                    "episodes of misses", "certificate", "knee"]))
            }))
        }
    }
}

/// The place of the objective that limits the level; the first if none does.
fn limiting(found: &SearchFindings) -> usize {
    found.objectives.iter().position(|text| Some(text) == found.limited_by.as_ref()).unwrap_or(0)
}

fn key_figures(found: &SearchFindings) -> Vec<Tile> {
    let over = found.figures.over;
    let mut tiles = Vec::new();
    if let Some(([low, best], high)) = found.figures.texts() {
        let sure = labels::R_CONFIDENCE.with([Text::data(format!("{:.0} %", 100.0 * found.confidence))]);
        tiles.push((labels::K_CARRIES, over.amount(&low), sure));
        tiles.push((labels::K_BEST, over.amount(&best), Text::default()));
        let range = high.map_or_else(|| format!("≥ {low}"), |high| format!("{low}–{high}"));
        tiles.push((labels::K_INTERVAL, over.amount(&range), Text::default()));
    }
    let probes = labels::R_PROBES.with([Text::data(count(found.probes.len() as u64))]);
    tiles.push((labels::K_REQUESTS, count(found.requests), probes));
    tiles.push((labels::K_TIME, seconds(found.spent_s), Text::default()));
    tiles
}

fn level_axis(over: Over) -> Axis {
    let (name, show): (Said, fn(f64) -> String) = match over {
        Over::Rate => (words::OFFERED_AXIS, per_second),
        Over::Sessions => (words::SESSIONS_AXIS, plain),
        Over::Concurrency => (words::USERS_AXIS, plain),
        Over::TimeScale => (words::SPEED_AXIS, plain),
    };
    Axis { name: name.into(), kind: Kind::Near, show }
}

/// `chart` with the interval and the best estimate of the search.
fn with_answer(mut chart: Chart, found: &SearchFindings) -> Chart {
    if let Some([Some(low), Some(high)]) = found.figures.interval {
        chart = chart.range(words::ANSWER_RANGE, [low, high]);
    }
    if let Some(best) = found.figures.best {
        let text = found.figures.texts().map_or_else(String::new, |([_, best], _)| found.figures.over.amount(&best));
        chart = chart.mark(words::BEST.with([Text::data(text)]), best);
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
    let named = Text::data(text);
    let (title, told, axis) = if of_mean {
        (words::MEANS_TITLE.with([named]), words::MEANS_TOLD, latency_axis(words::MEAN_AXIS))
    } else {
        let axis = Axis { name: words::SHARE_MISSED.into(), kind: Kind::Log, show: percent };
        (words::MISSES_TITLE.with([named]), words::MISSES_TOLD, axis)
    };
    let share = allowed.and_then(|objective| objective.allowed_share).filter(|_| !of_mean);
    let chart = Chart::new(title, told, level_axis(found.figures.over), axis)
        .series(words::PROBE, Form::Marks, points(&|end| end != End::Overloaded))
        .series(words::PROBE_OVERLOADED, Form::Marks, points(&|end| end == End::Overloaded))
        .series(words::FITTED, Form::Line, fitted(found, place, share));
    let chart = match allowed {
        Some(objective) if of_mean => chart.level(words::ALLOWED, objective.limit),
        Some(_) => match share {
            Some(share) => chart.level(words::ALLOWED_SHARE.with([Text::data(percent(share))]), share),
            None => chart,
        },
        None => chart,
    };
    with_answer(chart, found)
}

/// The fitted curve of the share of misses, over the levels of the probes and of the answer. An objective on a mean
/// allows no share, and has none.
fn fitted(found: &SearchFindings, place: usize, allowed: Option<f64>) -> Vec<Point> {
    let Some((course, allowed)) = found.course.as_ref().filter(|course| course.objective == place).zip(allowed) else {
        return Vec::new();
    };
    let answer = found.figures.interval.into_iter().flatten().flatten();
    let levels: Vec<f64> = found.probes.iter().map(|probe| probe.level.value()).chain(answer).collect();
    let (low, high) =
        (levels.iter().copied().fold(f64::INFINITY, f64::min), levels.iter().copied().fold(0.0, f64::max));
    let shares = found.probes.iter().filter_map(|probe| probe.counts.get(place)).filter(|count| count.misses > 0);
    // Far below the probes the curve has shares that no probe could show: they would flatten all others.
    let least = 0.1 * shares.map(Count::share).fold(allowed, f64::min);
    let inside = course.curve.iter().filter(|[level, share]| (low..=high).contains(level) && *share >= least);
    inside.map(|[level, share]| Point::at(*level, Some(*share))).collect()
}

/// The interval and the best estimate after each probe.
fn narrowing(found: &SearchFindings) -> Chart {
    let steps = Axis { name: words::PROBES_AXIS.into(), kind: Kind::Whole, show: |number| format!("{number:.0}") };
    let brackets = found.course.as_ref().map(|course| course.brackets.as_slice()).unwrap_or_default();
    let point = |after: &BracketAfter| Point {
        x: after.probes as f64,
        y: Some(after.best),
        interval: Some([after.low, after.high]),
    };
    let chart = Chart::new(words::BRACKET_TITLE, words::BRACKET_TOLD, steps, level_axis(found.figures.over));
    chart.series(words::BRACKET_BEST, Form::MarkedLine, brackets.iter().map(point).collect())
}

/// How likely the service carries a level.
fn posterior(found: &SearchFindings) -> Chart {
    let up = Axis { name: words::PROBABILITY.into(), kind: Kind::Linear, show: percent };
    let known = found.course.as_ref().map(|course| course.posterior.as_slice()).unwrap_or_default();
    let points = known.iter().map(|[level, share]| Point::at(*level, Some(*share))).collect();
    let chart = Chart::new(words::POSTERIOR_TITLE, words::POSTERIOR_TOLD, level_axis(found.figures.over), up);
    with_answer(chart.series(words::CARRIES, Form::Line, points), found)
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
    let steps = Axis { name: words::LOAD_NUMBER.into(), kind: Kind::Whole, show: |number| format!("{number:.0}") };
    let mut chart = Chart::new(words::ORDER_TITLE, words::ORDER_TOLD, steps, axis)
        .series(words::PROBE, Form::MarkedLine, series(true))
        .series(words::OTHER_LOAD, Form::Marks, series(false));
    if let Some(best) = found.figures.best {
        chart = chart.level(words::BRACKET_BEST, best);
    }
    chart
}
