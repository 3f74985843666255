//! Owns the page of a result in HTML: one file that needs no network and no script, and that carries the JSON of the
//! result.

mod about;
mod comparison;
mod course;
mod embedded;
mod parts;
mod run;
mod search;
mod shell;
mod sweep;

pub(crate) use comparison::render_comparison_html;
use maud::{Markup, html};

use crate::error::Error;
use crate::report::answer::{News, answer_of};
use crate::report::html::parts::{Page, capital, section};
use crate::report::html::shell::shell;
use crate::report::next::next_of;
use crate::report::shown::shown as without_escapes;
use crate::report::worded::notes_of_run;
use crate::results::Report;

/// The largest page, in bytes: mail and chat still take it, and it opens at once.
pub const MOST_BYTES: usize = 400_000;

/// The page of `report` in HTML.
pub fn render_html(report: &Report) -> Result<String, Error> {
    let page = page(&without_escapes(report)).into_string();
    embedded::with_json(&page, report, MOST_BYTES)
}

fn page(report: &Report) -> Markup {
    let (target, answer) = (&report.target, answer_of(report));
    let news = match answer.news {
        News::Good => "answer good",
        News::Bad => "answer bad",
        News::Unsure => "answer unsure",
        News::Plain => "answer",
    };
    let kind = match (&report.sweep, &report.search) {
        (Some(_), _) => "Sweep",
        (_, Some(_)) => "Search",
        _ => "Run",
    };
    let page = Page::default();
    let content = match (&report.sweep, &report.search) {
        (Some(found), _) => sweep::content(&page, report, found),
        (_, Some(found)) => search::content(&page, report, found),
        _ => html! { @for trial in &report.trials { (run::content(&page, report, trial)) } },
    };
    let notes: Vec<_> = notes_of_run(report).collect();
    let header = html! {
        h1 { (kind) " of " (target.model) " at " (target.urls.join(", ")) }
        p.sub {
            (report.started)
            @if let Some(label) = &report.label { " · label: " (label) }
        }
        @if target.simulated {
            p.simulated { "SIMULATED: these figures describe a simulated server, not a real machine." }
        }
    };
    let main = html! {
        section class=(news) aria-label="Answer" {
            p.lead {
                @if let Some(word) = answer.word { span.word { (word) } " — " }
                (capital(&answer.sentence)) "."
            }
            @if !answer.reasons.is_empty() {
                ul { @for reason in &answer.reasons { li { (reason) } } }
            }
        }
        (content)
        @if !notes.is_empty() {
            (section("Notes", &html! { ul.plain { @for note in &notes { li { (note) } } } }))
        }
        (section("What to do next", &html! {
            @for next in next_of(report) { h3 { (next.why) } pre tabindex="0" { code { (next.command) } } }
        }))
        (about::content(report))
    };
    let title = format!("{kind} · {} · tonnage", target.model);
    shell(&report.tool, &title, &header, &main, "the content of result.json")
}
