//! Owns the objectives on the console: the result of each, and the verdict.

use crate::figures::{SloView, TrialView};
use crate::metrics::{LoadOrigin, ObjectiveJudgement, VerdictResult};
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::numbers::{UNKNOWN, interval, percent, shown, unit_of};
use crate::report::worded::{faults_of, notes_of, notes_of_run, reasons_of};
use crate::results::Report;
use crate::units::{count, per_second};

/// The table of objectives, one row each; empty without objectives.
pub(super) fn slo_text(trial: &TrialView, ink: Ink) -> String {
    let Some((grid, notes)) = slo_table(&trial.slo, trial) else { return String::new() };
    let mut text = grid.render(ink);
    if !notes.is_empty() {
        text.push_str(&ink.paint(Tone::Faint, &wrapped(&notes.join("; "), WIDTH, 0)));
        text.push('\n');
    }
    text
}

/// The table of `slo`, objectives of `trial`, with its notes; `None` without objectives.
pub(in crate::report) fn slo_table(slo: &SloView, trial: &TrialView) -> Option<(Grid, Vec<String>)> {
    if slo.objectives.is_empty() {
        return None;
    }
    let mut grid = Grid::new(&["objective", "observed", "missed", "of", "allowed", "95 % bounds", "met"]);
    for objective in &slo.objectives {
        grid.row(objective_row(objective));
    }
    let mut notes = Vec::new();
    if let (Some(attainment), Some(goodput)) = (slo.attainment, slo.goodput_per_s) {
        let whole = match trial.load.origin {
            LoadOrigin::Planned => "offered",
            LoadOrigin::Released => "released",
            LoadOrigin::Mixed if trial.requests.skipped > 0 => "planned, released and skipped",
            LoadOrigin::Mixed => "planned and released",
        };
        notes.push(format!("good requests: {} of the {whole}, {}", percent(attainment), per_second(goodput)));
    }
    let (undefined, undecided) = slo.objectives.iter().fold((0, 0), |(undefined, undecided), objective| {
        (undefined + objective.undefined, undecided + objective.undecided)
    });
    if undefined > 0 {
        notes.push(format!("{} values are undefined and left out", count(undefined)));
    }
    if undecided > 0 {
        notes.push(format!(
            "{} were cut off before they were decided; the bounds count them as met and as missed",
            count(undecided)
        ));
    }
    Some((grid, notes))
}

fn objective_row(objective: &ObjectiveJudgement) -> Vec<String> {
    let met = match (objective.met, objective.decides) {
        (Some(true), _) => "yes",
        (Some(false), _) => "NO",
        (None, true) => "unsure",
        // A limit without a statistic is judged through the joint attainment. Its row shows the share that met it.
        (None, false) => "",
    };
    let unit = if objective.decides { unit_of(objective) } else { "share" };
    let bounds_unit = if objective.allowed_share.is_some() { "share" } else { "s" };
    vec![
        objective.text.clone(),
        shown(objective.observed, unit),
        count(objective.misses),
        count(objective.decided),
        objective.allowed_share.map_or_else(String::new, percent),
        objective.interval95.map_or_else(|| UNKNOWN.to_owned(), |[low, high]| interval(low, high, bounds_unit)),
        met.to_owned(),
    ]
}

/// The verdict with its reasons, and the warnings and notes on the run.
pub(super) fn verdict_text(report: &Report, trial: &TrialView, ink: Ink) -> String {
    let verdict = &trial.verdict;
    let (tone, word) = match verdict.result {
        VerdictResult::None => (Tone::Heading, "no objective"),
        VerdictResult::Pass => (Tone::Good, "PASS"),
        VerdictResult::Fail => (Tone::Bad, "FAIL"),
        VerdictResult::Inconclusive => (Tone::Warning, "INCONCLUSIVE"),
    };
    let mut lines = Vec::new();
    if verdict.result != VerdictResult::None {
        lines.push(format!("verdict: {}", ink.paint(tone, word)));
    }
    let (reasons, faults, notes) = (reasons_of(verdict), faults_of(&trial.health), notes_of(&trial.health));
    lines.extend(reasons.iter().map(|reason| format!("  {}", wrapped(reason, WIDTH, 2))));
    let faults = faults.iter().filter(|fault| !reasons.contains(fault));
    let warnings = faults.chain(&*notes).map(|warning| wrapped(&format!("warning: {warning}"), WIDTH, 2));
    lines.extend(warnings.map(|warning| ink.paint(Tone::Warning, &warning)));
    lines.extend(notes_of_run(report).map(|note| wrapped(&format!("note: {note}"), WIDTH, 2)));
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}
