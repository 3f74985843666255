//! Owns the page of a result in HTML: one file that needs no network and no script, and that carries the JSON of the
//! result.

mod about;
mod classes;
mod comparison;
mod course;
mod distributions;
mod embedded;
mod fleet;
mod index;
mod parts;
mod run;
mod search;
mod shell;
mod sweep;

pub(crate) use comparison::render_comparison_html;
pub(crate) use fleet::render_fleet_html;
pub(crate) use index::render_index;
use maud::{Markup, html};

use crate::error::Error;
use crate::report::answer::{Answer, News, answer_of};
use crate::report::html::parts::{Page, capital, cut};
use crate::report::html::shell::shell;
use crate::report::next::next_of;
use crate::report::shown::shown as without_escapes;
use crate::report::text::{Lang, Text};
use crate::report::worded::notes_of_run;
use crate::report::words::page as words;
use crate::results::Report;

/// The largest page, in bytes: mail and chat still take it, and it opens at once.
pub const MOST_BYTES: usize = 400_000;

/// The page of `report` in HTML, in English.
pub fn render_html(report: &Report) -> Result<String, Error> {
    render_html_in(report, Lang::English)
}

/// The page of `report` in HTML.
pub fn render_html_in(report: &Report, lang: Lang) -> Result<String, Error> {
    let page = Page::new(lang);
    let text = content(&page, &without_escapes(report)).into_string();
    embedded::with_json(&page, &text, report, MOST_BYTES)
}

/// The class of the box with the answer.
const fn tone(news: News) -> &'static str {
    match news {
        News::Good => "answer good",
        News::Bad => "answer bad",
        News::Unsure => "answer unsure",
        News::Plain => "answer",
    }
}

/// The verdict in the language of the page.
fn verdict(page: &Page, word: &'static str) -> &'static str {
    let known = [words::PASS, words::FAIL, words::INCONCLUSIVE].into_iter().find(|said| said.en == word);
    known.map_or(word, |said| page.say(said))
}

fn answered(page: &Page, answer: &Answer) -> Markup {
    html! {
        section class=(tone(answer.news)) aria-label=(page.say(words::ANSWER)) {
            p.lead {
                @if let Some(word) = answer.word { span.word { (verdict(page, word)) } " — " }
                (page.english(&format!("{}.", capital(&answer.sentence))))
            }
            @if !answer.reasons.is_empty() {
                ul { @for reason in &answer.reasons { li { (page.english(reason)) } } }
            }
        }
    }
}

fn content(page: &Page, report: &Report) -> Markup {
    let (target, lang) = (&report.target, page.lang);
    let title = match (&report.sweep, &report.search) {
        (Some(_), _) => words::SWEEP_OF,
        (_, Some(_)) => words::SEARCH_OF,
        _ => words::RUN_OF,
    };
    let title = title.with([Text::data(target.model.as_str()), Text::data(target.urls.join(", "))]);
    let parts = match (&report.sweep, &report.search) {
        (Some(found), _) => sweep::content(page, report, found),
        (_, Some(found)) => search::content(page, report, found),
        _ => html! { @for trial in &report.trials { (run::content(page, report, trial)) } },
    };
    let notes: Vec<String> = notes_of_run(report).map(std::borrow::Cow::into_owned).collect();
    let header = html! {
        h1 { (title.of(lang)) }
        p.sub {
            (report.started)
            @if let Some(label) = &report.label { " · " (words::LABEL.with([Text::data(label.as_str())]).of(lang)) }
        }
        (page.simulated(target.simulated))
        (page.sentences_are_english())
    };
    let main = html! {
        (answered(page, &answer_of(report)))
        (parts)
        @if !notes.is_empty() { (page.section(words::NOTES, &page.sentences(&notes))) }
        (page.section(words::NEXT, &html! {
            @for next in next_of(report) {
                h3 { (page.english(next.why)) }
                pre tabindex="0" { code { (cut(&next.command)) } }
            }
        }))
        (about::content(page, report))
    };
    let title = format!("{} · tonnage", title.of(lang));
    shell(page, &report.tool, &title, (&header, &main), words::HOLDS_RESULT)
}
