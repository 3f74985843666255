//! Owns the page of a result in Markdown: the answer first, then the tables of the console, cell by cell.

use std::fmt::Write as _;

use crate::figures::TrialView;
use crate::report::aggregate::{Tally, groups_of, rows_of};
use crate::report::answer::answer_of;
use crate::report::cache::cache_lines;
use crate::report::comparison::sections;
use crate::report::console::{classes_table, latency_table, requests_table, slo_table, throughput_table, turns_table};
use crate::report::failures::{advice, said};
use crate::report::layout::Grid;
use crate::report::load_line::load_line;
use crate::report::next::next_of;
use crate::report::offered::offered_text;
use crate::report::recovery::recovery_table;
use crate::report::search::probe_table;
use crate::report::server::server_table;
use crate::report::shown::shown as without_escapes;
use crate::report::sweep::{
    FLOW_NOTE, class_table, flow_table, heading, is_judged, judgement_table, ordered, token_table, told_of,
};
use crate::report::tokens::tokens_table;
use crate::report::worded::{faults_of, notes_of, notes_of_run};
use crate::results::{Comparison, Gathered, Report};
use crate::units::{count, visible};

/// The page of `report` in Markdown (GitHub's tables).
#[must_use]
pub fn render_markdown(report: &Report) -> String {
    let report = &*without_escapes(report);
    let mut page = Page::default();
    let kind = match (&report.sweep, &report.search) {
        (Some(_), _) => "Sweep",
        (_, Some(_)) => "Search",
        _ => "Run",
    };
    page.text.push_str("# ");
    page.paragraph(&format!("{kind} of {} at {}", report.target.model, report.target.urls.join(", ")));
    if report.target.simulated {
        page.paragraph("SIMULATED: these figures describe a simulated server, not a real machine.");
    }
    if let Some(label) = &report.label {
        page.paragraph(&format!("label: {label}"));
    }
    let answer = answer_of(report);
    let word = answer.word.map_or_else(String::new, |word| format!("**{word}** — "));
    page.text.push_str(&word);
    page.paragraph(&format!("{}.", answer.sentence));
    page.list(&answer.reasons);
    if let Some(found) = &report.sweep {
        let rows = ordered(report, found);
        let told = told_of(&rows);
        page.heading("Loads");
        page.paragraph(&heading(report, found));
        page.table(&flow_table(&rows), &[FLOW_NOTE.to_owned()]);
        page.table(&token_table(&rows), &[]);
        if let Some(classes) = class_table(&rows) {
            page.table(&classes, &[]);
        }
        if is_judged(&rows) {
            let (judged, numbers) = judgement_table(&rows);
            page.table(&judged, &numbers.into_iter().collect::<Vec<_>>());
        }
        page.list(&told.plain);
        page.list(&told.warnings.iter().map(|line| format!("warning: {line}")).collect::<Vec<_>>());
    } else if let Some(found) = &report.search {
        let (grid, note) = probe_table(found);
        page.heading("Probes");
        page.table(&grid, &[note]);
    } else {
        for trial in &report.trials {
            page.trial(report, trial);
        }
    }
    let notes: Vec<String> = notes_of_run(report).map(std::borrow::Cow::into_owned).collect();
    if !notes.is_empty() {
        page.heading("Notes");
        page.list(&notes);
    }
    page.heading("What to do next");
    for next in next_of(report) {
        page.paragraph(next.why);
        page.text.extend(["```sh\n", &next.command, "\n```\n\n"]);
    }
    page.heading("How it was measured");
    page.list(&[
        format!("started {}, by {} {}", report.started, report.tool.name, report.tool.version),
        format!("seed {}, plan {}", report.seed, report.plan_fingerprint),
        format!(
            "load generator: {}, {}, {} cores",
            report.host.name,
            report.host.system,
            count(report.host.cores as u64)
        ),
    ]);
    page.text.truncate(page.text.trim_end().len());
    page.text.push('\n');
    page.text
}

/// The page of `comparison` in Markdown.
#[must_use]
pub(crate) fn render_comparison_markdown(comparison: &Comparison) -> String {
    let mut page = Page::default();
    page.text.push_str("# ");
    page.paragraph("Comparison");
    for section in sections(comparison) {
        page.heading(&section.heading);
        for grid in &section.tables {
            page.table(grid, &[]);
        }
        page.list(&section.lines);
    }
    page.text.truncate(page.text.trim_end().len());
    page.text.push('\n');
    page.text
}

/// The table of many results in Markdown, in groups.
pub(crate) fn render_aggregate_markdown(gathered: &Gathered, name: &str) -> String {
    let mut page = Page::default();
    page.text.push_str("# ");
    page.paragraph(&format!("Results in {}", visible(name)));
    page.paragraph(&format!("{}.", Tally::of(gathered.entries.iter()).sentence()));
    for group in groups_of(&rows_of(gathered)) {
        page.heading(&group.name);
        page.table(&group.table(true), &[]);
        page.list(&group.said());
    }
    page.list(&gathered.unreadable.iter().map(|line| format!("not read: {line}")).collect::<Vec<_>>());
    page.text.truncate(page.text.trim_end().len());
    page.text.push('\n');
    page.text
}

/// A page that is being written.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn heading(&mut self, text: &str) {
        self.text.extend(["## ", &escaped(text), "\n\n"]);
    }

    fn paragraph(&mut self, text: &str) {
        self.text.extend([&*escaped(text), "\n\n"]);
    }

    fn list(&mut self, lines: &[String]) {
        for line in lines {
            self.text.extend(["- ", &escaped(line), "\n"]);
        }
        if !lines.is_empty() {
            self.text.push('\n');
        }
    }

    fn table(&mut self, grid: &Grid, notes: &[String]) {
        let line = |cells: &[String]| {
            cells.iter().fold("|".to_owned(), |mut line, cell| {
                // Writing to a string cannot fail.
                _ = write!(line, " {} |", escaped(cell));
                line
            })
        };
        self.text.extend([
            &line(grid.headings()),
            "\n|:---|",
            &"---:|".repeat(grid.headings().len().saturating_sub(1)),
            "\n",
        ]);
        for row in grid.rows() {
            self.text.extend([&line(row), "\n"]);
        }
        self.text.push('\n');
        for note in notes {
            self.paragraph(note);
        }
    }

    fn trial(&mut self, report: &Report, trial: &TrialView) {
        if let Some((grid, notes)) = slo_table(&trial.slo, trial) {
            self.heading("Objectives");
            self.table(&grid, &notes);
        }
        if let Some((grid, notes)) = latency_table(trial) {
            self.heading("Latency");
            self.table(&grid, &notes);
        }
        if let Some(classes) = classes_table(trial) {
            self.heading("Classes");
            self.table(&classes, &[]);
        }
        if let Some((grid, notes)) = turns_table(trial) {
            self.heading("Sessions");
            self.table(&grid, &notes);
        }
        if let Some((grid, notes)) = server_table(trial) {
            self.heading("What the server says");
            self.table(&grid, &notes);
        }
        if let Some((grid, notes)) = recovery_table(trial) {
            self.heading("Recovery");
            self.table(&grid, &notes);
        }
        self.heading("Load");
        self.paragraph(&load_line(trial));
        self.table(&requests_table(trial), &[]);
        if let Some(line) = offered_text(&trial.load, trial.window.length_s(), &trial.requests) {
            self.paragraph(&line);
        }
        self.table(&throughput_table(trial), &[]);
        if let Some((grid, notes)) = tokens_table(report, trial) {
            self.table(&grid, &notes);
        }
        for line in cache_lines(trial) {
            self.paragraph(&line);
        }
        if !trial.failures.is_empty() {
            self.heading("Failures");
            let lines = trial.failures.iter().map(|group| {
                let advice = advice(group, Some(trial)).map_or_else(String::new, |advice| format!(" ({advice})"));
                format!("{} × {}{advice}", count(group.count), said(group))
            });
            self.list(&lines.collect::<Vec<_>>());
        }
        let warnings = faults_of(&trial.health).iter().chain(&*notes_of(&trial.health)).cloned().collect::<Vec<_>>();
        if !warnings.is_empty() {
            self.heading("What to know");
            self.list(&warnings);
        }
    }
}

/// `text` with a backslash before every character that Markdown would obey inside a line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\`*_[]<>|#~".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_forms_no_markup() {
        assert_eq!(escaped("<b>a|b</b> *x* p99<=1s"), "\\<b\\>a\\|b\\</b\\> \\*x\\* p99\\<=1s");
    }
}
