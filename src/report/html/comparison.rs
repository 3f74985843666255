//! Owns the page of a comparison in HTML: the answer, the differences with their intervals as a chart, and the tables.

use maud::{Markup, html};
use serde_json::Value;

use crate::error::Error;
use crate::metrics::Ruling;
use crate::report::chart::{Finding, Forest, ForestRow};
use crate::report::comparison::{load_line, sections};
use crate::report::html::embedded::{PLACE, block};
use crate::report::html::parts::{capital, section, sentences, table};
use crate::report::html::shell::shell;
use crate::report::sentences::is_better;
use crate::results::{ComparedLoad, ComparedRow, Comparison, Difference, tool};

/// The page of `comparison` in HTML. `json` is the comparison, which the page carries.
pub(crate) fn render_comparison_html(comparison: &Comparison, json: &Value) -> Result<String, Error> {
    let tool = tool();
    let letters: Vec<&str> = comparison.runs.iter().map(|run| run.letter.as_str()).collect();
    let title = format!("Comparison of {} · tonnage", letters.join(", "));
    let header = html! { h1 { "Comparison of " (letters.join(", ")) } };
    let mut number = 0;
    let mut drawn = |load: &ComparedLoad| {
        let charts =
            (1..letters.len()).map(|run| forest(comparison, load, run)).filter(|forest| !forest.rows.is_empty());
        html! {
            div.charts { @for forest in charts { (figure(&forest, { number += 1; number })) } }
        }
    };
    let parts = sections(comparison);
    let (answer, others) =
        parts.split_first().ok_or_else(|| Error::Internal("a comparison without parts".to_owned()))?;
    let mut main = html! {
        section class=(tone(comparison)) aria-label="Answer" {
            @if let Some((lead, more)) = answer.lines.split_first() {
                p.lead { (capital(lead)) "." }
                @if !more.is_empty() { ul { @for line in more { li { (line) } } } }
            }
        }
    };
    let mut loads = comparison.loads.iter();
    for part in others.iter().filter(|part| !part.lines.is_empty() || !part.tables.is_empty()) {
        let chart = if part.tables.is_empty() {
            html! {}
        } else {
            loads.next().map_or_else(|| html! {}, &mut drawn)
        };
        main = html! {
            (main)
            (section(&part.heading, &html! {
                (chart)
                @for grid in &part.tables { (table(grid, &part.heading)) }
                (sentences(&part.lines))
            }))
        };
    }
    let page = shell(&tool, &title, &header, &main, "the comparison as JSON").into_string();
    Ok(page.replace(PLACE, &block(json)))
}

fn tone(comparison: &Comparison) -> &'static str {
    let rulings = &comparison.rulings;
    if rulings.iter().any(|ruled| ruled.ruling == Ruling::Worse) {
        "answer bad"
    } else if rulings.iter().any(|ruled| ruled.ruling == Ruling::Undecided) {
        "answer unsure"
    } else if rulings.is_empty() {
        "answer"
    } else {
        "answer good"
    }
}

fn figure(forest: &Forest, number: usize) -> Markup {
    html! {
        figure {
            figcaption { (forest.title) }
            p.note { (forest.description) }
            (forest.legend())
            (forest.draw(number))
        }
    }
}

/// The differences of run number `run` from the baseline, of the figures whose ratio has an interval.
fn forest(comparison: &Comparison, load: &ComparedLoad, run: usize) -> Forest {
    let letter = &comparison.runs[run].letter;
    let percent = |ratio: f64| (ratio - 1.0) * 100.0;
    let row = |row: &ComparedRow| {
        let found: &Difference = row.differences.get(run - 1)?;
        Some(ForestRow {
            name: row.measure.to_string(),
            percent: percent(found.ratio?),
            interval: found.ratio95?.map(percent),
            finding: match is_better(row.measure, found) {
                Some(true) => Finding::Better,
                Some(false) => Finding::Worse,
                None => Finding::Unsure,
            },
        })
    };
    Forest {
        title: format!("{letter} against A: {}", load_line(load)),
        description:
            "Each row: the difference in percent, and its 95 % interval. An interval that leaves out 0 is sure."
                .to_owned(),
        rows: load.rows.iter().filter_map(row).collect(),
    }
}
