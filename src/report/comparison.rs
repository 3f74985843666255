//! Owns the page of a comparison on the console and in Markdown: the answer, the table, what to know, what to do next.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::metrics::{MeasureUnit, Ruling, Withheld};
use crate::report::layout::{Grid, Ink, Tone, WIDTH, wrapped};
use crate::report::numbers::UNKNOWN;
use crate::report::sentences::{amount, answer, caution, change, is_better, need, ruling, value, verdict, withheld};
use crate::results::{Caution, ComparedLoad, ComparedRow, Comparison, Difference, Ruled};
use crate::units::{count, cut_to, seconds, visible};

/// The longest path in the list of runs, in columns.
const PATH: usize = 44;
/// Most later runs whose intervals fit beside each other.
const MOST_INTERVALS: usize = 3;

const MARKS: &str = "* the 95 % interval leaves out 0; ** sure even as the largest of all differences (Bonferroni); \
    pt: points of a percent";

/// Fills in every sentence of `comparison` beside its kind. Call it before it is printed as JSON.
pub(crate) fn worded_comparison(comparison: &mut Comparison) {
    comparison.cautions = comparison.caution_kinds.iter().map(caution).collect();
    comparison.sentences = comparison.rulings.iter().map(said).collect();
}

/// The text of a comparison on the console.
#[must_use]
pub(crate) fn render_comparison(comparison: &Comparison, ink: Ink) -> String {
    let mut text = String::new();
    for ruled in &comparison.rulings {
        let tone = match ruled.ruling {
            Ruling::Worse => Tone::Bad,
            Ruling::Within => Tone::Good,
            Ruling::Undecided => Tone::Warning,
        };
        let word = verdict(ruled.ruling);
        let line = wrapped(&format!("{word}: {}", ruling(ruled)), WIDTH, 2);
        let line = line.strip_prefix(word).unwrap_or(&line);
        _ = writeln!(text, "{}{line}", ink.paint(tone, word));
    }
    text.push_str(&ink.paint(Tone::Heading, &wrapped(&answer(comparison), WIDTH, 0)));
    text.push_str("\n\n");
    for line in runs(comparison) {
        text.extend([wrapped(&line, WIDTH, 3).as_str(), "\n"]);
    }
    for load in &comparison.loads {
        text.push('\n');
        text.push_str(&ink.paint(Tone::Heading, &wrapped(&load_line(load), WIDTH, 0)));
        text.push('\n');
        let grids = tables(comparison, load).into_iter().map(|grid| grid.render(ink));
        text.push_str(&grids.collect::<Vec<_>>().join("\n"));
    }
    text.push_str(&ink.paint(Tone::Faint, &wrapped(MARKS, WIDTH, 0)));
    text.push('\n');
    let lines = to_know(comparison);
    if !lines.is_empty() {
        _ = writeln!(text, "\n{}", ink.paint(Tone::Heading, "to know"));
        for line in lines {
            _ = writeln!(text, "  - {}", wrapped(&line, WIDTH, 4));
        }
    }
    _ = writeln!(text, "\n{}", ink.paint(Tone::Heading, "next"));
    for line in next(comparison) {
        _ = writeln!(text, "  - {}", wrapped(&line, WIDTH, 4));
    }
    text
}

/// The sections of a comparison for another page: headings with paragraphs, lists and tables.
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) lines: Vec<String>,
    pub(super) tables: Vec<Grid>,
}

/// The parts of the page, with the cells of the console.
pub(super) fn sections(comparison: &Comparison) -> Vec<Section> {
    let list = |heading: &str, lines: Vec<String>| Section { heading: heading.to_owned(), lines, tables: Vec::new() };
    let mut parts = vec![list("Answer", comparison.rulings.iter().map(said).chain([answer(comparison)]).collect())];
    parts.push(list("Runs", runs(comparison)));
    parts.extend(comparison.loads.iter().map(|load| Section {
        heading: load_line(load),
        lines: vec![MARKS.to_owned()],
        tables: tables(comparison, load),
    }));
    parts.push(list("What to know", to_know(comparison)));
    parts.push(list("What to do next", next(comparison)));
    parts
}

/// A ruling with its verdict.
fn said(ruled: &Ruled) -> String {
    format!("{}: {}", verdict(ruled.ruling), ruling(ruled))
}

fn runs(comparison: &Comparison) -> Vec<String> {
    let line = |run: &crate::results::ComparedRun| {
        let label = run.label.as_ref().map_or_else(String::new, |label| format!(" ({})", visible(label)));
        let path = visible(&run.path);
        let long = path.chars().count() > PATH;
        let path = if long { format!("…{}", tail(&path, PATH - 1)) } else { path.into_owned() };
        let started = if run.started.is_empty() { String::new() } else { format!(", {}", to_the_second(&run.started)) };
        format!("{}  {path}{label}: {}{started}", run.letter, cut_to(&visible(&run.model), 30))
    };
    comparison.runs.iter().map(line).collect()
}

/// An instant without the part of its second.
fn to_the_second(instant: &str) -> String {
    match instant.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => instant.to_owned(),
    }
}

fn tail(text: &str, most: usize) -> String {
    let count = text.chars().count();
    text.chars().skip(count.saturating_sub(most)).collect()
}

/// The load in one line: of all runs where it is the same, else of each.
pub(super) fn load_line(load: &ComparedLoad) -> String {
    let same = load.loads.windows(2).all(|pair| pair[0] == pair[1])
        && load.window_s.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.005 * pair[0]);
    if same {
        return format!("{}, windows of {}", load.loads[0], seconds(load.window_s[0]));
    }
    let each = load.loads.iter().zip(&load.window_s).map(|(load, window)| format!("{load} for {}", seconds(*window)));
    each.collect::<Vec<_>>().join(" · ")
}

/// The tables of a load: one for two runs; values, and differences from A, for more.
fn tables(comparison: &Comparison, load: &ComparedLoad) -> Vec<Grid> {
    let letters: Vec<&str> = comparison.runs.iter().map(|run| run.letter.as_str()).collect();
    if letters.len() == 2 {
        let mut grid = Grid::new(&["", "A", "B", "difference", "in %", "95 % interval", ""]);
        for row in &load.rows {
            grid.row(pair(row));
        }
        return vec![grid];
    }
    let mut values = Grid::new(&[&[""], &letters[..]].concat());
    let mut against = Grid::new(&[&["against A"], &letters[1..]].concat());
    let wide = letters.len() - 1 <= MOST_INTERVALS;
    for row in &load.rows {
        let name = row.measure.to_string();
        let figures = row.figures.iter().map(|figure| value(row.measure, figure.value));
        values.row([name.clone()].into_iter().chain(figures).collect());
        let cells = row.differences.iter().map(|found| {
            let (size, between) = (size(row, found), between(row, found));
            let between = if wide && between != UNKNOWN { format!(" ({between})") } else { String::new() };
            format!("{size}{between} {:<2}", mark(found))
        });
        against.row([name].into_iter().chain(cells).collect());
    }
    vec![values, against]
}

/// The cells of a measure of two runs.
fn pair(row: &ComparedRow) -> Vec<String> {
    let figure = |place: usize| row.figures.get(place).and_then(|figure| figure.value);
    let mut cells = vec![row.measure.to_string(), value(row.measure, figure(0)), value(row.measure, figure(1))];
    let Some(found) = row.differences.first() else { return cells };
    let difference = found.difference.map_or_else(|| UNKNOWN.to_owned(), |value| amount(row.measure, value));
    let ratio = found.ratio.map_or_else(|| UNKNOWN.to_owned(), |ratio| change(ratio).replace(" %", ""));
    let word = match is_better(row.measure, found) {
        Some(true) => " better",
        Some(false) => " worse",
        None => "",
    };
    cells.extend([difference, ratio, between(row, found), format!("{:<9}", format!("{}{word}", mark(found)))]);
    cells
}

/// A difference as one number: in percent, or in points.
fn size(row: &ComparedRow, found: &Difference) -> String {
    let is_share = row.measure.unit() == MeasureUnit::Share;
    match (found.ratio.filter(|_| !is_share), found.difference) {
        (Some(ratio), _) => change(ratio),
        (None, Some(difference)) => amount(row.measure, difference),
        (None, None) => UNKNOWN.to_owned(),
    }
}

/// The interval of a difference: in percent, or in the unit of the measure where there is no ratio.
fn between(row: &ComparedRow, found: &Difference) -> String {
    if let Some([low, high]) = found.ratio95.filter(|_| row.measure.unit() != MeasureUnit::Share) {
        return format!("{} to {}", change(low).replace(" %", ""), change(high));
    }
    found.difference95.map_or_else(
        || UNKNOWN.to_owned(),
        |[low, high]| {
            let low = amount(row.measure, low).replace(" pt", "");
            format!("{low} to {}", amount(row.measure, high))
        },
    )
}

const fn mark(found: &Difference) -> &'static str {
    match (found.sure_of_all, found.sure) {
        (true, _) => "**",
        (false, true) => "*",
        (false, false) => "",
    }
}

fn to_know(comparison: &Comparison) -> Vec<String> {
    let mut lines: Vec<String> = comparison.caution_kinds.iter().map(caution).collect();
    // Measures without an interval, by reason.
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for load in &comparison.loads {
        for row in &load.rows {
            for (figure, run) in row.figures.iter().zip(&comparison.runs) {
                // The caution on a file of another tool says that it has no intervals.
                let is_said = |why: &&Withheld| matches!(why, Withheld::Absent | Withheld::OtherTool);
                let Some(why) = figure.withheld.as_ref().filter(|why| !is_said(why)) else { continue };
                let at = if comparison.loads.len() > 1 { format!(" at {}", load.label) } else { String::new() };
                let names = reasons.entry(withheld(why)).or_default();
                let name = format!("{} of {}{at}", row.measure, run.letter);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    lines.extend(reasons.into_iter().map(|(why, names)| {
        let shown = names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        let more = if names.len() > 4 { format!(" and {} more", count(names.len() as u64 - 4)) } else { String::new() };
        format!("no interval for {shown}{more}: {why}")
    }));
    lines
}

fn next(comparison: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    if comparison.caution_kinds.iter().any(|caution| matches!(caution, Caution::OtherTool { .. })) {
        lines.push(
            "for differences with intervals, send one load to each service with tonnage: tonnage run --target URL \
             --rate RATE --duration 5m, then tonnage compare"
                .to_owned(),
        );
        return lines;
    }
    match need(comparison) {
        Some((measure, times, window_s)) if times > 1.0 => {
            let needed = libm::ceil(window_s * times);
            let how = if needed > 604_800.0 {
                "no run of a week is long enough".to_owned()
            } else {
                format!("windows of about {} each: --duration {needed:.0}s", seconds(needed))
            };
            lines.push(format!("to find a difference of 10 % in {measure} in 19 of 20 comparisons: {how}"));
        }
        Some((measure, ..)) => lines.push(format!(
            "these windows are long enough to find a difference of 10 % in {measure} in 19 of 20 comparisons"
        )),
        None => lines.push("run both longer (--duration 10m), and keep the records".to_owned()),
    }
    let paths: Vec<String> = comparison.runs.iter().map(|run| super::next::quoted(&run.path)).collect();
    if comparison.rulings.is_empty() {
        lines.push(format!(
            "for CI, which fails only where the difference is sure: tonnage compare {} --fail-on 'p99 ttft +10%'",
            paths.join(" ")
        ));
    }
    if let Some(last) = paths.last() {
        lines.push(format!("all figures of a run: tonnage report {last}"));
    }
    lines
}
