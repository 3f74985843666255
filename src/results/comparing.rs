//! Owns the comparing of saved results: reads them, folds their records again, matches their loads, and finds what
//! makes them unlike.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::figures::TrialView;
use crate::metrics::{
    Allowance, ByTurn, Ended, Frame, Known, LoadOrigin, Measure, Metric, Portions, Summary, TURNS_APART, Withheld,
};
use crate::results::comparing_foreign::{self, PlainSide};
use crate::results::comparison::{Caution, ComparedLoad, ComparedRow, ComparedRun, Comparison, Difference, Figure};
use crate::results::folder::{RECORDS, point_folder};
use crate::results::folding::open;
use crate::results::foreign::foreign;
use crate::results::lines::Lines;
use crate::results::model::Report;
use crate::results::reading::{files_of, read};
use crate::results::refolding::{Refolded, refold};
use crate::results::stored::{alike, load_name, unlike_lengths, value_of};
use crate::stats::contrast::Estimate;

/// A result that is compared.
struct Side {
    letter: String,
    path: PathBuf,
    report: Report,
    trials: Vec<SideTrial>,
}

/// A trial of a result, with its records by stretches of time where it has them.
struct SideTrial {
    view: TrialView,
    varies: bool,
    folded: Option<(Portions, Summary)>,
    /// The same by the turn of a session, as [`Summary::by_turn`] has the turns; empty without sessions.
    turns: Vec<Portions>,
}

/// The results in `paths` side by side, the first as the baseline. `asked` may name measures beyond those of every
/// comparison. Messages are pushed to `said`.
pub(crate) fn compare(paths: &[PathBuf], asked: &[Allowance], said: &Lines) -> Result<Comparison, Error> {
    let foreign = paths.iter().map(|path| foreign(path)).collect::<Result<Vec<_>, _>>()?;
    if foreign.iter().any(Option::is_some) {
        let sides = paths.iter().zip(foreign).enumerate().map(|(place, (path, found))| match found {
            Some(found) => Ok(PlainSide::of_foreign(letter_of(place), path, found)),
            None => readable(path).map(|report| PlainSide::of_ours(run_of(&letter_of(place), path, &report), &report)),
        });
        return comparing_foreign::compare(paths, sides.collect::<Result<_, Error>>()?);
    }
    let mut sides = Vec::new();
    for (place, path) in paths.iter().enumerate() {
        sides.push(side_of(letter_of(place), path, said)?);
    }
    let matched = matched(&sides)?;
    let mut measures = Measure::all();
    for allowance in asked {
        if !measures.contains(&allowance.measure) {
            measures.push(allowance.measure);
        }
    }
    let several = matched.len() > 1;
    let loads = matched.iter().flat_map(|trials| {
        let classes = by_class(trials, several);
        std::iter::once(load_of(trials, &measures))
            .chain(by_turn(trials, several))
            .chain(classes.into_iter().map(|(name, trials)| {
                let load = load_of(&trials.iter().collect::<Vec<_>>(), &measures);
                ComparedLoad { loads: load.loads.iter().map(|load| format!("{name} of {load}")).collect(), ..load }
            }))
            .collect::<Vec<_>>()
    });
    let loads = loads.collect();
    let runs = sides.iter().map(|side| run_of(&side.letter, &side.path, &side.report)).collect();
    Ok(Comparison {
        runs,
        loads,
        caution_kinds: cautions(&sides, &matched),
        cautions: Vec::new(),
        rulings: Vec::new(),
        sentences: Vec::new(),
    })
}

/// `A`, `B` and so on.
fn letter_of(place: usize) -> String {
    char::from(b'A' + u8::try_from(place).unwrap_or(25).min(25)).to_string()
}

/// The result in `path`. Refuses what cannot be compared.
fn readable(path: &Path) -> Result<Report, Error> {
    let report = read(&files_of(path).0)?;
    if report.search.is_some() {
        let why = "is a search, whose loads follow from its answers; send one load to each service (`tonnage run` with \
            the option rate), and compare those results";
        return Err(Error::input(path, why));
    }
    if report.trials.is_empty() || report.is_unfinished() {
        return Err(Error::input(path, "is of a run that did not end; run it again, then compare"));
    }
    Ok(report)
}

fn side_of(letter: String, path: &Path, said: &Lines) -> Result<Side, Error> {
    let (result, records) = files_of(path);
    let report = readable(path)?;
    let mut trials = Vec::new();
    for (place, view) in report.trials.iter().enumerate() {
        let (file, print) = match &report.sweep {
            Some(found) => (
                result.with_file_name(point_folder(place)).join(RECORDS),
                found.points.get(place).map_or("", |point| point.plan_fingerprint.as_str()),
            ),
            None => (records.clone(), report.plan_fingerprint.as_str()),
        };
        trials.push(trial_of(view, &file, print, &report, said)?);
    }
    Ok(Side { letter, path: path.to_owned(), report, trials })
}

/// The trial with its records folded again; without them where the file does not exist or lacks what the figures need.
fn trial_of(saved: &TrialView, records: &Path, print: &str, report: &Report, said: &Lines) -> Result<SideTrial, Error> {
    let varies = saved.load.varies();
    if !records.exists() {
        return Ok(SideTrial { view: saved.clone(), varies, folded: None, turns: Vec::new() });
    }
    let frame = Frame::from(open(records)?.header());
    let objectives = Arc::new(report.config.objectives()?);
    let mut portions = Portions::new(frame, Arc::clone(&objectives));
    let mut turns: Vec<Portions> = Vec::new();
    let folded = refold(records, saved, report, print, said, |record| {
        portions.add(record);
        if let Some(place) = ByTurn::place_of(record) {
            turns.resize_with(turns.len().max(place + 1), || Portions::new(frame, Arc::clone(&objectives)));
            turns[place].add(record);
        }
        Ok(())
    })?;
    Ok(match folded {
        Refolded::Same { trial, view } => {
            SideTrial { view: *view, varies, folded: Some((portions, trial.summary)), turns }
        }
        Refolded::Lacking(_) => SideTrial { view: saved.clone(), varies, folded: None, turns: Vec::new() },
    })
}

/// The trials that are compared: for each load, one of each side.
fn matched(sides: &[Side]) -> Result<Vec<Vec<&SideTrial>>, Error> {
    let Some((first, others)) = sides.split_first() else { return Ok(Vec::new()) };
    if let Some(other) = others.iter().find(|other| other.report.sweep.is_some() != first.report.sweep.is_some()) {
        let (sweep, run) = if first.report.sweep.is_some() { (first, other) } else { (other, first) };
        return Err(Error::input(
            &sweep.path,
            format!("is a sweep, and {} is one load; compare two sweeps, or two runs", run.path.display()),
        ));
    }
    if sides.iter().all(|side| side.trials.len() == 1) {
        return Ok(vec![sides.iter().map(|side| &side.trials[0]).collect()]);
    }
    let of_label = |side: &'_ Side, label: &str| side.trials.iter().position(|trial| trial.view.label == label);
    let rows = first.trials.iter().filter_map(|trial| {
        let places: Option<Vec<usize>> = sides.iter().map(|side| of_label(side, &trial.view.label)).collect();
        Some(sides.iter().zip(places?).map(|(side, place)| &side.trials[place]).collect::<Vec<_>>())
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        let labels =
            |side: &Side| side.trials.iter().map(|trial| trial.view.label.as_str()).collect::<Vec<_>>().join(", ");
        let other = &others[0];
        return Err(Error::input(
            &other.path,
            format!(
                "has no load of {} ({}; there: {}); sweep both over the same loads with the option rates",
                first.path.display(),
                labels(other),
                labels(first)
            ),
        ));
    }
    Ok(rows)
}

fn run_of(letter: &str, path: &Path, report: &Report) -> ComparedRun {
    ComparedRun {
        letter: letter.to_owned(),
        path: path.display().to_string(),
        label: report.label.clone(),
        model: report.target.model.clone(),
        target: report.target.urls.join(", "),
        started: report.started.clone(),
        simulated: report.target.simulated,
    }
}

fn load_of(trials: &[&SideTrial], measures: &[Measure]) -> ComparedLoad {
    let columns: Vec<Vec<Figure>> = trials.iter().map(|trial| figures_of(trial, measures)).collect();
    load_with(trials, measures, &columns)
}

/// The load of `trials` with the figures of `measures` in each trial.
fn load_with(trials: &[&SideTrial], measures: &[Measure], columns: &[Vec<Figure>]) -> ComparedLoad {
    let rows: Vec<(Measure, Vec<Figure>)> = measures
        .iter()
        .enumerate()
        .map(|(place, measure)| (*measure, columns.iter().map(|column| column[place]).collect::<Vec<_>>()))
        .filter(|(_, figures)| figures.iter().any(|figure| figure.value.is_some()))
        .collect();
    let many = rows.len() * (trials.len() - 1);
    let rows = rows.into_iter().map(|(measure, figures)| {
        let differences = figures[1..].iter().map(|figure| Difference::of(&figures[0], figure, many)).collect();
        ComparedRow { measure, figures, differences }
    });
    ComparedLoad {
        label: trials[0].view.label.clone(),
        loads: trials.iter().map(|trial| load_name(&trial.view)).collect(),
        window_s: trials.iter().map(|trial| trial.view.window.length_s()).collect(),
        rows: rows.collect(),
        of_turn: false,
    }
}

/// The classes that all `trials` have, each with the figures of that class of each trial, and their stored intervals.
fn by_class(trials: &[&SideTrial], several: bool) -> Vec<(String, Vec<SideTrial>)> {
    let Some((first, _)) = trials.split_first() else { return Vec::new() };
    let of_class = |name: &String, trial: &SideTrial| {
        let class = trial.view.classes.get(name)?;
        let mut view = trial.view.clone();
        let label = if several { format!("{}, class {name}", view.label) } else { format!("class {name}") };
        view.slo.goodput_per_s = class.rates.good_per_s;
        view.requests.clone_from(&class.requests);
        view.rates.clone_from(&class.rates);
        view.throughput.clone_from(&class.throughput);
        view.metrics.clone_from(&class.metrics);
        Some(SideTrial { view: TrialView { label, ..view }, varies: trial.varies, folded: None, turns: Vec::new() })
    };
    let names = first.view.classes.keys();
    let all = names.filter_map(|name| {
        let classes: Option<Vec<SideTrial>> = trials.iter().map(|trial| of_class(name, trial)).collect();
        Some((format!("class {name}"), classes?))
    });
    all.collect()
}

/// The loads by the turns that all `trials` have: the times of each turn, with intervals from the records of that turn.
/// None without sessions whose later turns wait for answers, and without the records of all trials.
fn by_turn(trials: &[&SideTrial], several: bool) -> Vec<ComparedLoad> {
    let timed = |metric: &Metric| matches!(metric, Metric::Ttft | Metric::E2e);
    let measures: Vec<Measure> = Measure::all()
        .into_iter()
        .filter(|measure| matches!(measure, Measure::Quantile(_, metric) if timed(metric)))
        .collect();
    let column = |trial: &SideTrial, place: usize| {
        let (_, summary) = trial.folded.as_ref()?;
        let (of_turn, portions) = (summary.by_turn().turns().get(place)?, trial.turns.get(place)?);
        let estimates = portions.estimates(&measures, summary, trial.varies);
        let figure = |(measure, found): (&Measure, Result<Estimate, Withheld>)| {
            let Measure::Quantile(quantile, metric) = measure else { return Figure::of(None, found) };
            let seen = if *metric == Metric::Ttft { &of_turn.ttft } else { &of_turn.e2e };
            Figure::of(seen.at_share(quantile.share()), found)
        };
        Some(measures.iter().zip(estimates).map(figure).collect())
    };
    let turns = trials.iter().map(|trial| trial.turns.len()).min().unwrap_or(0);
    let of_turn = |place: usize| {
        let columns: Vec<Vec<Figure>> = trials.iter().map(|trial| column(trial, place)).collect::<Option<_>>()?;
        let later = if place >= TURNS_APART { " and later" } else { "" };
        let name = format!("turn {}{later}", place + 1);
        let load = load_with(trials, &measures, &columns);
        let label = if several { format!("{}, {name}", load.label) } else { name.clone() };
        let loads = load.loads.iter().map(|load| format!("{name} of {load}")).collect();
        Some(ComparedLoad { label, loads, of_turn: true, ..load })
    };
    (0..turns).filter_map(of_turn).collect()
}

/// The values of `measures` in a trial, with their estimates from the records or from the stored intervals.
fn figures_of(trial: &SideTrial, measures: &[Measure]) -> Vec<Figure> {
    let folded = trial.folded.as_ref();
    let estimates = folded.map(|(portions, summary)| portions.estimates(measures, summary, trial.varies));
    let figure = |(place, measure): (usize, &Measure)| {
        let (value, interval) = value_of(&trial.view, folded.map(|(_, summary)| summary), *measure);
        let found = match (&estimates, value, interval) {
            (Some(estimates), ..) => estimates[place],
            (None, Some(Known::At(value)), Some([low, high])) => {
                Ok(Estimate { value, low, high, degrees: Estimate::EXACT })
            }
            (None, ..) => Err(Withheld::NoRecords),
        };
        Figure::of(value, found)
    };
    measures.iter().enumerate().map(figure).collect()
}

fn cautions(sides: &[Side], matched: &[Vec<&SideTrial>]) -> Vec<Caution> {
    let mut found = Vec::new();
    let simulated: Vec<String> =
        sides.iter().filter(|side| side.report.target.simulated).map(|side| side.letter.clone()).collect();
    if !simulated.is_empty() {
        found.push(Caution::Simulated { runs: simulated });
    }
    let Some((first, others)) = sides.split_first() else { return found };
    for (place, side) in others.iter().enumerate() {
        unlike(first, side, matched, place + 1, &mut found);
    }
    for (place, side) in sides.iter().enumerate() {
        let mine = || matched.iter().map(move |trials| trials[place]);
        let run = || side.letter.clone();
        if mine().any(|trial| trial.view.ended != Ended::Complete) {
            found.push(Caution::CutShort { run: run() });
        }
        for trial in mine().filter(|trial| !trial.view.health.fault_kinds.is_empty()) {
            let load = (matched.len() > 1).then(|| trial.view.label.clone());
            found.push(Caution::Generator { run: run(), load });
        }
        if mine().any(|trial| trial.folded.is_none()) {
            found.push(Caution::NoRecords { run: run() });
        }
    }
    let compared: Vec<&str> = matched.iter().map(|trials| trials[0].view.label.as_str()).collect();
    if matched.len() > 1 || sides.iter().any(|side| side.trials.len() > 1) {
        let mut left: Vec<String> = Vec::new();
        for trial in sides.iter().flat_map(|side| &side.trials) {
            if !compared.contains(&trial.view.label.as_str()) && !left.contains(&trial.view.label) {
                left.push(trial.view.label.clone());
            }
        }
        if !left.is_empty() {
            found.push(Caution::LeftOut { loads: left });
        }
    }
    if matched.iter().flatten().any(|trial| trial.view.load.origin == LoadOrigin::Released) {
        found.push(Caution::Closed);
    }
    found
}

/// What makes `side` unlike `first`.
fn unlike(first: &Side, side: &Side, matched: &[Vec<&SideTrial>], place: usize, found: &mut Vec<Caution>) {
    let run = || side.letter.clone();
    let (one, other) = (&first.report, &side.report);
    let pairs = || matched.iter().map(|trials| (&trials[0].view, &trials[place].view));
    if let Some((mine, theirs)) = pairs().find(|(mine, theirs)| !is_same_load(mine, theirs)) {
        found.push(Caution::Load { run: run(), loads: [load_name(mine), load_name(theirs)] });
    }
    if one.target.model != other.target.model {
        found.push(Caution::Model { run: run(), models: [one.target.model.clone(), other.target.model.clone()] });
    }
    // A simulated server that tonnage starts has another port each time.
    if one.target.urls != other.target.urls && !(one.target.simulated && other.target.simulated) {
        let targets = [one.target.urls.join(", "), other.target.urls.join(", ")];
        found.push(Caution::Target { run: run(), targets });
    }
    for (name, metric) in [("input", Metric::InputTokens), ("output", Metric::OutputTokens)] {
        let mean = |view: &TrialView| view.metrics.get(&metric).and_then(|stats| stats.headline().mean);
        if let Some(tokens) = unlike_lengths(pairs().map(|(mine, theirs)| [mean(mine), mean(theirs)])) {
            found.push(Caution::Lengths { run: run(), side: name, tokens });
        }
    }
    if let Some((option, mine, theirs)) = one.config.first_difference(&other.config)
        && !["model", "salt"].contains(&option.as_str())
    {
        found.push(Caution::Option { run: run(), option, values: [mine.to_string(), theirs.to_string()] });
    }
    if one.plan_fingerprint == other.plan_fingerprint {
        found.push(Caution::SamePlan { run: run() });
    }
    if one.tool != other.tool {
        let versions = [one.tool.version.clone(), other.tool.version.clone()];
        found.push(Caution::Version { run: run(), versions });
    }
}

fn is_same_load(one: &TrialView, other: &TrialView) -> bool {
    let (mine, theirs) = (&one.load, &other.load);
    let file = |load: &crate::metrics::LoadFacts| load.trace.as_ref().map(|trace| trace.file.clone());
    alike(mine.rate_per_s, theirs.rate_per_s)
        && (mine.kind, mine.origin, mine.concurrency) == (theirs.kind, theirs.origin, theirs.concurrency)
        && (&mine.process, &mine.profile) == (&theirs.process, &theirs.profile)
        && file(mine) == file(theirs)
}
