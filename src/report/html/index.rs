//! Owns the index page of many results: how the cells of batches ended, their figures with links to their pages, heat
//! maps over lengths and loads, and the history.

use std::fmt::Write as _;
use std::path::Path;

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use crate::metrics::Known;
use crate::report::aggregate::{AggregateRow, FIGURES, Figure, Group, RowLoad, Tally, groups_of, rows_of};
use crate::report::chart::{Heat, HeatCell, Kind};
use crate::report::html::embedded::{PLACE, block};
use crate::report::html::parts::{Page, capital, titled};
use crate::report::html::shell::shell;
use crate::report::numbers::UNKNOWN;
use crate::report::text::{Lang, Said, Text};
use crate::report::words::{charts, grids, page as words};
use crate::results::{CellState, Entry, Gathered, tool};
use crate::units::{count, seconds, visible};

/// Fewer cells are no map: the table shows them.
const LEAST_CELLS: usize = 3;
/// The most cells of the heat maps of a page. Groups beyond have no maps, and that is said.
const MOST_CELLS: usize = 600;
/// The most rows of a table, and of the JSON. Of more, the latest are shown, and that is said.
const MOST_ROWS: usize = 200;

/// The figures of the heat maps: name of the map, place in [`FIGURES`], and scale of its colours.
const MAPS: [(Said, &str, Kind); 6] = [
    (words::HEAT_TTFT, "ttft p99", Kind::Log),
    (words::HEAT_TPOT, "tpot p99", Kind::Log),
    (words::HEAT_TOKENS, "out tok/s", Kind::Linear),
    (words::HEAT_GOODPUT, "good/s", Kind::Linear),
    (words::HEAT_ATTAINED, "attained", Kind::Linear),
    (words::HEAT_JOULES, "J/token", Kind::Log),
];

/// The index page of `gathered`, whose folder is called `name`.
pub(crate) fn render_index(gathered: &Gathered, name: &str, lang: Lang) -> String {
    let page = Page::new(lang);
    let rows = rows_of(gathered);
    let title = words::INDEX_OF.with([Text::data(visible(name).into_owned())]);
    let simulated =
        gathered.entries.iter().filter_map(|entry| entry.report.as_ref()).any(|report| report.target.simulated);
    let header = html! {
        h1 { (title.of(lang)) }
        (page.simulated(simulated))
        (page.sentences_are_english())
    };
    let groups = groups_of(&latest(&rows));
    let mut room = MOST_CELLS;
    let mut of_group = |group: &Group<'_>| {
        let maps: Vec<Heat> = MAPS.iter().filter_map(|map| heat(lang, group, map)).collect();
        let cells = maps.iter().map(Heat::drawn_cells).sum();
        let fits = cells <= room;
        room -= if fits { cells } else { 0 };
        titled(&page.english(&group.name), &content(&page, group, fits.then_some(&maps)))
    };
    let main = html! {
        (answer(&page, gathered))
        @for group in &groups { (of_group(group)) }
        (page.section(words::HISTORY, &history(&page, gathered, &rows)))
    };
    let title = format!("{} · tonnage", title.of(lang));
    let page = shell(&page, &tool(), &title, (&header, &main), words::HOLDS_INDEX).into_string();
    page.replace(PLACE, &block(&json_of(gathered, &rows)))
}

/// How the cells of the latest batch ended, or all results where there is no batch; and what could not be read.
fn answer(page: &Page, gathered: &Gathered) -> Markup {
    let last = gathered.batches.len().checked_sub(1);
    let is_of_last = |entry: &&Entry| entry.cell.as_ref().map(|(batch, ..)| *batch) == last;
    let tally = Tally::of(gathered.entries.iter().filter(is_of_last));
    let tone = match &tally {
        tally if tally.done < tally.all || tally.unsure > 0 => "answer unsure",
        tally if tally.missed > 0 => "answer bad",
        tally if tally.pass > 0 => "answer good",
        _ => "answer",
    };
    let stopped = gathered.batches.last().and_then(|batch| batch.stopped.as_deref());
    html! {
        section class=(tone) aria-label=(page.say(words::ANSWER)) {
            p.lead { (page.english(&format!("{}.", capital(&tally.sentence())))) }
            ul {
                @if let Some(batch) = gathered.batches.last() {
                    @let names = [visible(&batch.file).into_owned(), short_instant(&batch.started)].map(Text::data);
                    li { (words::BATCH_OF.with(names).of(page.lang)) }
                }
                @if let Some(why) = stopped { li { (page.english(&visible(why))) } }
                @for line in &gathered.unreadable { li { (page.english(&visible(line))) } }
            }
        }
    }
}

/// The rows of which no later one has the same group, name, lengths and load.
fn latest<'a>(rows: &[AggregateRow<'a>]) -> Vec<AggregateRow<'a>> {
    let key = |row: &AggregateRow<'_>| {
        let place = row.cell().map(|cell| cell.name.clone());
        (place, row.lengths(), row.load_name())
    };
    let mut kept = Vec::new();
    for group in groups_of(rows) {
        for (place, row) in group.rows.iter().enumerate() {
            if !group.rows[place + 1..].iter().any(|later| key(later) == key(row)) {
                kept.push(*row);
            }
        }
    }
    kept
}

/// The table of a group, and its heat maps, where the page has room for them.
fn content(page: &Page, group: &Group<'_>, maps: Option<&Vec<Heat>>) -> Markup {
    html! {
        (linked(page, &group.headings(true), (&group.rows, false), |row| group.cells(row, true), words::T_CELLS))
        (page.sentences(&group.said()))
        @match maps {
            Some(maps) if maps.is_empty() => {}
            Some(maps) => {
                div.charts { @for map in maps { (page.heat(map)) } }
                (page.explained(&["p50, p90, p99", "ttft", "tpot", "goodput", "good request", "planned instant"]))
            }
            None => p.note { (page.say(words::MAPS_LEFT_OUT)) }
        }
    }
}

/// The heat map of one figure over the lengths and loads of `group`; `None` for few cells, or without values.
fn heat(lang: Lang, group: &Group<'_>, (title, name, kind): &(Said, &str, Kind)) -> Option<Heat> {
    let figure = FIGURES.iter().find(|figure| figure.name == *name)?;
    let mut rows: Vec<String> = Vec::new();
    let mut columns: Vec<RowLoad> = Vec::new();
    for row in &group.rows {
        if !rows.contains(&row.lengths()) {
            rows.push(row.lengths());
        }
        if let Some(load) = row.load().filter(|load| !columns.contains(load)) {
            columns.push(load);
        }
    }
    rows.sort_by_key(|name| lengths_key(name));
    columns.sort_by(RowLoad::order);
    if rows.len() * columns.len() < LEAST_CELLS {
        return None;
    }
    let cell = |lengths: &String, load: &RowLoad| {
        // The latest one counts.
        let is_there = |row: &&AggregateRow<'_>| row.lengths() == *lengths && row.load().as_ref() == Some(load);
        let row = group.rows.iter().rfind(|row| is_there(row) && row.trial.is_some())?;
        let known = row.trial.and_then(figure.of);
        (known.is_some()).then(|| HeatCell {
            value: known.and_then(value_of),
            text: row.figure(figure),
            missed: row.is_missed(),
        })
    };
    let cells = rows.iter().map(|lengths| columns.iter().map(|load| cell(lengths, load)).collect()).collect();
    let heat = Heat {
        title: charts::HEAT_TITLE.with([(*title).into()]),
        description: charts::HEAT_TOLD.into(),
        kind: *kind,
        rows,
        columns: columns.iter().map(|load| grids::cell(lang, &load.name()).into_owned()).collect(),
        cells,
    };
    (!heat.is_empty()).then_some(heat)
}

/// The value of a figure on the scale of colours; the bound where only a bound is known.
fn value_of(known: Known) -> Option<f64> {
    match known {
        Known::At(value) => Some(value),
        Known::Above { above } => (above > 0.0).then_some(above),
        Known::Below { below } => Some(below),
    }
}

/// Orders lengths by the numbers in their names: 128x64 stands before 1024x64.
fn lengths_key(name: &str) -> (Vec<u64>, String) {
    let numbers = name.split(|character: char| !character.is_ascii_digit()).filter_map(|part| part.parse().ok());
    (numbers.collect(), name.to_owned())
}

/// A table of rows whose first cell leads to the page of the result.
fn linked(
    page: &Page,
    headings: &[&str],
    (rows, latest_first): (&[AggregateRow<'_>], bool),
    cells: impl Fn(&AggregateRow<'_>) -> Vec<String>,
    name: Said,
) -> Markup {
    let shown = &rows[rows.len().saturating_sub(MOST_ROWS)..];
    let shown: Vec<&AggregateRow<'_>> =
        if latest_first { shown.iter().rev().collect() } else { shown.iter().collect() };
    html! {
        div.scroll tabindex="0" role="region" aria-label=(page.label(page.say(name))) {
            table {
                thead { tr { @for heading in headings { th scope="col" { (grids::heading(page.lang, heading)) } } } }
                tbody {
                    @for row in &shown {
                        tr {
                            @for (place, cell) in cells(row).iter().enumerate() {
                                @let cell = visible(cell);
                                @if place == 0 {
                                    th scope="row" {
                                        @match link_of(row.entry) {
                                            Some(link) => a href=(link) { (cell) },
                                            None => (cell),
                                        }
                                    }
                                } @else { td { (grids::cell(page.lang, &cell)) } }
                            }
                        }
                    }
                }
            }
        }
        @if shown.len() < rows.len() {
            @let numbers = [MOST_ROWS, rows.len()].map(|number| Text::data(count(number as u64)));
            p.note { (words::LATEST_SHOWN.with(numbers).of(page.lang)) }
        }
    }
}

/// The address of the page of a result, or of its folder where it has none, as the index page names it; `None` without
/// a result.
fn link_of(entry: &Entry) -> Option<String> {
    entry.report.as_ref()?;
    let folder = address_of(&entry.folder);
    Some(if entry.has_page { format!("{folder}/report.html") } else { format!("{folder}/") })
}

/// `path` as an address: everything but letters, digits and `-_./+` is escaped, so that no name can be another scheme.
fn address_of(path: &Path) -> String {
    let mut address = if path.is_absolute() { "file://".to_owned() } else { "./".to_owned() };
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte) {
            address.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(address, "%{byte:02X}");
        }
    }
    address
}

/// The batches, and all results, the latest first.
fn history(page: &Page, gathered: &Gathered, rows: &[AggregateRow<'_>]) -> Markup {
    let mut batches = crate::report::layout::Grid::new(&["started", "matrix", "cells", "with a result", "took"]);
    for (number, batch) in gathered.batches.iter().enumerate().rev() {
        let of_batch = |entry: &&Entry| entry.cell.as_ref().is_some_and(|(batch, ..)| *batch == number);
        let tally = Tally::of(gathered.entries.iter().filter(of_batch));
        let took_s: f64 = batch.cells.iter().map(|cell| took_of(&cell.state)).sum();
        batches.row(vec![
            short_instant(&batch.started),
            batch.file.clone(),
            count(tally.all),
            count(tally.done),
            seconds(took_s),
        ]);
    }
    let mut all: Vec<AggregateRow<'_>> = rows.to_vec();
    all.sort_by_key(|row| started_of(gathered, row));
    let figures: Vec<&Figure> = FIGURES.iter().take(3).collect();
    let headings = ["started", "model", "lengths", "load", "verdict"];
    let headings: Vec<&str> = headings.into_iter().chain(figures.iter().map(|figure| figure.name)).collect();
    let cells = |row: &AggregateRow<'_>| {
        let texts = [started_of(gathered, row), row.model(), row.lengths(), row.load_name(), row.verdict()];
        texts.into_iter().chain(figures.iter().map(|figure| row.figure(figure))).collect()
    };
    html! {
        @if !batches.is_empty() { (page.table(&batches, words::T_BATCHES)) }
        (linked(page, &headings, (&all, true), cells, words::T_ALL_RESULTS))
    }
}

/// How long a cell took, in seconds; 0 if it did not end.
fn took_of(state: &CellState) -> f64 {
    if let CellState::Ended { took_s, .. } = state { *took_s } else { 0.0 }
}

/// When a row began: its result, or its batch.
fn started_of(gathered: &Gathered, row: &AggregateRow<'_>) -> String {
    let batch = row.entry.cell.as_ref().and_then(|(batch, ..)| gathered.batches.get(*batch));
    let started = row.entry.report.as_ref().map(|report| &report.started).or(batch.map(|batch| &batch.started));
    started.map_or_else(|| UNKNOWN.to_owned(), |text| short_instant(text))
}

/// An instant without parts of a second.
fn short_instant(text: &str) -> String {
    text.split('.').next().unwrap_or(text).trim_end_matches('Z').to_owned() + "Z"
}

/// The rows as JSON, which the page carries.
fn json_of(gathered: &Gathered, rows: &[AggregateRow<'_>]) -> Value {
    let row = |row: &AggregateRow<'_>| {
        let figures =
            FIGURES.iter().map(|figure| (figure.name.replace([' ', '/'], "_"), json!(row.trial.and_then(figure.of))));
        json!({
            "started": started_of(gathered, row),
            "cell": row.cell().map(|cell| &cell.name),
            "model": row.model(),
            "lengths": row.lengths(),
            "load": row.load_name(),
            "verdict": row.verdict(),
            "folder": row.entry.folder,
            "figures": figures.collect::<Map<_, _>>(),
        })
    };
    let latest = &rows[rows.len().saturating_sub(MOST_ROWS)..];
    json!({
        "tool": tool(),
        "batches": gathered.batches.len(),
        "rows": latest.iter().map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_folder_leads_out_of_the_page() {
        for (path, address) in [
            ("m/20260102T030405Z/01-512x128", "./m/20260102T030405Z/01-512x128"),
            ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
            ("a b\"<", "./a%20b%22%3C"),
            ("/tmp/x", "file:///tmp/x"),
        ] {
            assert_eq!(address_of(Path::new(path)), address);
        }
    }

    #[test]
    fn lengths_stand_in_the_order_of_their_numbers() {
        let mut names = ["1024x64", "128x512", "128x64", "mix"].map(str::to_owned);
        names.sort_by_key(|name| lengths_key(name));
        assert_eq!(names, ["mix", "128x64", "128x512", "1024x64"]);
    }
}
