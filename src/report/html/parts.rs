//! Owns the parts that pages are made of: sections, tables, figures, lists and explanations of terms.

use std::cell::Cell;

use maud::{Markup, html};

use crate::report::chart::Chart;
use crate::report::layout::Grid;
use crate::report::terms::terms;

/// What the parts of one page share.
#[derive(Debug, Default)]
pub(super) struct Page {
    charts: Cell<usize>,
}

impl Page {
    /// A chart with its legend and its table; nothing if it has no series.
    pub(super) fn figure(&self, chart: &Chart) -> Markup {
        if chart.is_empty() {
            return html! {};
        }
        let number = self.charts.get();
        self.charts.set(number + 1);
        html! {
            figure {
                figcaption { (chart.title) }
                p.note { (chart.description) }
                (chart.legend())
                (chart.draw(number))
                details {
                    summary { "Table: " (chart.title) }
                    (table(&chart.table(), &chart.title))
                }
            }
        }
    }

    /// Charts beside each other.
    pub(super) fn figures(&self, charts: &[Chart]) -> Markup {
        html! { div.charts { @for chart in charts { (self.figure(chart)) } } }
    }
}

/// A section with a heading.
pub(super) fn section(title: &str, content: &Markup) -> Markup {
    html! { section { h2 { (title) } (content) } }
}

/// A table. `name` says what it holds to those who cannot see it.
pub(super) fn table(grid: &Grid, name: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(format!("Table: {name}")) {
            table {
                thead { tr { @for heading in grid.headings() { th scope="col" { (heading) } } } }
                tbody {
                    @for row in grid.rows() {
                        tr {
                            @for (place, cell) in row.iter().enumerate() {
                                @let cell = cell.trim_end();
                                @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A table with its notes below; nothing without a table.
pub(super) fn noted(table_and_notes: Option<(Grid, Vec<String>)>, name: &str) -> Markup {
    html! {
        @if let Some((grid, notes)) = table_and_notes {
            (table(&grid, name))
            @for note in &notes { p.note { (note) } }
        }
    }
}

/// Names with texts, side by side; empty texts are left out.
pub(super) fn facts(rows: &[(&str, String)], name: &str) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(format!("Table: {name}")) {
            table.words {
                tbody {
                    @for (name, text) in rows.iter().filter(|(_, text)| !text.is_empty()) {
                        tr { th scope="row" { (name) } td { (text) } }
                    }
                }
            }
        }
    }
}

/// Key figures: a name, a figure, and a remark below.
pub(super) fn tiles(tiles: &[(&str, String, String)]) -> Markup {
    html! {
        dl.tiles {
            @for (name, figure, remark) in tiles {
                div { dt { (name) } dd { (figure) @if !remark.is_empty() { small { (remark) } } } }
            }
        }
    }
}

/// Sentences as a list; nothing without sentences.
pub(super) fn sentences(lines: &[String]) -> Markup {
    html! { @if !lines.is_empty() { ul.plain { @for line in lines { li { (line) } } } } }
}

/// Warnings as a list; nothing without warnings.
pub(super) fn warnings(lines: &[String]) -> Markup {
    html! { @if !lines.is_empty() { ul.plain { @for line in lines { li.warning { "Warning: " (line) } } } } }
}

/// What the terms of a section mean.
pub(super) fn explained(names: &[&'static str]) -> Markup {
    html! {
        details.terms {
            summary { "What these terms mean" }
            dl.terms { @for (term, meaning) in terms(names) { dt { (term) } dd { (meaning) } } }
        }
    }
}

/// `text` with a capital letter first, unless it begins with a term such as `p99`.
pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    if characters.clone().next().is_some_and(|second| second.is_ascii_digit()) {
        return text.to_owned();
    }
    first.to_uppercase().chain(characters).collect()
}
