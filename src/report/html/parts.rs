//! Owns the parts that pages are made of: sections, tables, figures, lists and explanations of terms.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::metrics::Metric;
use crate::report::chart::{Chart, Forest, Heat, Lanes};
use crate::report::layout::Grid;
use crate::report::text::{Lang, Said, Text};
use crate::report::words::terms::terms;
use crate::report::words::{grids, page as words};
use crate::units::count;

/// The most rows of a table on a page. Of more, evenly spaced ones are shown, and that is said.
const MOST_ROWS: usize = 120;
/// The most sentences of a list on a page. Of more, the first ones are shown, and that is said.
const MOST_LINES: usize = 60;

/// The longest command or configuration on a page, in characters.
const MOST_TEXT: usize = 20_000;

/// A key figure: its name, the figure, and a remark below.
pub(super) type Tile = (Said, String, Text);

/// Whether cells that are words of ours are translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cells {
    Words,
    /// The first column holds names that users gave.
    Names,
}

/// What the parts of one page share: its language, and the number of charts so far.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The language of the page.
    pub(super) lang: Lang,
    charts: Cell<usize>,
    /// How often each label of a table was used.
    labels: RefCell<BTreeMap<String, usize>>,
}

impl Page {
    pub(super) fn new(lang: Lang) -> Self {
        Self { lang, ..Self::default() }
    }

    /// The text in the language of the page.
    pub(super) fn say(&self, said: Said) -> &'static str {
        said.of(self.lang)
    }

    /// A sentence that exists in English only. The markup says so where the page is in another language.
    pub(super) fn english(&self, sentence: &str) -> Markup {
        if self.lang == Lang::English {
            html! { (sentence) }
        } else {
            html! { span lang="en" { (sentence) } }
        }
    }

    /// The word `text` of a table in the language of the page.
    pub(super) fn cell(&self, text: &'static str) -> Cow<'static, str> {
        grids::cell(self.lang, text)
    }

    /// What the table `name` is to those who cannot see it. A page has no two tables with one label.
    pub(super) fn label(&self, name: &str) -> String {
        let label = words::TABLE_OF.with([Text::data(name)]).of(self.lang).to_owned();
        let mut labels = self.labels.borrow_mut();
        let times = labels.entry(label.clone()).and_modify(|times| *times += 1).or_insert(1);
        if *times == 1 { label } else { format!("{label} ({times})") }
    }

    fn number(&self) -> usize {
        let number = self.charts.get();
        self.charts.set(number + 1);
        number
    }

    /// A chart with its legend and its table; nothing if it has no series.
    pub(super) fn figure(&self, chart: &Chart) -> Markup {
        if chart.is_empty() {
            return html! {};
        }
        let lang = self.lang;
        let drawn = html! { (chart.legend(lang)) (chart.draw(self.number(), lang)) };
        self.framed(&chart.title, &chart.description, &drawn, &chart.table(lang), Cells::Words)
    }

    /// A chart of single requests with its legend and its table; nothing without requests.
    pub(super) fn lanes(&self, lanes: &Lanes) -> Markup {
        if lanes.requests.is_empty() {
            return html! {};
        }
        let lang = self.lang;
        let drawn = html! { (lanes.legend(lang)) (lanes.draw(self.number(), lang)) };
        self.framed(&lanes.title, &lanes.description, &drawn, &lanes.table(lang), Cells::Words)
    }

    /// A heat map with its legend and its table; nothing without values.
    pub(super) fn heat(&self, heat: &Heat) -> Markup {
        if heat.is_empty() {
            return html! {};
        }
        let lang = self.lang;
        let drawn = html! { (heat.legend(lang)) (heat.draw(self.number(), lang)) };
        self.framed(&heat.title, &heat.description, &drawn, &heat.table(lang), Cells::Names)
    }

    /// A chart of differences with its legend. Its table stands below it, on the page.
    pub(super) fn forest(&self, forest: &Forest) -> Markup {
        let lang = self.lang;
        html! {
            figure {
                figcaption { (forest.title.of(lang)) }
                p.note { (forest.description.of(lang)) }
                (forest.legend(lang))
                (forest.draw(self.number(), lang))
            }
        }
    }

    fn framed(&self, title: &Text, told: &Text, drawn: &Markup, grid: &Grid, cells: Cells) -> Markup {
        let title = title.of(self.lang);
        html! {
            figure {
                figcaption { (title) }
                p.note { (told.of(self.lang)) }
                (drawn)
                details {
                    summary { (words::TABLE_OF.with([Text::data(title)]).of(self.lang)) }
                    (self.grid(grid, title, cells))
                }
            }
        }
    }

    /// Charts beside each other.
    pub(super) fn figures(&self, charts: &[Chart]) -> Markup {
        html! { div.charts { @for chart in charts { (self.figure(chart)) } } }
    }

    /// A section with a heading.
    pub(super) fn section(&self, title: Said, content: &Markup) -> Markup {
        titled(&html! { (self.say(title)) }, content)
    }

    /// A table. `name` says what it holds to those who cannot see it.
    pub(super) fn table(&self, grid: &Grid, name: Said) -> Markup {
        self.grid(grid, self.say(name), Cells::Words)
    }

    /// A table whose first column holds names that users gave, which are not translated.
    pub(super) fn named_table(&self, grid: &Grid, name: Said) -> Markup {
        self.grid(grid, self.say(name), Cells::Names)
    }

    fn grid(&self, grid: &Grid, name: &str, cells: Cells) -> Markup {
        let lang = self.lang;
        let rows = grid.rows();
        let step = rows.len().div_ceil(MOST_ROWS).max(1);
        let is_word = |place: usize| place > 0 || cells == Cells::Words;
        html! {
            div.scroll tabindex="0" role="region" aria-label=(self.label(name)) {
                table {
                    thead {
                        tr {
                            @for heading in grid.headings() {
                                @if heading.is_empty() { td {} } @else {
                                    th scope="col" { (grids::heading(lang, heading)) }
                                }
                            }
                        }
                    }
                    tbody {
                        @for row in rows.iter().step_by(step) {
                            tr {
                                @for (place, cell) in row.iter().enumerate() {
                                    @let cell = cell.trim_end();
                                    @let cell = if is_word(place) { grids::cell(lang, cell) } else { cell.into() };
                                    @if place == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
            @if step > 1 {
                @let numbers = [rows.len().div_ceil(step), rows.len()].map(|number| Text::data(count(number as u64)));
                p.note { (words::ROWS_LEFT_OUT.with(numbers).of(lang)) }
            }
        }
    }

    /// A table with its notes below; nothing without a table.
    pub(super) fn noted(&self, table_and_notes: Option<(Grid, Vec<String>)>, name: Said) -> Markup {
        html! {
            @if let Some((grid, notes)) = table_and_notes {
                (self.table(&grid, name))
                @for note in &notes { p.note { (self.english(note)) } }
            }
        }
    }

    /// Names with texts, side by side; empty texts are left out.
    pub(super) fn facts(&self, rows: &[(Said, Text)], name: Said) -> Markup {
        html! {
            div.scroll tabindex="0" role="region" aria-label=(self.label(self.say(name))) {
                table.words {
                    tbody {
                        @for (name, text) in rows.iter().filter(|(_, text)| !text.of(self.lang).is_empty()) {
                            tr { th scope="row" { (self.say(*name)) } td { (text.of(self.lang)) } }
                        }
                    }
                }
            }
        }
    }

    /// Key figures: a name, a figure, and a remark below.
    pub(super) fn tiles(&self, tiles: &[Tile]) -> Markup {
        html! {
            dl.tiles {
                @for (name, figure, remark) in tiles {
                    @let remark = remark.of(self.lang);
                    div { dt { (self.say(*name)) } dd { (figure) @if !remark.is_empty() { small { (remark) } } } }
                }
            }
        }
    }

    /// Sentences as a list; nothing without sentences.
    pub(super) fn sentences(&self, lines: &[String]) -> Markup {
        html! {
            @if !lines.is_empty() {
                ul.plain { @for line in lines.iter().take(MOST_LINES) { li { (self.english(line)) } } }
            }
            (self.left_out(lines.len()))
        }
    }

    /// Warnings as a list; nothing without warnings.
    pub(super) fn warnings(&self, lines: &[String]) -> Markup {
        html! {
            @if !lines.is_empty() {
                ul.plain {
                    @for line in lines.iter().take(MOST_LINES) {
                        li.warning { (self.say(words::WARNING)) (self.english(line)) }
                    }
                }
            }
            (self.left_out(lines.len()))
        }
    }

    fn left_out(&self, number: usize) -> Markup {
        let numbers = [MOST_LINES, number].map(|number| Text::data(count(number as u64)));
        html! { @if number > MOST_LINES { p.note { (words::LINES_LEFT_OUT.with(numbers).of(self.lang)) } } }
    }

    /// What the terms of a section mean.
    pub(super) fn explained(&self, names: &[&str]) -> Markup {
        html! {
            details.terms {
                summary { (self.say(words::TERMS)) }
                dl.terms {
                    @for (term, meaning) in terms(names) { dt { (term.of(self.lang)) } dd { (meaning.of(self.lang)) } }
                }
            }
        }
    }

    /// That a page in another language has sentences in English; nothing on a page in English.
    pub(super) fn sentences_are_english(&self) -> Markup {
        html! { @if self.lang != Lang::English { p.note { (self.say(words::SENTENCES_ENGLISH)) } } }
    }

    /// That the page describes a simulated server.
    pub(super) fn simulated(&self, is_simulated: bool) -> Markup {
        html! { @if is_simulated { p.simulated { (self.say(words::SIMULATED)) } } }
    }
}

/// A section whose heading is made elsewhere.
pub(super) fn titled(title: &Markup, content: &Markup) -> Markup {
    html! { section { h2 { (title) } (content) } }
}

/// The legend's name of `metric` on charts: its key.
pub(super) fn key_of(metric: Metric) -> Text {
    Text::data(metric.key().replace('_', " "))
}

/// `text` with a capital letter first, unless it begins with a term such as `p99` or `error_rate`, or with the name of
/// a class and its colon.
pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    let is_key = text.split_whitespace().next().is_some_and(|word| word.contains('_') || word.ends_with(':'));
    if is_key || characters.clone().next().is_some_and(|second| second.is_ascii_digit()) {
        return text.to_owned();
    }
    first.to_uppercase().chain(characters).collect()
}

/// `text`, cut off where it would fill the page.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}
