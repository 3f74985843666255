//! Owns the table of many results: a row for each load of each result and for each cell of a batch without one, in
//! groups of one model, target and law of arrivals.

use std::cmp::Ordering;
use std::path::Path;

use crate::figures::{MetricView, TrialView};
use crate::metrics::{Known, LoadOrigin, Metric, VerdictResult};
use crate::report::answer::answer_of;
use crate::report::csv::trial_cells;
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::numbers::{UNKNOWN, shown};
use crate::results::{BatchCell, CellState, Entry, Gathered, Report, Setting};
use crate::telemetry::Quantity;
use crate::units::{Rate, count, csv_field, plain, seconds};

/// One row: a load of a result, a search, or a cell without a result.
#[derive(Debug, Clone, Copy)]
pub(super) struct AggregateRow<'a> {
    pub(super) entry: &'a Entry,
    /// The load; `None` for a search, whose answer stands for its loads, and without a result.
    pub(super) trial: Option<&'a TrialView>,
}

/// A figure of a load.
#[derive(Debug)]
pub(super) struct Figure {
    /// The heading of its column.
    pub(super) name: &'static str,
    /// The unit of its value.
    pub(super) unit: &'static str,
    /// Its value.
    pub(super) of: fn(&TrialView) -> Option<Known>,
    /// Whether the table of the console has room for it.
    on_console: bool,
}

/// The figures of a row.
pub(super) const FIGURES: [Figure; 7] = [
    Figure { name: "ttft p99", unit: "s", of: |trial| p99(trial, Metric::Ttft), on_console: true },
    Figure { name: "tpot p99", unit: "s", of: |trial| p99(trial, Metric::Tpot), on_console: true },
    Figure { name: "out tok/s", unit: "", of: output_tokens_per_s, on_console: true },
    Figure { name: "good/s", unit: "", of: good_per_s, on_console: false },
    Figure { name: "attained", unit: "share", of: attained, on_console: true },
    Figure { name: "KV used", unit: "share", of: kv_used, on_console: false },
    Figure { name: "J/token", unit: "", of: joules_per_token, on_console: false },
];

fn p99(trial: &TrialView, metric: Metric) -> Option<Known> {
    let stats = trial.metrics.get(&metric).map(MetricView::headline)?;
    stats.p99.filter(|_| stats.count + stats.missed + stats.censored > 0)
}

fn output_tokens_per_s(trial: &TrialView) -> Option<Known> {
    trial.throughput.output_tokens_per_s.map(Known::At)
}

fn good_per_s(trial: &TrialView) -> Option<Known> {
    trial.rates.good_per_s.filter(|_| !trial.slo.objectives.is_empty()).map(Known::At)
}

fn attained(trial: &TrialView) -> Option<Known> {
    trial.slo.attainment.filter(|_| !trial.slo.objectives.is_empty()).map(Known::At)
}

/// The mean share of the KV cache in use, as the server says.
fn kv_used(trial: &TrialView) -> Option<Known> {
    trial.server.as_ref()?.levels.get(&Quantity::KvUse).map(|level| Known::At(level.mean))
}

/// The energy of an output token, as the server's GPUs say.
fn joules_per_token(trial: &TrialView) -> Option<Known> {
    trial.server.as_ref()?.joules_per_output_token.map(Known::At)
}

/// The load of a row. Each load has a column of its own in a heat map.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum RowLoad {
    /// An open load, in requests per second.
    Rate(f64),
    /// A closed loop, in requests in flight.
    InFlight(u32),
    /// A load with another name: a profile, a trace.
    Named(String),
}

impl RowLoad {
    fn of_trial(trial: &TrialView) -> Self {
        let load = &trial.load;
        let named = load.trace.as_ref().map(|trace| trace.file.clone()).or_else(|| load.profile.clone());
        match (named, load.concurrency, load.rate_per_s) {
            (Some(name), ..) => Self::Named(name),
            (None, Some(in_flight), _) => Self::InFlight(in_flight),
            (None, None, Some(per_s)) => Self::Rate(per_s),
            (None, None, None) => Self::Named(trial.label.clone()),
        }
    }

    fn of_name(name: &str) -> Self {
        if let Some(in_flight) = name.strip_suffix(IN_FLIGHT).and_then(|number| number.parse().ok()) {
            return Self::InFlight(in_flight);
        }
        name.parse::<Rate>().map_or_else(|_| Self::Named(name.to_owned()), |rate| Self::Rate(rate.per_s()))
    }

    /// The load in a few words.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Rate(per_s) => {
                let exact = per_s.to_string();
                let number = if exact.len() <= 6 { exact } else { plain(*per_s) };
                format!("{number}/s")
            }
            Self::InFlight(number) => format!("{number}{IN_FLIGHT}"),
            Self::Named(name) => name.clone(),
        }
    }

    /// Lower loads first; named ones after numbers.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let key = |load: &Self| match load {
            Self::Rate(per_s) => (0, *per_s),
            Self::InFlight(number) => (1, f64::from(*number)),
            Self::Named(_) => (2, 0.0),
        };
        let ((kind, value), (other_kind, other_value)) = (key(self), key(other));
        kind.cmp(&other_kind).then(value.total_cmp(&other_value))
    }
}

/// The end of the name of a closed loop.
const IN_FLIGHT: &str = " in flight";

/// The name of a closed loop with `number` requests in flight.
pub(crate) fn closed_name(number: u32) -> String {
    RowLoad::InFlight(number).name()
}

/// The rows of one model, target and law of arrivals.
#[derive(Debug)]
pub(super) struct Group<'a> {
    /// Model, target and arrivals in words.
    pub(super) name: String,
    /// Its rows in the order of the results.
    pub(super) rows: Vec<AggregateRow<'a>>,
}

impl<'a> AggregateRow<'a> {
    fn of_entry(entry: &'a Entry) -> Vec<Self> {
        let trials = match &entry.report {
            Some(report) if report.search.is_none() => report.trials.as_slice(),
            _ => &[],
        };
        if trials.is_empty() {
            return vec![Self { entry, trial: None }];
        }
        trials.iter().map(|trial| Self { entry, trial: Some(trial) }).collect()
    }

    /// The cell of the row, where a batch ran it.
    pub(super) fn cell(&self) -> Option<&'a BatchCell> {
        self.entry.cell.as_ref().map(|(.., cell)| cell)
    }

    fn report(&self) -> Option<&'a Report> {
        self.entry.report.as_ref()
    }

    pub(super) fn model(&self) -> String {
        // The matrix tells apart what is served under one name: the same model with two sets of options.
        let asked = self.cell().and_then(|cell| cell.axes.model.clone());
        let served = || self.report().map(|report| report.target.model.clone());
        asked.or_else(served).unwrap_or_else(|| UNKNOWN.to_owned())
    }

    fn target(&self) -> String {
        if let Some(name) = self.cell().and_then(|cell| cell.axes.target.clone()) {
            return name;
        }
        let Some(report) = self.report() else { return UNKNOWN.to_owned() };
        match &report.config.sim {
            // The embedded server has another port in each run.
            Some(profile) if report.config.target.is_empty() => format!("sim {}", profile.text()),
            _ => report.target.urls.join(", "),
        }
    }

    fn arrivals(&self) -> String {
        let closed = "closed loop";
        if let Some(trial) = self.trial {
            return match &trial.load.process {
                _ if trial.load.origin == LoadOrigin::Released => closed.to_owned(),
                Some(process) => format!("{process} arrivals"),
                None => "recorded arrivals".to_owned(),
            };
        }
        if matches!(self.load(), Some(RowLoad::InFlight(_))) {
            return closed.to_owned();
        }
        let process = self.cell().and_then(|cell| cell.axes.process.as_deref());
        let config = self.report().and_then(|report| report.config.process.as_ref());
        format!("{} arrivals", process.or(config.map(Setting::text)).unwrap_or("poisson"))
    }

    /// The input and output lengths in words: `512x128`, or where they come from.
    pub(super) fn lengths(&self) -> String {
        if let Some(name) = self.cell().and_then(|cell| cell.axes.lengths.clone()) {
            return name;
        }
        let Some(report) = self.report() else { return UNKNOWN.to_owned() };
        let config = &report.config;
        if let Some(file) = config.dataset.as_ref().or(config.file.as_ref()) {
            let file = file.text();
            return Path::new(file).file_name().map_or_else(|| file.to_owned(), |name| name.to_string_lossy().into());
        }
        if config.mix.is_some() {
            return "mix".to_owned();
        }
        match (&config.input_tokens, &config.output_tokens) {
            (Some(input), Some(output)) => format!("{}x{}", input.text(), output.text()),
            _ => UNKNOWN.to_owned(),
        }
    }

    /// The load; `None` if it is not known.
    pub(super) fn load(&self) -> Option<RowLoad> {
        let asked = || self.cell().and_then(|cell| cell.axes.load.as_deref()).map(RowLoad::of_name);
        self.trial.map(RowLoad::of_trial).or_else(asked)
    }

    /// The load in words.
    pub(super) fn load_name(&self) -> String {
        let search = self.report().is_some_and(|report| report.search.is_some());
        let other = || if search { "search".to_owned() } else { UNKNOWN.to_owned() };
        self.load().map_or_else(other, |load| load.name())
    }

    /// The verdict in a word, or why there is none.
    pub(super) fn verdict(&self) -> String {
        if let Some(state) = self.cell().map(|cell| &cell.state).filter(|state| !state.is_done()) {
            return match state {
                CellState::Waiting => "not run".to_owned(),
                CellState::Ended { exit_code: Some(130), .. } | CellState::Begun => "cut off".to_owned(),
                CellState::Ended { exit_code: Some(code), .. } => format!("exit {code}"),
                CellState::Ended { exit_code: None, .. } => "killed".to_owned(),
            };
        }
        let code = match self.cell().map(|cell| &cell.state) {
            Some(CellState::Ended { exit_code, .. }) => *exit_code,
            _ => None,
        };
        match (self.trial.map(|trial| trial.verdict.result), code) {
            (Some(VerdictResult::Pass), _) => "pass",
            (Some(VerdictResult::Fail), _) | (None, Some(1)) => "FAIL",
            (Some(VerdictResult::Inconclusive), _) | (None, Some(4)) => "unsure",
            (Some(VerdictResult::None) | None, _) => "done",
        }
        .to_owned()
    }

    /// Whether the objectives are missed.
    pub(super) fn is_missed(&self) -> bool {
        self.trial.is_some_and(|trial| trial.verdict.result == VerdictResult::Fail)
    }

    /// Why there is no result, or the answer of a search; `None` for other rows.
    pub(super) fn said(&self) -> Option<String> {
        if let Some(CellState::Ended { exit_code, reason: Some(reason), .. }) = self.cell().map(|cell| &cell.state) {
            let code = exit_code.map_or_else(String::new, |code| format!("exit code {code}: "));
            return Some(format!("{code}{reason}"));
        }
        self.report().filter(|report| report.search.is_some()).map(|report| answer_of(report).sentence)
    }

    /// The text of `figure`.
    pub(super) fn figure(&self, figure: &Figure) -> String {
        shown(self.trial.and_then(figure.of), figure.unit)
    }
}

/// The rows of all results.
pub(super) fn rows_of(gathered: &Gathered) -> Vec<AggregateRow<'_>> {
    gathered.entries.iter().flat_map(AggregateRow::of_entry).collect()
}

/// The rows in groups, in the order in which the groups first come.
pub(super) fn groups_of<'a>(rows: &[AggregateRow<'a>]) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for row in rows {
        let name = format!("{} at {}, {}", row.model(), row.target(), row.arrivals());
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.rows.push(*row),
            None => groups.push(Group { name, rows: vec![*row] }),
        }
    }
    groups
}

impl Group<'_> {
    /// The headings of its table; all figures if it is `wide`.
    pub(super) fn headings(&self, wide: bool) -> Vec<&'static str> {
        ["lengths", "load", "verdict"].into_iter().chain(self.figures(wide).map(|figure| figure.name)).collect()
    }

    /// The cells of `row` under [`Group::headings`].
    pub(super) fn cells(&self, row: &AggregateRow<'_>, wide: bool) -> Vec<String> {
        let figures = self.figures(wide).map(|figure| row.figure(figure));
        [row.lengths(), row.load_name(), row.verdict()].into_iter().chain(figures).collect()
    }

    /// The figures that a row of the group has.
    fn figures(&self, wide: bool) -> impl Iterator<Item = &'static Figure> {
        let known = |figure: &Figure| self.rows.iter().any(|row| row.trial.and_then(figure.of).is_some());
        FIGURES.iter().filter(move |figure| (wide || figure.on_console) && known(figure))
    }

    /// The table of the group.
    pub(super) fn table(&self, wide: bool) -> Grid {
        let mut grid = Grid::new(&self.headings(wide));
        self.rows.iter().for_each(|row| grid.row(self.cells(row, wide)));
        grid
    }

    /// What to say about its rows: reasons without a result, and the answers of searches.
    pub(super) fn said(&self) -> Vec<String> {
        let about = |row: &AggregateRow<'_>| Some(format!("{} {}: {}", row.lengths(), row.load_name(), row.said()?));
        self.rows.iter().filter_map(about).collect()
    }
}

/// How the cells of batches, and other results, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Cells and other results.
    pub(super) all: u64,
    /// Those with a whole result.
    pub(super) done: u64,
    pub(super) pass: u64,
    pub(super) missed: u64,
    pub(super) unsure: u64,
}

impl Tally {
    pub(super) fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut tally = Self::default();
        for entry in entries {
            tally.all += 1;
            if entry.cell.as_ref().map_or(entry.report.is_none(), |(.., cell)| !cell.state.is_done()) {
                continue;
            }
            tally.done += 1;
            let trial = entry.report.as_ref().filter(|report| report.sweep.is_none() && report.search.is_none());
            match trial.and_then(|report| report.trials.last()).map(|trial| trial.verdict.result) {
                Some(VerdictResult::Pass) => tally.pass += 1,
                Some(VerdictResult::Fail) => tally.missed += 1,
                Some(VerdictResult::Inconclusive) => tally.unsure += 1,
                Some(VerdictResult::None) | None => {}
            }
        }
        tally
    }

    /// The tally in a sentence, without its full stop.
    pub(super) fn sentence(&self) -> String {
        let parts = [("pass", self.pass), ("FAIL", self.missed), ("unsure", self.unsure)];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(_, number)| *number > 0)
            .map(|(word, number)| format!("{number} {word}"))
            .collect();
        let verdicts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
        let what = if self.all == 1 { "cell has" } else { "cells have" };
        format!("{} of {} {what} a result{verdicts}", count(self.done), count(self.all))
    }
}

/// The table of `gathered` on the console.
pub(crate) fn render_aggregate(gathered: &Gathered, ink: Ink) -> String {
    let rows = rows_of(gathered);
    let mut text = ink.paint(Tone::Heading, &Tally::of(gathered.entries.iter()).sentence()) + "\n";
    for group in groups_of(&rows) {
        text.push('\n');
        text.push_str(&(ink.paint(Tone::Heading, &wrapped(&group.name, WIDTH, 2)) + "\n"));
        text.push_str(&group.table(false).render(ink));
        for line in group.said() {
            text.push_str(&(ink.paint(Tone::Faint, &wrapped(&line, WIDTH, 2)) + "\n"));
        }
    }
    for line in &gathered.unreadable {
        text.push_str(&(wrapped(&format!("not read: {line}"), WIDTH, 2) + "\n"));
    }
    text
}

/// The table of `gathered` in CSV (RFC 4180): one row a load, with the columns of the CSV of one result after those of
/// its cell.
pub(crate) fn render_aggregate_csv(gathered: &Gathered) -> String {
    let lines = rows_of(gathered).into_iter().map(|row| {
        let (batch, number) =
            row.entry.cell.as_ref().map_or((None, None), |(batch, number, _)| (Some(batch), Some(number)));
        let batch = batch.and_then(|batch| gathered.batches.get(*batch));
        let (code, took_s) = match row.cell().map(|cell| &cell.state) {
            Some(CellState::Ended { exit_code, took_s, .. }) => (*exit_code, Some(*took_s)),
            _ => (None, None),
        };
        let or_empty = |text: Option<String>| text.unwrap_or_default();
        let known = |text: String| if text == UNKNOWN { String::new() } else { text };
        let mut cells: Vec<(String, String)> = [
            ("batch_started", or_empty(batch.map(|batch| batch.started.clone()))),
            ("cell", or_empty(number.map(|number| (number + 1).to_string()))),
            ("cell_name", or_empty(row.cell().map(|cell| cell.name.clone()))),
            ("state", row.verdict()),
            ("exit_code", or_empty(code.map(|code| code.to_string()))),
            ("reason", or_empty(row.said())),
            ("took_s", or_empty(took_s.map(|took_s| format!("{took_s:.1}")))),
            ("target", known(row.target())),
            ("lengths", known(row.lengths())),
            ("load", known(row.load_name())),
            ("folder", row.entry.folder.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let mut figures = trial_cells(row.report(), row.trial);
        if row.report().is_none()
            && let Some((_, model)) = figures.first_mut()
        {
            *model = known(row.model());
        }
        cells.append(&mut figures);
        cells
    });
    let lines: Vec<_> = lines.collect();
    let push = |text: &mut String, cells: Vec<&str>| {
        let cells: Vec<_> = cells.into_iter().map(csv_field).collect();
        text.extend([cells.join(","), "\r\n".to_owned()]);
    };
    // A column that some results lack, such as those of servers, is empty there.
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in lines.iter().flatten() {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut text = String::new();
    push(&mut text, names.clone());
    for line in &lines {
        let of = |name: &&str| line.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        push(&mut text, names.iter().map(of).collect());
    }
    text
}

/// The answer of a cell in one line: its verdict and its figures.
pub(crate) fn cell_answer(report: &Report) -> String {
    let answer = answer_of(report);
    answer.word.map_or_else(String::new, |word| format!("{word}: ")) + &answer.figures
}

/// How long a cell takes, in words.
pub(super) fn about_text(about_s: Option<f64>) -> String {
    about_s.map_or_else(|| "not known".to_owned(), seconds)
}
