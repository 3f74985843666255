//! Owns the text of a search on the console: the answer in one sentence, the table of probes by load, and the
//! conclusions.

use std::borrow::Cow;

use crate::figures::TrialView;
use crate::report::failures::most_frequent;
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::numbers::percent;
use crate::report::worded::{faults_of, notes_of_run, said_of_search};
use crate::results::Report;
use crate::search::Kept;
use crate::search::maximum::{Purpose, SearchFindings};
use crate::search::step::{Count, End, Probe};
use crate::units::{count, seconds};

/// The text of a search between header and footer.
pub(super) fn search_text(report: &Report, findings: &SearchFindings, ink: Ink) -> String {
    let unfinished = if findings.finished.is_none() { " (not finished: continue with --resume)" } else { "" };
    let sentences = said_of_search(findings);
    let (headline, rest) = sentences.split_first().map_or(("", [].as_slice()), |(first, rest)| (first.as_str(), rest));
    let mut text = ink.paint(Tone::Heading, &wrapped(&format!("{headline}{unfinished}"), WIDTH, 0)) + "\n";
    if !findings.probes.is_empty() {
        text.push('\n');
        let (grid, note) = probe_table(findings);
        text.push_str(&grid.render(ink));
        text.push_str(&ink.paint(Tone::Faint, &wrapped(&note, WIDTH, 0)));
        text.push('\n');
    }
    text.push('\n');
    for sentence in rest {
        text.push_str(&wrapped(&format!("- {sentence}"), WIDTH, 2));
        text.push('\n');
    }
    for (trial, load) in report.trials.iter().zip(&findings.loads) {
        for fault in &*faults(trial, load.kept) {
            text.push_str(&ink.paint(Tone::Warning, &wrapped(&format!("warning: {}: {fault}", trial.label), WIDTH, 2)));
            text.push('\n');
        }
    }
    let lost = report.trials.iter().zip(&findings.loads).filter(|(_, load)| load.kept == Kept::Lost);
    for (trial, words) in lost.filter_map(|(trial, _)| Some((trial, most_frequent(trial)?))) {
        text.push_str(&ink.paint(Tone::Warning, &wrapped(&format!("{}: {words}", trial.label), WIDTH, 2)));
        text.push('\n');
    }
    for note in notes_of_run(report) {
        text.push_str(&wrapped(&format!("note: {note}"), WIDTH, 2));
        text.push('\n');
    }
    text
}

/// The faults of the generator that spoilt a load; empty for other loads.
pub(super) fn faults(trial: &TrialView, kept: Kept) -> Cow<'_, [String]> {
    if kept == Kept::Spoilt { faults_of(&trial.health) } else { Cow::default() }
}

/// The table of probes in order of their loads, as the isotonic regression uses them.
pub(super) fn probe_table(findings: &SearchFindings) -> (Grid, String) {
    let mut headings = vec!["probe", findings.figures.over.heading(), "requests"];
    headings.extend(findings.objectives.iter().map(String::as_str));
    headings.extend(["in system", "ended"]);
    let mut grid = Grid::new(&headings);
    let kept = findings.loads.iter().filter(|load| load.purpose == Purpose::Probe && load.kept == Kept::Evidence);
    let mut probes: Vec<(usize, &Probe)> = kept.map(|load| load.point).zip(&findings.probes).collect();
    probes.sort_by(|(_, one), (_, other)| one.level.value().total_cmp(&other.level.value()));
    for (number, probe) in probes {
        let mut row = vec![number.to_string(), probe.level.figure(), count(probe.spent.requests)];
        row.extend(probe.counts.iter().enumerate().map(|(place, counted)| cell(findings, place, counted)));
        row.extend([seconds(probe.time_in_system_s), ended(probe.end).to_owned()]);
        grid.row(row);
    }
    let means = if findings.mean_whole_s.is_empty() { "" } else { ", or the mean" };
    let (grid, numbers) = grid.numbered(3, &findings.objectives);
    let numbers = numbers.map_or_else(String::new, |numbers| format!("{numbers}; "));
    let note = format!(
        "{numbers}objectives: share of requests that missed{means}; ×N: the misses have N times the variance of \
         independent misses"
    );
    (grid, note)
}

fn cell(findings: &SearchFindings, place: usize, counted: &Count) -> String {
    if counted.decided == 0 {
        return "—".to_owned();
    }
    if let Some(mean_s) = findings.mean_s(place, counted) {
        return seconds(mean_s);
    }
    let clustered = counted.clusters.map_or_else(String::new, |clusters| format!(" ×{:.0}", clusters.phi));
    format!("{}{clustered}", percent(counted.share()))
}

const fn ended(end: End) -> &'static str {
    match end {
        End::Full => "in full",
        End::Decided => "decided",
        End::Overloaded => "OVERLOAD",
    }
}

/// The result of one probe, in one line.
#[must_use]
pub(crate) fn probe_account(findings: &SearchFindings, probe: &Probe) -> String {
    let counts = probe.counts.iter().zip(&findings.objectives).enumerate();
    let counts = counts.map(|(place, (counted, objective))| match findings.mean_s(place, counted) {
        Some(mean_s) => format!("{} for {objective}", seconds(mean_s)),
        None => format!("{} of {} miss {objective}", count(counted.misses), count(counted.decided)),
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    if probe.end == End::Overloaded { format!("overloaded, {counts}") } else { counts }
}
