//! Owns the page of a result in HTML: one file that needs no network and no script, and that carries the JSON of the
//! result.

mod about;
mod course;
mod embedded;
mod parts;
mod run;
mod search;
mod sweep;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::error::Error;
use crate::report::answer::{News, answer_of};
use crate::report::html::parts::{Page, section};
use crate::report::next::next_of;
use crate::report::shown::shown as without_escapes;
use crate::report::worded::notes_of_run;
use crate::results::Report;

/// The style of the page.
const STYLE: &str = include_str!("style.css");

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
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(format!("{} {}", report.tool.name, report.tool.version));
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (format!("{kind} · {} · tonnage", target.model)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (kind) " of " (target.model) " at " (target.urls.join(", ")) }
                    p.sub {
                        (report.started)
                        @if let Some(label) = &report.label { " · label: " (label) }
                    }
                    @if target.simulated {
                        p.simulated { "SIMULATED: these figures describe a simulated server, not a real machine." }
                    }
                }
                main {
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
                }
                footer {
                    p {
                        "Made by tonnage " (report.tool.version) ". The page needs no network and no script, and holds \
                         the content of result.json."
                    }
                }
                (PreEscaped(embedded::PLACE))
            }
        }
    }
}

/// `text` with a capital letter first, unless it begins with a term such as `p99`.
fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    if characters.clone().next().is_some_and(|second| second.is_ascii_digit()) {
        return text.to_owned();
    }
    first.to_uppercase().chain(characters).collect()
}
