//! Owns the comparing of results of which at least one is a file of another load generator: values without intervals.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::figures::{StatsView, TrialView};
use crate::foreign::{ForeignLoad, ForeignResult, ForeignTool, UNKNOWN_MODEL};
use crate::metrics::{Known, LoadOrigin, Measure, Metric, Withheld};
use crate::results::comparison::{Caution, ComparedLoad, ComparedRow, ComparedRun, Comparison, Difference, Figure};
use crate::results::model::Report;
use crate::results::stored::{alike, load_name, stored_quantile, unlike_lengths, value_of};

/// One result: the figures of its completed requests, whoever measured them.
pub(super) struct PlainSide {
    run: ComparedRun,
    tool: Option<ForeignTool>,
    loads: Vec<PlainLoad>,
}

/// One load of a result.
struct PlainLoad {
    name: String,
    rate_per_s: Option<f64>,
    concurrency: Option<f64>,
    window_s: f64,
    /// Mean input and output tokens of a request.
    tokens: [Option<f64>; 2],
    figures: Vec<(Measure, Known)>,
}

impl PlainSide {
    pub(super) fn of_foreign(letter: String, path: &Path, result: ForeignResult) -> Self {
        let run = ComparedRun {
            letter,
            path: path.display().to_string(),
            label: Some(result.tool.to_string()),
            model: result.model.unwrap_or_else(|| UNKNOWN_MODEL.to_owned()),
            target: result.target.unwrap_or_default(),
            started: result.started.unwrap_or_default(),
            simulated: false,
        };
        Self { run, tool: Some(result.tool), loads: result.loads.iter().map(PlainLoad::of_foreign).collect() }
    }

    /// The figures of completed requests of a result of tonnage, which is what other tools print.
    pub(super) fn of_ours(run: ComparedRun, report: &Report) -> Self {
        Self { run, tool: None, loads: report.trials.iter().map(PlainLoad::of_ours).collect() }
    }
}

impl PlainLoad {
    fn of_foreign(load: &ForeignLoad) -> Self {
        let figure = |measure: Measure| {
            let value = match measure {
                Measure::Quantile(quantile, metric) => load.latencies.get(&metric)?.at(quantile.share()),
                Measure::OutputTokensPerS => load.output_tokens_per_s,
                Measure::RequestsPerS => load.requests_per_s,
                Measure::Goodput => load.good_per_s,
                Measure::ErrorRate => load.error_rate(),
            };
            Some((measure, Known::At(value?)))
        };
        Self {
            name: load.label(),
            rate_per_s: load.rate_per_s,
            concurrency: load.concurrency,
            window_s: load.window_s.unwrap_or_default(),
            tokens: [load.input_tokens, load.output_tokens],
            figures: Measure::all().into_iter().filter_map(figure).collect(),
        }
    }

    fn of_ours(view: &TrialView) -> Self {
        let completed = |metric: Metric| view.metrics.get(&metric).map(|found| &found.completed_only);
        let window_s = view.window.length_s();
        let per_s = |sum: f64| (window_s > 0.0).then(|| Known::At(sum / window_s));
        let figure = |measure: Measure| {
            let value = match measure {
                Measure::Quantile(quantile, metric) => stored_quantile(completed(metric)?, quantile.share())?.0,
                // Other tools divide all that completed by their window, whenever it arrived.
                Measure::RequestsPerS => per_s(view.requests.completed as f64),
                Measure::OutputTokensPerS => {
                    let tokens = completed(Metric::OutputTokens)?;
                    per_s(tokens.mean? * tokens.count as f64)
                }
                Measure::Goodput | Measure::ErrorRate => value_of(view, None, measure).0,
            };
            Some((measure, value?))
        };
        let mean = |metric: Metric| completed(metric).and_then(|stats: &StatsView| stats.mean);
        Self {
            name: load_name(view),
            rate_per_s: view.load.rate_per_s.filter(|_| view.load.origin != LoadOrigin::Released),
            concurrency: view.load.concurrency.map(f64::from),
            window_s,
            tokens: [mean(Metric::InputTokens), mean(Metric::OutputTokens)],
            figures: Measure::all().into_iter().filter_map(figure).collect(),
        }
    }

    fn value(&self, measure: Measure) -> Option<Known> {
        self.figures.iter().find(|(of, _)| *of == measure).map(|(_, value)| *value)
    }

    /// Whether both have one rate and one cap on requests in flight.
    fn is_like(&self, other: &Self) -> bool {
        alike(self.rate_per_s, other.rate_per_s) && alike(self.concurrency, other.concurrency)
    }
}

/// `sides` beside each other, the first as the baseline. No difference has an interval.
pub(super) fn compare(paths: &[PathBuf], sides: Vec<PlainSide>) -> Result<Comparison, Error> {
    let matched = matched(paths, &sides)?;
    let loads = matched.iter().map(|loads| load_of(loads)).collect();
    let caution_kinds = cautions(&sides, &matched);
    Ok(Comparison {
        loads,
        caution_kinds,
        cautions: Vec::new(),
        rulings: Vec::new(),
        sentences: Vec::new(),
        runs: sides.into_iter().map(|side| side.run).collect(),
    })
}

/// The loads that are compared: for each, one of every side.
fn matched<'sides>(paths: &[PathBuf], sides: &'sides [PlainSide]) -> Result<Vec<Vec<&'sides PlainLoad>>, Error> {
    if sides.iter().all(|side| side.loads.len() == 1) {
        return Ok(vec![sides.iter().map(|side| &side.loads[0]).collect()]);
    }
    let Some((first, others)) = sides.split_first() else { return Ok(Vec::new()) };
    let row = |load: &'sides PlainLoad| {
        let theirs = others.iter().map(|side| side.loads.iter().find(|other| load.is_like(other)));
        std::iter::once(Some(load)).chain(theirs).collect::<Option<Vec<_>>>()
    };
    let rows: Vec<_> = first.loads.iter().filter_map(row).collect();
    if rows.is_empty() {
        let names = |side: &PlainSide| side.loads.iter().map(|load| load.name.as_str()).collect::<Vec<_>>().join(", ");
        let why = format!(
            "has no load of {} ({}; there: {}); compare loads of one rate, or of one number in flight",
            first.run.path,
            names(&others[0]),
            names(first)
        );
        return Err(Error::input(&paths[1], why));
    }
    Ok(rows)
}

fn load_of(loads: &[&PlainLoad]) -> ComparedLoad {
    let rows = Measure::all().into_iter().filter_map(|measure| {
        let figures: Vec<Figure> =
            loads.iter().map(|load| Figure::of(load.value(measure), Err(Withheld::OtherTool))).collect();
        let is_known = figures.iter().any(|figure| figure.value.is_some());
        let differences = figures[1..].iter().map(|figure| Difference::of(&figures[0], figure, 1)).collect();
        is_known.then_some(ComparedRow { measure, figures, differences })
    });
    ComparedLoad {
        label: loads[0].name.clone(),
        of_turn: false,
        loads: loads.iter().map(|load| load.name.clone()).collect(),
        window_s: loads.iter().map(|load| load.window_s).collect(),
        rows: rows.collect(),
    }
}

fn cautions(sides: &[PlainSide], matched: &[Vec<&PlainLoad>]) -> Vec<Caution> {
    let mut found = Vec::new();
    let simulated: Vec<String> =
        sides.iter().filter(|side| side.run.simulated).map(|side| side.run.letter.clone()).collect();
    if !simulated.is_empty() {
        found.push(Caution::Simulated { runs: simulated });
    }
    for side in sides {
        if let Some(tool) = side.tool {
            found.push(Caution::OtherTool { run: side.run.letter.clone(), tool });
        }
    }
    let left = left_out(sides, matched);
    if !left.is_empty() {
        found.push(Caution::LeftOut { loads: left });
    }
    let Some((first, others)) = sides.split_first() else { return found };
    for (place, side) in others.iter().enumerate() {
        let run = || side.run.letter.clone();
        let pairs = || matched.iter().map(|loads| (loads[0], loads[place + 1]));
        if let Some((mine, theirs)) = pairs().find(|(mine, theirs)| !mine.is_like(theirs)) {
            found.push(Caution::Load { run: run(), loads: [mine.name.clone(), theirs.name.clone()] });
        }
        let is_known = |side: &PlainSide| side.run.model != UNKNOWN_MODEL;
        if first.run.model != side.run.model && is_known(first) && is_known(side) {
            found.push(Caution::Model { run: run(), models: [first.run.model.clone(), side.run.model.clone()] });
        }
        for (place, name) in ["input", "output"].into_iter().enumerate() {
            let lengths = pairs().map(|(mine, theirs)| [mine.tokens[place], theirs.tokens[place]]);
            if let Some(tokens) = unlike_lengths(lengths) {
                found.push(Caution::Lengths { run: run(), side: name, tokens });
            }
        }
    }
    found
}

/// The names of the loads that are in no row of `matched`, each name once.
fn left_out(sides: &[PlainSide], matched: &[Vec<&PlainLoad>]) -> Vec<String> {
    let mut left: Vec<String> = Vec::new();
    for load in sides.iter().flat_map(|side| &side.loads) {
        let is_compared = matched.iter().flatten().any(|other| std::ptr::eq(*other, load));
        if !is_compared && !left.contains(&load.name) {
            left.push(load.name.clone());
        }
    }
    left
}
