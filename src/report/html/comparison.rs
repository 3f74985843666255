//! Owns the page of a comparison in HTML: the answer, the differences with their intervals as a chart, and the tables.

use maud::html;
use serde_json::Value;

use crate::error::Error;
use crate::metrics::Ruling;
use crate::report::chart::{Finding, Forest, ForestRow};
use crate::report::comparison::sections;
use crate::report::html::embedded::{PLACE, block};
use crate::report::html::parts::{Page, capital, titled};
use crate::report::html::shell::shell;
use crate::report::sentences::is_better;
use crate::report::text::{Lang, Text};
use crate::report::words::{charts, page as words};
use crate::results::{ComparedLoad, ComparedRow, Comparison, Difference, tool};

/// The most charts of differences on a page: those of the first loads and runs. The tables hold all differences.
const MOST_FORESTS: usize = 12;

/// The page of `comparison` in HTML. `json` is the comparison, which the page carries.
pub(crate) fn render_comparison_html(comparison: &Comparison, json: &Value, lang: Lang) -> Result<String, Error> {
    let (tool, page) = (tool(), Page::new(lang));
    let letters: Vec<&str> = comparison.runs.iter().map(|run| run.letter.as_str()).collect();
    let title = words::COMPARISON_OF.with([Text::data(letters.join(", "))]);
    let header = html! { h1 { (title.of(lang)) } (page.sentences_are_english()) };
    let mut left = MOST_FORESTS;
    let mut drawn = |load: &ComparedLoad| {
        let charts =
            (1..letters.len()).map(|run| forest(comparison, load, run)).filter(|forest| !forest.rows.is_empty());
        let charts: Vec<Forest> = charts.take(left).collect();
        left -= charts.len();
        html! {
            div.charts { @for forest in charts { (page.forest(&forest)) } }
        }
    };
    let parts = sections(comparison);
    let (answer, others) =
        parts.split_first().ok_or_else(|| Error::Internal("a comparison without parts".to_owned()))?;
    let mut main = html! {
        section class=(tone(comparison)) aria-label=(page.say(words::ANSWER)) {
            @if let Some((lead, more)) = answer.lines.split_first() {
                p.lead { (page.english(&format!("{}.", capital(lead)))) }
                @if !more.is_empty() { ul { @for line in more { li { (page.english(line)) } } } }
            }
        }
    };
    let headings = [words::RUNS, words::TO_KNOW, words::NEXT];
    let mut loads = comparison.loads.iter();
    for part in others.iter().filter(|part| !part.lines.is_empty() || !part.tables.is_empty()) {
        let chart = if part.tables.is_empty() {
            html! {}
        } else {
            loads.next().map_or_else(|| html! {}, &mut drawn)
        };
        // The heading of a load is its description, which is in English.
        let heading = headings.into_iter().find(|said| said.en == part.heading);
        let heading = heading.map_or_else(|| page.english(&part.heading), |said| html! { (page.say(said)) });
        main = html! {
            (main)
            (titled(&heading, &html! {
                (chart)
                @for grid in &part.tables { (page.table(grid, words::T_DIFFERENCES)) }
                (page.sentences(&part.lines))
            }))
        };
    }
    let title = format!("{} · tonnage", title.of(lang));
    let page = shell(&page, &tool, &title, (&header, &main), words::HOLDS_COMPARISON).into_string();
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
        title: charts::FOREST_TITLE.with([Text::data(letter.as_str())]),
        description: charts::FOREST_TOLD.into(),
        rows: load.rows.iter().filter_map(row).collect(),
    }
}
